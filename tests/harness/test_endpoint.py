"""An API that misbehaves, end to end: ``cwmb eval --model openai:...`` against a scripted endpoint."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from threading import Lock

import pytest
from conftest import KEY, Endpoint, Undisturbed, contents, evaluation, programmer
from killable import Killable
from scripted_server import Behaviour, Body, answer, body_hash, half, json_body, raw, reset, status

PASSING = {
    "429 with Retry-After": status(429, headers={"retry-after": "0"}),
    "429": status(429),
    "500": status(500),
    "502": raw(b"<html>bad gateway</html>", 502),
    "503": status(503),
    "reset": reset(),
    "half": half(),
    "malformed": raw(b'{"choices": ['),
    "no choices": json_body({"choices": []}),
}


def test_what_passes_leaves_no_trace(cwmb_process: Killable, undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Every request meets a few troubles before it is answered; all of them are met."""
    faults, met, lock = list(PASSING.values()), Counter[str](), Lock()

    def troubled(body: Body) -> Behaviour:
        key = body_hash(body)
        with lock:
            met[key] += 1
            number = list(met).index(key)
        troubles = [faults[(4 * number + i) % len(faults)] for i in range(4)]
        return troubles[met[key] - 1] if met[key] <= len(troubles) else programmer(body)

    endpoint = Endpoint(troubled)
    with endpoint.server:
        ended = cwmb_process.run(*evaluation(tmp_path / "run"), **endpoint.environment)
    assert ended.code == 0, ended.errors
    assert 4 * len(met) >= len(faults)
    assert len(endpoint.server.bodies) == 5 * undisturbed.requests
    assert contents(tmp_path / "run") == undisturbed.files


def test_what_stays_is_infrastructure_and_is_what_resuming_retries(
    cwmb_process: Killable, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    def troubled(body: Body) -> Behaviour:
        return status(503, "overloaded") if "CartPole" in str(body["messages"]) else programmer(body)

    endpoint, out = Endpoint(troubled), tmp_path / "run"
    with endpoint.server:
        ended = cwmb_process.run(*evaluation(out), **endpoint.environment)
        assert ended.code == 4
        assert "CartPole-v1 seed 0: openai:scripted at 127.0.0.1: HTTP 503: overloaded (8 attempts)" in ended.errors
        failed, done = (json.loads(line) for line in (out / "records.jsonl").read_text().splitlines())
        assert (failed["environment"], failed["state"], failed["stop"]) == ("CartPole-v1", "infrastructure", "error")
        assert failed["train"] is failed["test"] is failed["planning"] is failed["program"] is None
        assert failed["failure"]["kind"] == "infrastructure"
        assert (done["environment"], done["state"]) == ("CliffWalking-v0", "done")
        endpoint.behave, before = programmer, len(endpoint.server.bodies)
        assert cwmb_process.run(*evaluation(out), **endpoint.environment).code == 0
        assert all("CartPole" in str(body["messages"]) for body in endpoint.server.bodies[before:])
    assert contents(out) == undisturbed.files


@pytest.mark.parametrize("code", [401, 404])
def test_an_endpoint_that_refuses_everything_is_told_in_one_line(
    cwmb_process: Killable, endpoint: Endpoint, tmp_path: Path, code: int
) -> None:
    endpoint.behave = lambda body: status(code, f"no, {KEY}")
    ended = cwmb_process.run(*evaluation(tmp_path / "run", "--envs", "all"), **endpoint.environment)
    assert ended.code == 4
    assert ended.errors.startswith(f"cwmb: openai:scripted at 127.0.0.1: HTTP {code}: ")
    assert ended.errors.count("\n") == 1
    assert len(endpoint.server.bodies) == 1  # of 18 cells


def test_odd_answers_are_the_models_own(cwmb_process: Killable, tmp_path: Path) -> None:
    odd = [
        answer(""),
        answer(None),
        answer("class Environment:\n    def set_st", finish_reason="length"),
        answer("", finish_reason="content_filter"),
        json_body({"choices": [{"message": {"content": "no usage"}}]}),
        answer("I am another model", model="another"),
        status(400, "maximum context length is 1 token", code="context_length_exceeded"),
    ]
    endpoint = Endpoint(lambda body: odd[len(endpoint.server.bodies) - 1])
    with endpoint.server:
        more = ("--budget", len(odd), "--envs", "CartPole-v1", "--strategy", "best_of_n")
        ended = cwmb_process.run(*evaluation(tmp_path / "run", *more), **endpoint.environment)
    assert ended.code == 0, ended.errors
    [record] = (json.loads(line) for line in (tmp_path / "run/records.jsonl").read_text().splitlines())
    assert (record["state"], record["usage"]["calls"]) == ("done", len(odd))
    assert record["answers"]["context_exceeded"] == 1
    assert sum(record["answers"].values()) == len(odd)
    assert record["test"]["accuracy"] == 0.0
    assert record["provenance"]["reported_models"] == ["", "another", "scripted"]


SPY = """
```python
import sys

class Environment:
    def set_state(self, observation):
        found = [dict(m.environ) for m in list(sys.modules.values()) if hasattr(m, "environ")]
        try:
            found.append(open("/proc/self/environ").read())
        except BaseException as error:
            found.append(repr(error))
        raise ValueError(f"ENVIRON {found}")

    def step(self, action):
        return 0, 0.0, False
```
"""


def test_the_key_is_nowhere(cwmb_process: Killable, tmp_path: Path) -> None:
    """Not in what the endpoint says back, not in what a program can see, not in errors."""
    answers = [answer(f"{SPY}\n{KEY}", model="m"), answer(SPY), status(500, KEY), raw(KEY.encode()), status(401, KEY)]
    endpoint = Endpoint(lambda body: answers[min(len(endpoint.server.bodies), len(answers)) - 1])
    with endpoint.server:
        ended = cwmb_process.run(*evaluation(tmp_path / "run", "--budget", 5), **endpoint.environment)
    assert ended.code == 4
    assert KEY not in ended.output + ended.errors
    assert all(f"Bearer {KEY}" in str(headers) for headers in endpoint.server.headers)  # there was one to tell
    files = [p for p in (tmp_path / "run").rglob("*") if p.is_file()]
    assert len(files) > 5
    assert any("ENVIRON [" in p.read_text() for p in files)  # the program told what it saw
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path
        assert b"OPENAI_BASE_URL" not in path.read_bytes(), path
