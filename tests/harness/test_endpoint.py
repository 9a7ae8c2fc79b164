"""An API that misbehaves, end to end: ``cwmb eval --model openai:...`` against a scripted endpoint."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from conftest import KEY, Endpoint, Undisturbed, contents, evaluation, programmer
from killable import Ended, Killable
from scripted_server import Behaviour, Body, answer, body_hash, half, json_body, page, raw, reset, status

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
    *cells, told = ended.errors.splitlines()
    assert told.startswith(f"cwmb: openai:scripted at 127.0.0.1: HTTP {code}: no, ***")
    assert len(cells) == 1
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


PROGRAM = (
    "```python\nclass Environment:\n    def set_state(self, o):\n        self.o = o\n\n"
    "    def step(self, a):\n        return self.o, -1.0, False\n```"
)


def one_cell(out: Path, calls: int, *more: object) -> list[object]:
    """A search of so many calls that don't depend on each other."""
    return evaluation(out, "--strategy", "best_of_n", "--envs", "CliffWalking-v0", "--budget", calls, *more)


def record_of(out: Path) -> dict[str, Any]:
    [line] = (out / "records.jsonl").read_text().splitlines()
    record: dict[str, Any] = json.loads(line)
    return record


def first_call(out: Path) -> dict[str, Any]:
    """The reply of a run's first call, as its ledger has it."""
    lines = (out / "cells/CliffWalking-v0/seed-0/ledger.jsonl").read_text().splitlines()
    value: dict[str, Any] = next(json.loads(line) for line in lines if '"type": "call"' in line)["value"]
    return value


def scripted(cwmb_process: Killable, out: Path, script: list[Behaviour], calls: int, *more: object) -> Ended:
    """A run whose requests get these answers in turn, the last one again and again."""
    endpoint = Endpoint(lambda body: script[min(len(endpoint.server.bodies), len(script)) - 1])
    with endpoint.server:
        ended = cwmb_process.run(*one_cell(out, calls, *more), **endpoint.environment)
    assert "Traceback" not in ended.output + ended.errors
    return ended


def test_refusals_are_the_models_own_and_the_search_goes_on(cwmb_process: Killable, tmp_path: Path) -> None:
    filtered = status(400, "The prompt set off the content management policy.", code="content_filter")
    stopped = answer("", finish_reason="content_filter")
    out = tmp_path / "run"
    ended = scripted(
        cwmb_process, out, [filtered, stopped, answer(None, message={"refusal": "No."}), answer(PROGRAM)], 4
    )
    assert ended.code == 0, ended.errors
    record = record_of(out)
    assert (record["state"], record["answers"]) == ("done", {"refused": 3, "program": 1})
    assert record["usage"]["calls"] == 4
    assert record["test"]["accuracy"] > 0
    assert "CliffWalking-v0 seed 0: 3 of 4 prompts were refused" in ended.errors
    assert "in 3 of 4 calls a content filter or the model refused." in ended.output


def test_nothing_but_refusals_is_a_failure_of_that_kind(cwmb_process: Killable, tmp_path: Path) -> None:
    ended = scripted(cwmb_process, tmp_path / "run", [status(400, "Content Exists Risk")], 2)
    assert ended.code == 0
    record = record_of(tmp_path / "run")
    assert (record["test"]["accuracy"], record["test"]["failure"]["kind"]) == (0.0, "refused")
    assert "refused" in ended.output


def test_a_window_that_is_too_small_is_seen(cwmb_process: Killable, tmp_path: Path) -> None:
    """A limit is reduced and that is said; a prompt that does not fit at all is the model's failure, and seen, too."""

    def behave(body: Body) -> Behaviour:
        limit, calls = body["max_tokens"], len({b["seed"] for b in endpoint.server.bodies})
        window, prompt = 3000, 2000 if calls < 3 else 4000
        if prompt + limit <= window:
            return answer(PROGRAM)
        says = f"maximum context length is {window} tokens and your request has {prompt} input tokens, {limit} output"
        return status(400, says)

    endpoint, out = Endpoint(behave), tmp_path / "run"
    with endpoint.server:
        ended = cwmb_process.run(*one_cell(out, 4), **endpoint.environment)
    assert ended.code == 0, ended.errors
    record = record_of(out)
    assert record["answers"] == {"program": 2, "context_exceeded": 2}
    assert record["provenance"]["reduced_limits"] == 2
    assert "2 of 4 prompts did not fit into the context window" in ended.errors
    assert "in 2 of 4 calls the prompt did not fit into the context window." in ended.output
    assert "in 2 of 4 calls the endpoint granted fewer new tokens than the protocol asks for." in ended.output
    assert 'reduced_to": 1000' in (out / "cells/CliffWalking-v0/seed-0/ledger.jsonl").read_text()


def test_errors_inside_answers_are_infrastructure(cwmb_process: Killable, tmp_path: Path) -> None:
    upstream = {"code": 502, "message": "Upstream provider went away"}
    fault = json_body({"choices": [{"finish_reason": "error", "message": {"content": ""}, "error": upstream}]})
    ended = scripted(cwmb_process, tmp_path / "run", [answer(PROGRAM), fault], 2)
    assert ended.code == 4
    record = record_of(tmp_path / "run")
    assert (record["state"], record["test"]) == ("infrastructure", None)
    assert "an error inside the answer: Upstream provider went away (8 attempts)" in ended.errors
    waits = [line for line in ended.errors.splitlines() if "waiting, attempt" in line]
    assert waits[1] == (
        "CliffWalking-v0 seed 0: waiting, attempt 3 of 8: an error inside the answer: Upstream provider went away"
    )
    assert len(waits) == 7


def test_a_program_in_thoughts_and_nowhere_else(cwmb_process: Killable, tmp_path: Path) -> None:
    out = tmp_path / "run"
    ended = scripted(cwmb_process, out, [answer(None, message={"reasoning_content": PROGRAM})], 1)
    assert ended.code == 0, ended.errors
    record = record_of(out)
    assert record["answers"] == {"program": 1}
    assert record["provenance"]["programs_in_thoughts"] == 1
    assert "in 1 of 1 calls the program stood in the model's thoughts and nowhere else." in ended.output
    assert "class Environment" in first_call(out)["thoughts"]


def test_half_a_surrogate_pair_is_nowhere(cwmb_process: Killable, tmp_path: Path) -> None:
    out = tmp_path / "run"
    fault = answer("a\ud800b", message={"reasoning_content": "\udfff"}, model="m\ud800")
    ended = scripted(cwmb_process, out, [fault], 1)
    assert ended.code == 0, ended.errors
    call = first_call(out)
    assert (call["text"], call["thoughts"], call["model"]) == ("a\ufffdb", "\ufffd", "m\ufffd")


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALL_PROXY", "socks5://127.0.0.1:9"), ("SSL_CERT_FILE", "/nowhere"), ("HTTPS_PROXY", "foo://x")],
)
def test_settings_that_cannot_work_are_told_in_one_line(
    cwmb_process: Killable, endpoint: Endpoint, tmp_path: Path, name: str, value: str
) -> None:
    ended = cwmb_process.run(*one_cell(tmp_path / "run", 1), **endpoint.environment, **{name: value})
    assert ended.code == 2
    assert ended.errors.startswith(f"cwmb: {name}={value} cannot be used")
    assert ended.errors.count("\n") == 1


def test_an_address_without_its_path_is_told_in_one_line(cwmb_process: Killable, tmp_path: Path) -> None:
    endpoint = Endpoint(lambda body: page())
    with endpoint.server:
        url = endpoint.server.url.removesuffix("/v1")
        more = {**endpoint.environment, "OPENAI_BASE_URL": url}
        ended = cwmb_process.run(*evaluation(tmp_path / "run"), **more)
    assert ended.code == 4
    assert f"asked was {url}/chat/completions; OPENAI_BASE_URL may lack /v1: try {url}/v1" in ended.errors
    assert len(endpoint.server.bodies) == 1


def test_no_record_names_where_a_person_answers(cwmb_process: Killable, tmp_path: Path) -> None:
    answers = tmp_path / "secret" / "answers"
    answers.mkdir(parents=True)
    (answers / "0001.answer.md").write_text("```python\nclass Environment:\n    pass\n```")
    out = tmp_path / "run"
    ended = cwmb_process.run(*one_cell(out, 1, "--model", f"manual:{answers}?name=Ada"))
    assert ended.code == 0, ended.errors
    record = record_of(out)
    assert (record["model"], record["usage"]["estimated_calls"]) == ("manual:Ada", 1)
    for path in (p for p in out.rglob("*") if p.is_file()):
        assert b"secret" not in path.read_bytes(), path


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
