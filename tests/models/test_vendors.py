"""Anthropic and Google behind their OpenAI-compatible endpoints: shapes of replies and errors, and prices.

Neither was asked: the shapes are put together from what they and others have published.

Anthropic: its page "OpenAI SDK compatibility" (docs.anthropic.com/en/api/openai-sdk). There is always one choice; calls
of tools, the three counts of tokens and finish reasons are there; ``completion_tokens_details``, ``refusal``,
``prompt_tokens_details``, ``logprobs``, ``service_tier`` and ``system_fingerprint`` are always empty, thoughts are not
returned; errors have OpenAI's form; ``retry-after`` and ``x-ratelimit-*`` are sent; ``seed``, ``reasoning_effort`` and
``strict`` are ignored, a temperature above 1 counts as 1, and there is no cache of prompts. How a refusal ends is not
said there.

Google: counts from openai/openai-python issue 2544 (prompt 1469, completion 744, total 2496: what is missing are
thoughts); ``cached_tokens`` is part of the prompt (mozilla-ai/any-llm pull request 815; the number is ours). Many
public clients have met ``content_filter: PROHIBITED_CONTENT`` without any message, and without content, also where no
tool was offered, ``function_call_filter: MALFORMED_FUNCTION_CALL``; the words of its own interface (``SAFETY``) are as
in HKUDS/Vibe-Trading pull request 308. Errors come in a list (continuedev/continue issue 8967), with ``RetryInfo`` in
their details (googleapis/python-genai issue 2044).
"""

from __future__ import annotations

from typing import Any

import pytest
from endpoint import endpoint
from scripted_server import Body, json_body

from cwmb.errors import EndpointRefused, InfrastructureError
from cwmb.models.openai.refusals import stopped_by_a_filter
from cwmb.models.prices import dollars
from cwmb.types import Usage

ANTHROPIC = {
    "id": "msg_01AbCdEf",
    "object": "chat.completion",
    "created": 1764000000,
    "model": "claude-sonnet-4-5-20250929",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "four", "refusal": None, "tool_calls": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": {
        "prompt_tokens": 16,
        "completion_tokens": 4,
        "total_tokens": 20,
        "prompt_tokens_details": None,
        "completion_tokens_details": None,
    },
    "service_tier": None,
    "system_fingerprint": None,
}
GOOGLE: dict[str, Any] = {
    "id": "AbCdEf",
    "object": "chat.completion",
    "created": 1764000000,
    "model": "gemini-2.5-pro",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "four"}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 1469,
        "completion_tokens": 744,
        "total_tokens": 2496,
        "completion_tokens_details": {"reasoning_tokens": None, "audio_tokens": None},
        "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": None},
    },
}


def test_an_answer_of_anthropic() -> None:
    with endpoint([json_body(ANTHROPIC)]) as asked:
        reply = asked.complete()
    assert (reply.text, reply.finish_reason, reply.model) == ("four", "stop", "claude-sonnet-4-5-20250929")
    assert reply.usage == Usage(1, 16, 0, 4, 0, 0.0)


def test_an_answer_of_google_with_thoughts_that_only_the_total_tells_of() -> None:
    with endpoint([json_body(GOOGLE)], path="/v1beta/openai/") as asked:
        reply = asked.complete()
        assert asked.server.paths[0] == "/v1beta/openai/chat/completions"
    assert reply.text == "four"
    used = reply.usage
    assert (used.prompt_tokens, used.cached_tokens) == (1469, 1024)
    assert (used.completion_tokens, used.reasoning_tokens) == (744 + 283, 283)


@pytest.mark.parametrize("reason", ["content_filter", "content_filter: PROHIBITED_CONTENT", "SAFETY", "RECITATION"])
@pytest.mark.parametrize("message", [{}, {"message": {"role": "assistant"}}])
def test_an_answer_of_google_that_a_filter_kept(reason: str, message: Body) -> None:
    kept = GOOGLE | {"choices": [{"index": 0, "finish_reason": reason, **message}]}
    with endpoint([json_body(kept)]) as asked:
        reply = asked.complete()
    assert reply.text == ""
    assert stopped_by_a_filter(reply.finish_reason)
    assert asked.waits == []


@pytest.mark.parametrize("reason", ["function_call_filter: MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL"])
@pytest.mark.parametrize("message", [{}, {"message": {"role": "assistant"}}])
def test_a_call_that_google_could_not_read_is_no_refusal(reason: str, message: Body) -> None:
    garbled = GOOGLE | {"choices": [{"index": 0, "finish_reason": reason, **message}]}
    with endpoint([json_body(garbled)]) as asked:
        reply = asked.complete()
    assert reply.text == "CALL FAILED: the endpoint could not read a call in the answer"
    assert not stopped_by_a_filter(reply.finish_reason)


def test_anthropic_says_in_a_header_how_long_to_wait() -> None:
    busy = {"error": {"code": "rate_limit_error", "message": "too many", "type": "rate_limit_error", "param": None}}
    headers = {"retry-after": "23", "x-ratelimit-remaining-requests": "0"}
    with endpoint([json_body(busy, 429, headers), json_body(ANTHROPIC)]) as asked:
        assert asked.complete().text == "four"
        assert asked.waits == [23.0]


@pytest.mark.parametrize(
    ("body", "code", "error", "words"),
    [
        (
            {"error": {"code": "invalid_request_error", "message": "max_tokens: must be positive", "type": "x"}},
            400,
            InfrastructureError,
            "must be positive",
        ),
        (
            {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}},
            401,
            EndpointRefused,
            "invalid x-api-key",
        ),
        (
            [{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}],
            400,
            InfrastructureError,
            "API key not valid",
        ),
    ],
)
def test_errors_are_told_in_their_words(body: Any, code: int, error: type[Exception], words: str) -> None:
    with endpoint([json_body(body, code)]) as asked, pytest.raises(error, match=words):
        asked.complete()


def test_google_says_in_the_body_how_long_to_wait() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}]
    full = [{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": details}}]
    with endpoint([json_body(full, 429), json_body(GOOGLE)]) as asked:
        assert asked.complete().text == "four"
        assert asked.waits == [37.0]


def test_anthropic_is_overloaded_for_a_while() -> None:
    busy = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with endpoint([json_body(busy, 529), json_body(ANTHROPIC)]) as asked:
        assert asked.complete().text == "four"


@pytest.mark.parametrize(
    ("url", "model"),
    [
        ("https://api.anthropic.com/v1/", "claude-sonnet-4-5-20250929"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini-2.5-pro"),
    ],
)
def test_their_prices_are_known_by_their_address(url: str, model: str) -> None:
    assert dollars(Usage(1, prompt_tokens=1000, completion_tokens=1000), url, model)
