"""Endpoints that only stream, and what goes wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from endpoint import endpoint
from scripted_server import Behaviour, Body, answer, chunk, events, half, status

from cwmb.errors import InfrastructureError
from cwmb.models.openai.refusals import REFUSED

WORDS = {
    "DashScope": status(400, "This model only support stream mode, please enable the stream parameter"),
    "a parameter": status(400, "unsupported value", param="stream"),
    "required": status(422, "Streaming is required for this model"),
    "thinking": status(400, "parameter.enable_thinking must be set to false for non-streaming calls"),
    "405": status(405, "only streaming requests are allowed"),
}
USAGE = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}
WHOLE = events(
    chunk(role="assistant", content=""),
    chunk(reasoning_content="Well, "),
    chunk(reasoning_content="well."),
    chunk(content="fo"),
    chunk(content="ur"),
    chunk(finish_reason="stop"),
    {"model": "scripted", "choices": [], "usage": USAGE},
)


def only_streams(says: Behaviour, stream: Behaviour = WHOLE) -> Any:
    return lambda body: stream if body.get("stream") else says


@pytest.mark.parametrize("says", WORDS.values(), ids=WORDS)
def test_an_endpoint_that_only_streams(says: Behaviour) -> None:
    with endpoint(only_streams(says)) as asked:
        for _ in range(2):
            reply = asked.complete()
            assert (reply.text, reply.thoughts, reply.finish_reason, reply.model) == (
                "four",
                "Well, well.",
                "stop",
                "scripted",
            )
            assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (30, 12)
            assert reply.usage.estimated_calls == 0
            assert reply.dropped == ()
        assert ["stream" in body for body in asked.server.bodies] == [False, True, True]
        assert asked.server.bodies[-1]["stream_options"] == {"include_usage": True}
        assert asked.waits == []


def test_one_that_knows_no_options_of_it() -> None:
    def behave(body: Body) -> Behaviour:
        if "stream" not in body:
            return WORDS["required"]
        return status(400, "Unrecognized argument: stream_options") if "stream_options" in body else WHOLE

    with endpoint(behave) as asked:
        assert (asked.complete().text, asked.complete().dropped) == ("four", ())


def test_a_stream_that_nobody_asked_for() -> None:
    with endpoint([WHOLE]) as asked:
        assert asked.complete().text == "four"
        assert len(asked.server.bodies) == 1


def test_usage_of_a_stream_in_the_last_choice_or_nowhere() -> None:
    last = chunk(finish_reason="stop")
    last["choices"][0]["usage"] = USAGE
    with endpoint([events(chunk(content="x" * 40), last), events(chunk(content="x" * 40, finish_reason="stop"))]) as it:
        assert it.complete().usage.prompt_tokens == 30
        usage = it.complete().usage
        assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated_calls) == (5, 10, 1)


def test_parts_and_split_characters() -> None:
    parts = (
        [{"type": "thinking", "thinking": "Hm."}],
        [{"type": "text", "text": "fo"}],
        [{"type": "text", "text": "ur"}],
    )
    smile = events(chunk(content="\ud83d"), chunk(content="\ude00"), chunk(finish_reason="stop"))
    with endpoint([events(*(chunk(content=p) for p in parts), chunk(finish_reason="stop")), smile]) as asked:
        reply = asked.complete()
        assert (reply.text, reply.thoughts) == ("four", "Hm.")
        assert asked.complete().text == "\U0001f600"


BROKEN = {
    "an error": events(chunk(content="cl"), {"error": {"message": "overloaded", "code": 502}}),
    "an error in a choice": events(chunk(content="cl"), {"choices": [{"error": {"message": "gone"}, "delta": {}}]}),
    "a reason": events(chunk(content="cl"), chunk(finish_reason="error")),
    "no end": events(chunk(content="cl"), done=False),
    "nothing": events(),
    "cut in the middle of a line": half(),
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_a_broken_stream_is_asked_for_again(fault: Behaviour) -> None:
    faults = iter([fault, fault])

    def behave(body: Body) -> Behaviour:
        return next(faults, WHOLE) if body.get("stream") else WORDS["required"]

    with endpoint(behave) as asked:
        assert asked.complete().text == "four"
        assert len(asked.waits) == 2
    with endpoint(only_streams(WORDS["required"], fault), attempts=2) as asked, pytest.raises(InfrastructureError):
        asked.complete()


def test_a_stream_without_a_reason_that_says_it_is_over() -> None:
    with endpoint([events(chunk(content="four"))]) as asked:
        assert asked.complete().text == "four"


def test_a_filter_in_a_stream() -> None:
    stopped = events(chunk(content=""), chunk(finish_reason="content_filter"))
    error = events({"error": {"message": "The prompt was filtered", "code": "content_filter"}})
    with endpoint([stopped, error, answer("four")]) as asked:
        assert [asked.complete().finish_reason for _ in range(3)] == ["content_filter", REFUSED, "stop"]
