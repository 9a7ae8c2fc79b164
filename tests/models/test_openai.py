"""The provider against an endpoint that misbehaves in every way that endpoints do."""

from __future__ import annotations

import email.utils
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from endpoint import KEY, REQUEST, Endpoint, endpoint
from scripted_server import answer, completion, half, hang, json_body, raw, reset, status

from cwmb.errors import ContextExceeded, CwmbError, InfrastructureError
from cwmb.models import load
from cwmb.models.openai import OpenAI
from cwmb.types import Message, Sampling

USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


Start = Callable[..., Endpoint]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda script, **options: stack.enter_context(endpoint(script, **options))


def test_an_answer_with_its_usage(start: Start) -> None:
    endpoint = start([answer("four", model="gpt-test-2024", usage=USAGE)])
    reply = endpoint.model.complete(REQUEST)
    assert (reply.text, reply.finish_reason, reply.model, reply.dropped) == ("four", "stop", "gpt-test-2024", ())
    usage = reply.usage
    assert (usage.calls, usage.prompt_tokens, usage.cached_tokens) == (1, 100, 60)
    assert (usage.completion_tokens, usage.reasoning_tokens, usage.dollars) == (20, 5, 0.0)
    assert usage.estimated_calls == 0
    assert endpoint.server.bodies == [
        {
            "model": "gpt-test",
            "messages": [{"role": "user", "content": "What is two and two?"}],
            "temperature": 1.0,
            "top_p": 0.95,
            "max_tokens": 100,
            "seed": 7,
        }
    ]
    assert endpoint.server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert endpoint.waits == []


def test_top_k_is_sent_where_the_protocol_asks_for_it(start: Start) -> None:
    endpoint = start([answer("four")])
    endpoint.model.complete(replace(REQUEST, sampling=Sampling(top_k=100, temperature=None)))
    assert endpoint.server.bodies[0]["top_k"] == 100
    assert "temperature" not in endpoint.server.bodies[0]


PASSING = {
    "429": status(429),
    "500": status(500),
    "502": raw(b"<html>bad gateway</html>", 502, {"content-type": "text/html"}),
    "503": status(503),
    "504": status(504),
    "reset": reset(),
    "half": half(),
    "malformed": raw(b'{"choices": [{'),
    "not utf-8": raw(b"\xff\xfe\x00"),
    "empty body": raw(b""),
    "no choices": json_body({"choices": []}),
    "null choices": json_body({"choices": None}),
    "null message": json_body({"choices": [{"message": None}]}),
    "error with status 200": json_body({"error": {"message": "provider is overloaded", "code": 502}}),
    "a list": json_body([1, 2]),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_passes_is_tried_again(start: Start, fault: Any) -> None:
    endpoint = start([fault, fault, answer("four")])
    assert endpoint.model.complete(REQUEST).text == "four"
    assert list(endpoint.server.counts.values()) == [3]
    assert len(endpoint.waits) == 2


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_does_not_pass_ends_in_one_line(start: Start, fault: Any) -> None:
    endpoint = start([fault], attempts=3)
    with pytest.raises(InfrastructureError, match=r"openai:gpt-test at 127\.0\.0\.1: .*\(3 attempts\)") as caught:
        endpoint.model.complete(REQUEST)
    assert "\n" not in str(caught.value)
    assert len(endpoint.server.bodies) == 3
    assert len(endpoint.waits) == 2


def test_a_time_out_is_tried_again(start: Start) -> None:
    endpoint = start([hang(), answer("four")], timeout=0.3)
    assert endpoint.model.complete(REQUEST).text == "four"


def test_nobody_listens(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound but not listening
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        model = OpenAI("gpt-test", attempts=2, sleep=lambda _: None)
        with pytest.raises(InfrastructureError, match=r"connection refused by 127\.0\.0\.1:\d+ \(2 attempts\)"):
            model.complete(REQUEST)


def test_waits_double_up_to_a_minute_and_differ_between_requests(start: Start) -> None:
    endpoint = start([status(503)], attempts=9)
    for seed in (1, 2, 1):
        with pytest.raises(InfrastructureError):
            endpoint.model.complete(replace(REQUEST, seed=seed))
    first, second, third = (endpoint.waits[i : i + 8] for i in (0, 8, 16))
    for wait, longest in zip(first, (1, 2, 4, 8, 16, 32, 60, 60), strict=True):
        assert longest / 2 <= wait <= longest
    assert first == third
    assert first != second


def test_retry_after_is_honoured(start: Start) -> None:
    soon = email.utils.formatdate(time.time() + 500, usegmt=True)
    faults = [status(429, headers={"retry-after": value}) for value in ("17", "19.5", soon, "nonsense")]
    endpoint = start([*faults, answer("four")])
    assert endpoint.model.complete(REQUEST).text == "four"
    assert endpoint.waits[:2] == [17.0, 19.5]
    assert 300 < endpoint.waits[2] <= 500
    assert 4 <= endpoint.waits[3] <= 8


@pytest.mark.parametrize(
    "fault",
    [
        status(401),
        status(403),
        status(404, "no such model"),
        status(400, "the messages are malformed"),
        status(429, "you ran out of credits", code="insufficient_quota"),
        status(429, "daily limit", headers={"retry-after": "86400"}),
    ],
    ids=["401", "403", "404", "400", "quota", "a day"],
)
def test_what_waiting_does_not_cure_stops_at_once(start: Start, fault: Any) -> None:
    endpoint = start([fault])
    with pytest.raises(InfrastructureError, match="HTTP 4"):
        endpoint.model.complete(REQUEST)
    assert len(endpoint.server.bodies) == 1
    assert endpoint.waits == []


@pytest.mark.parametrize(
    ("content", "finish_reason"), [("", "stop"), (None, "content_filter"), ("class Env", "length"), ("no", "stop")]
)
def test_poor_completions_are_completions(start: Start, content: str | None, finish_reason: str) -> None:
    endpoint = start([answer(content, finish_reason=finish_reason)])
    reply = endpoint.model.complete(REQUEST)
    assert (reply.text, reply.finish_reason) == (content or "", finish_reason)
    assert len(endpoint.server.bodies) == 1


def test_a_refusal_is_the_answer(start: Start) -> None:
    assert start([answer(None, message={"refusal": "I won't"})]).model.complete(REQUEST).text == "I won't"


def test_content_in_parts(start: Start) -> None:
    data = completion("")
    data["choices"][0]["message"]["content"] = [{"type": "text", "text": "fo"}, {"type": "text", "text": "ur"}]
    assert start([json_body(data)]).model.complete(REQUEST).text == "four"


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, "many"])
def test_missing_usage_is_estimated_from_the_characters(start: Start, usage: Any) -> None:
    data = completion("x" * 41) | {"usage": usage}
    found = start([json_body(data)]).model.complete(REQUEST).usage
    assert (found.prompt_tokens, found.completion_tokens) == (5, 11)  # 20 and 41 characters
    assert found.estimated_calls == 1


def test_the_reported_model_is_kept_even_if_it_is_another(start: Start) -> None:
    assert start([answer("four", model="cheaper")]).model.complete(REQUEST).model == "cheaper"


REFUSALS = {
    "named by param": status(400, "unsupported value", param="temperature"),
    "named in the message": status(400, "Unsupported value: 'temperature' must be 1 with this model"),
    "422": status(422, "extra field: body.temperature"),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_a_refused_parameter_is_dropped_once_and_listed(start: Start, refusal: Any) -> None:
    endpoint = start(lambda body: refusal if "temperature" in body else answer("four"))
    for _ in range(3):
        assert endpoint.model.complete(REQUEST).dropped == ("temperature",)
    assert ["temperature" in body for body in endpoint.server.bodies] == [True, False, False, False]
    assert endpoint.waits == []


def test_several_parameters_may_be_refused(start: Start) -> None:
    def script(body: dict[str, Any]) -> Any:
        bad = [name for name in ("top_k", "seed", "top_p") if name in body]
        return status(400, f"Unrecognized argument: {bad[0]}") if bad else answer("four")

    endpoint = start(script)
    reply = endpoint.model.complete(replace(REQUEST, sampling=Sampling(top_k=5)))
    assert reply.dropped == ("seed", "top_k", "top_p")


def test_a_model_that_wants_max_completion_tokens_gets_room_to_reason(start: Start) -> None:
    refusal = status(400, "'max_tokens' is not supported, use 'max_completion_tokens'", param="max_tokens")
    endpoint = start(lambda body: refusal if "max_tokens" in body else answer("four", usage=USAGE))
    reply = endpoint.model.complete(REQUEST)
    assert reply.dropped == ()
    assert endpoint.server.bodies[-1]["max_completion_tokens"] == 100 + 16000
    assert len(endpoint.server.bodies) == 2


def test_an_endpoint_without_any_limit_on_tokens(start: Start) -> None:
    def script(body: dict[str, Any]) -> Any:
        bad = [name for name in body if name.startswith("max_")]
        return status(400, "unknown", param=bad[0]) if bad else answer("four")

    assert start(script).model.complete(REQUEST).dropped == ("max_tokens",)


def test_an_answer_cut_off_by_its_thoughts_is_asked_again_with_room(start: Start) -> None:
    def script(body: dict[str, Any]) -> Any:
        if body["max_tokens"] == 100:
            usage = {"prompt_tokens": 10, "completion_tokens": 100}
            return answer("", finish_reason="length", usage=usage, message={"reasoning_content": "hm " * 50})
        return answer("four", usage=USAGE)

    endpoint = start(script)
    reply = endpoint.model.complete(REQUEST)
    assert (reply.text, reply.finish_reason) == ("four", "stop")
    assert (reply.usage.calls, reply.usage.completion_tokens, reply.usage.reasoning_tokens) == (1, 120, 105)
    endpoint.model.complete(REQUEST)
    assert [body["max_tokens"] for body in endpoint.server.bodies] == [100, 16100, 16100]


def test_the_limit_stays_on_the_visible_answer(start: Start) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 500, "completion_tokens_details": {"reasoning_tokens": 300}}
    endpoint = start([answer("four", usage=USAGE), answer("x" * 1000, usage=usage)])
    endpoint.model.complete(REQUEST)
    reply = endpoint.model.complete(REQUEST)
    assert (reply.text, reply.finish_reason) == ("x" * 500, "length")  # 200 visible tokens, 100 allowed


def test_inline_thoughts_are_no_part_of_the_answer(start: Start) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 10}
    reply = start([answer("<think>" + "a" * 60 + "</think>" + "b" * 40, usage=usage)]).model.complete(REQUEST)
    assert reply.text == "b" * 40
    assert reply.usage.reasoning_tokens == 6


@pytest.mark.parametrize("code", [400, 401, 404, 429, 500])
def test_the_key_is_never_told(start: Start, code: int) -> None:
    leak = f"who are you, {KEY}?"
    endpoint = start([status(code, leak, headers={"x-key": KEY})], attempts=2)
    with pytest.raises(InfrastructureError) as caught:
        endpoint.model.complete(REQUEST)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(ContextExceeded) as exceeded:
        start([status(400, f"the prompt is too long {KEY}")]).model.complete(REQUEST)
    assert KEY not in str(exceeded.value)
    assert KEY not in repr(start([answer(leak, model="m")]).model.complete(REQUEST))
    assert KEY not in repr(vars(endpoint.model)["_client"])


def test_prompts_with_half_a_surrogate_pair_are_sent(start: Start) -> None:
    endpoint = start([answer("four")])
    endpoint.model.complete(replace(REQUEST, messages=(Message("user", "a\ud800b"),)))
    assert endpoint.server.bodies[0]["messages"][0]["content"] == "a?b"


def test_many_threads(start: Start) -> None:
    endpoint = start(lambda body: answer(str(body["seed"])))
    found: dict[int, str] = {}

    def ask(seed: int) -> None:
        found[seed] = endpoint.model.complete(replace(REQUEST, seed=seed)).text

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {seed: str(seed) for seed in range(16)}


@pytest.mark.parametrize(
    ("model", "url", "key", "message"),
    [
        ("", "", KEY, "which model"),
        ("gpt-5", "", "", "OPENAI_API_KEY is not set"),
        ("gpt-5", "https://example.org/v1", " ", "OPENAI_API_KEY is not set"),
        ("gpt-5", "", "sk-\u2026", "OPENAI_API_KEY contains"),
        ("gpt-5", "", "sk-a\nb", "OPENAI_API_KEY contains"),
        ("gpt-5", "localhost:8000", KEY, "OPENAI_BASE_URL 'localhost:8000'"),
        ("gpt-5", "http://[::1", KEY, "OPENAI_BASE_URL"),
        ("gpt-5", "ftp://user:secret@host", KEY, r"ftp://\*\*\*@host"),
    ],
)
def test_bad_settings_are_refused_before_anything_happens(
    monkeypatch: pytest.MonkeyPatch, model: str, url: str, key: str, message: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(CwmbError, match=message) as caught:
        load(f"openai:{model}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_an_endpoint_on_this_machine_needs_no_key(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://{host}:1234/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert load("openai:qwen").name == "openai:qwen"
