"""All questions of a run asked at once, through an endpoint that takes batches."""

from __future__ import annotations

import email.parser
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from scripted_server import completion

from cwmb import reference
from cwmb.cli import app
from cwmb.errors import CwmbError, InfrastructureError
from cwmb.harness import batch

RIGHT = f"```python\n{reference.simple('CliffWalking-v0').source}\n```"
RUN = ["eval", "--model", "openai:m", "--envs", "CliffWalking-v0", "--no-plan", "--batch"]


class Endpoint:
    """Takes batches. lost: how many answers of each are missing; looks: after how many a batch is done."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.batches: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.lost, self.looks, self.refuse = 0, 2, False

    def answer(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        if path == "/v1/chat/completions":
            return 200, completion(RIGHT)
        if self.refuse:
            return 404, {"error": {"message": "no batches here"}}
        if path == "/v1/files":
            parts = email.parser.BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
            content = next(p for p in parts.walk() if p.get_filename())
            self.files["in"] = content.get_payload(decode=True).decode()  # type: ignore[union-attr]
            return 200, {"id": "in", "object": "file", "bytes": 1, "created_at": 1, "filename": "x", "purpose": "batch"}
        if path == "/v1/batches" and method == "POST":
            made = json.loads(body)
            self.batches.append(self.made(f"batch_{len(self.batches)}", "in_progress", made.get("metadata")))
            return 200, self.batches[-1]
        if path.startswith("/v1/batches?"):
            return 200, {"object": "list", "data": self.batches, "has_more": False}
        if path.startswith("/v1/batches/"):
            found = next(b for b in self.batches if b["id"] == path.rpartition("/")[2])
            self.looks -= 1
            if self.looks <= 0:
                found |= {"status": "completed", "output_file_id": "out"}
                entries = [json.loads(line) for line in self.files["in"].splitlines()]
                done = entries[: len(entries) - self.lost]
                reply = {"status_code": 200, "body": completion("I do not know.")}
                self.files["out"] = "\n".join(
                    json.dumps({"custom_id": e["custom_id"], "response": reply, "error": None}) for e in done
                )
            return 200, found
        return 200, self.files["out"]

    @staticmethod
    def made(identity: str, status: str, metadata: Any) -> dict[str, Any]:
        times = {"created_at": 1, "completion_window": "24h", "endpoint": "/v1/chat/completions"}
        return {
            "id": identity,
            "object": "batch",
            "status": status,
            "input_file_id": "in",
            "metadata": metadata,
        } | times


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    owner = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            code, value = owner.answer(self.command, self.path, body, self.headers.get("content-type") or "")
            content = (value if isinstance(value, str) else json.dumps(value)).encode()
            self.send_response(code)
            self.send_header("content-type", "text/plain" if isinstance(value, str) else "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = respond  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(batch, "POLL", 0.01)
    yield owner
    server.shutdown()
    server.server_close()


def run(out: Path, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app.app, [*RUN, "--out", str(out), *arguments], catch_exceptions=False)
    assert result.exit_code in (0, None), result.stderr
    found: dict[str, Any] = json.loads((out / "records.jsonl").read_text())
    return found


def test_all_is_asked_in_one_batch_and_what_it_lost_as_usual(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.lost = 1
    record = run(tmp_path, "--strategy", "best_of_n", "--budget", "3")
    asked = [json.loads(line) for line in endpoint.files["in"].splitlines()]
    assert len(asked) == len({e["custom_id"] for e in asked}) == len({e["body"]["seed"] for e in asked}) == 3
    assert endpoint.asked.count("POST /v1/batches") == 1
    assert endpoint.asked.count("POST /v1/chat/completions") == 1
    assert (record["stop"], record["usage"]["calls"]) == ("perfect", 3)


def test_a_run_that_was_interrupted_goes_on_with_its_batch(endpoint: Endpoint, tmp_path: Path) -> None:
    run(tmp_path, "--strategy", "zero_shot")
    ledger = tmp_path / "cells" / "CliffWalking-v0" / "seed-0"
    for path in (ledger / "record.json", ledger / "ledger.jsonl", ledger / "timings.jsonl"):
        path.unlink()
    before = len(endpoint.asked)
    run(tmp_path, "--strategy", "zero_shot")
    assert len(endpoint.asked) == before  # all was at hand
    # Killed between submitting and noting it: the batch is found by what it asks.
    for path in [*(tmp_path / "batch").iterdir(), ledger / "record.json", ledger / "ledger.jsonl"]:
        path.unlink()
    run(tmp_path, "--strategy", "zero_shot")
    assert len(endpoint.batches) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--strategy", "refine"), "the questions of refine depend on answers"),
        (("--strategy", "zero_shot", "--max-dollars", "1"), "asks everything beforehand"),
        (("--strategy", "zero_shot", "--model", "simulated"), "not simulated"),
        (("--strategy", "zero_shot", "--model", "openai:m?api=responses"), "not openai:m"),
    ],
)
def test_what_cannot_be_asked_at_once_is_told(
    endpoint: Endpoint, tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(CwmbError, match=complaint):
        CliRunner().invoke(app.app, [*RUN, "--out", str(tmp_path), *arguments], catch_exceptions=False)
    assert endpoint.asked == []


def test_an_endpoint_without_batches_says_so(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.refuse = True
    command = [*RUN, "--out", str(tmp_path), "--strategy", "zero_shot"]
    with pytest.raises(InfrastructureError, match="no batches here"):
        CliRunner().invoke(app.app, command, catch_exceptions=False)
