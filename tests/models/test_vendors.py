"""Anthropic and Google behind their OpenAI-compatible endpoints: shapes of replies and errors, and prices."""

from __future__ import annotations

from typing import Any

import pytest
from endpoint import endpoint
from scripted_server import json_body

from cwmb.errors import EndpointRefused, InfrastructureError
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
            "message": {"role": "assistant", "content": "four", "tool_calls": None},
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
    "usage": {"prompt_tokens": 16, "completion_tokens": 4, "total_tokens": 120},
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
    assert (reply.usage.completion_tokens, reply.usage.reasoning_tokens) == (104, 100)


def test_an_answer_of_google_that_a_filter_kept() -> None:
    kept = GOOGLE | {"choices": [{"index": 0, "message": {"role": "assistant"}, "finish_reason": "content_filter"}]}
    with endpoint([json_body(kept)]) as asked:
        assert asked.complete().finish_reason == "content_filter"


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
