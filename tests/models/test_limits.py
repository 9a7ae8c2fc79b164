"""Limits on new tokens that an endpoint refuses, in the spellings of many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from endpoint import REQUEST, endpoint
from scripted_server import Behaviour, Body, answer, json_body, status

from cwmb.errors import ContextExceeded
from cwmb.types import Message, Sampling

# What is said of window, prompt and limit.
WINDOWS: dict[str, Callable[[int, int, int], str]] = {
    "vLLM": lambda w, p, n: (
        f"'max_tokens' or 'max_completion_tokens' is too large: {n}. This model's maximum context length is {w} tokens "
        f"and your request has {p} input tokens ({n} > {w} - {p})."
    ),
    "vLLM, newer": lambda w, p, n: (
        f"You passed {p} input tokens and requested {n} output tokens. However, the model's context length is only {w} "
        f"tokens, resulting in a maximum input length of {w - n} tokens. Please reduce the length of the input prompt."
    ),
    "OpenAI": lambda w, p, n: (
        f"This model's maximum context length is {w} tokens. However, you requested {p + n} tokens ({p} in the "
        f"messages, {n} in the completion). Please reduce the length of the messages or completion."
    ),
    "with commas": lambda w, p, n: (
        f"maximum context length is {w:,} tokens, you requested {p + n:,} ({p:,} in your prompt; {n:,} for completion)"
    ),
    "SGLang": lambda w, p, n: (
        f"Requested token count exceeds the model's maximum context length of {w} tokens. You requested a total of "
        f"{p + n} tokens: {p} tokens from the input messages and {n} tokens for the completion."
    ),
    "OpenRouter": lambda w, p, n: (
        f"This endpoint's maximum context length is {w} tokens. However, you requested about {p + n} tokens ({p} of "
        f"text input, {n} in the output). Please reduce the length of either one."
    ),
    "Anthropic": lambda w, p, n: (
        f"input length and `max_tokens` exceed context limit: {p} + {n} > {w}, decrease input length or `max_tokens`"
    ),
    "TGI": lambda w, p, n: (
        f"Input validation error: `inputs` tokens + `max_new_tokens` must be <= {w}. Given: {p} `inputs` tokens and "
        f"{n} `max_new_tokens`"
    ),
    "LiteLLM": lambda w, p, n: (
        f"litellm.ContextWindowExceededError: BadRequestError: This model's maximum context length is {w} tokens. "
        f"However, you requested {p + n} tokens ({p} in the messages, {n} in the completion)."
    ),
    "Moonshot": lambda w, p, n: f"Your request exceeded model token limit: {w} (requested: {p + n})",
}
# Without the numbers that are needed.
VAGUE: dict[str, Callable[[int, int, int], str]] = {
    "Groq": lambda w, p, n: "Please reduce the length of the messages or completion.",
    "only the window": lambda w, p, n: f"max_tokens is too large: {n}. The maximum context length is {w} tokens",
    "terse": lambda w, p, n: "Context size has been exceeded.",
    "a code": lambda w, p, n: "context_length_exceeded",
}
ALONE = {
    "OpenAI": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "vLLM": "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
    "vLLM, newer": "This model's maximum context length is 8192 tokens. However, your request has 9000 input tokens.",
    "vLLM, below zero": "max_tokens must be at least 1, got -186.",
    "SGLang": "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    "llama.cpp": "the request exceeds the available context size, try increasing it",
    "llama.cpp, newer": "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
    "Ollama": "prompt too long; exceeded max context length by 4 tokens",
    "OpenRouter": "This endpoint's maximum context length is 8192 tokens. However, you requested about 9000 tokens "
    "(9000 of text input). Please reduce the length of either one.",
    "Gemini": "The input token count (9000) exceeds the maximum number of tokens allowed (8192).",
    "Anthropic": "prompt is too long: 9000 tokens > 8192 maximum",
    "TGI": "Input validation error: `inputs` must have less than 8192 tokens. Given: 9000",
    "Mistral": "Prompt contains 9000 tokens and 0 draft tokens, too large for model with 8192 maximum context length",
    "xAI": "This model's maximum prompt length is 8192 but the request contains 9000 tokens.",
    "Fireworks": "The prompt is too long: 9000, model maximum context length: 8191",
    "Bedrock": "Input is too long for requested model.",
    "Cohere": "too many tokens: total number of tokens in the prompt cannot exceed 8192 - received 9000.",
}
# The most that any answer may have is 8192.
MOST = {
    "OpenAI": "max_tokens is too large: {}. This model supports at most 8192 completion tokens, whereas you gave {}.",
    "DeepSeek": "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
    "Groq": "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens`",
    "Anthropic": "max_tokens: {} > 8192, which is the maximum allowed number of output tokens for claude-3-5-sonnet",
    "Gemini": "it has a maxOutputTokens value of {} but the supported range is from 1 (inclusive) to 8193 (exclusive)",
    "Bedrock": "The maximum tokens you requested exceeds the model limit of 8192. Use a maximum tokens value of that.",
    "DashScope": "Range of max_tokens should be [1, 8192]",
}
LARGE = replace(REQUEST, sampling=Sampling(max_new_tokens=10_000))


def limit_of(body: Body) -> int:
    """The limit on new tokens that was sent."""
    return int(body.get("max_tokens") or body["max_completion_tokens"])


def window(size: int, prompt: int, says: Callable[[int, int, int], str]) -> Callable[[Body], Behaviour]:
    """An endpoint of a model with a window, for a prompt of so many tokens."""

    def behave(body: Body) -> Behaviour:
        limit = limit_of(body)
        return answer("four") if prompt + limit <= size else status(400, says(size, prompt, limit))

    return behave


@pytest.mark.parametrize("says", WINDOWS.values(), ids=WINDOWS)
def test_the_room_that_is_left_is_asked_for(says: Callable[[int, int, int], str]) -> None:
    with endpoint(window(8192, 3000, says)) as asked:
        reply = asked.complete(LARGE)
        assert (reply.text, reply.reduced_to, reply.dropped) == ("four", 5192, ())
        assert asked.waits == []
        assert len(asked.server.bodies) <= 3
        again = asked.complete(replace(LARGE, sampling=Sampling(max_new_tokens=4000)))
        assert (again.text, again.reduced_to) == ("four", None)


@pytest.mark.parametrize("says", VAGUE.values(), ids=VAGUE)
def test_without_numbers_the_limit_is_halved(says: Callable[[int, int, int], str]) -> None:
    with endpoint(window(8192, 3000, says)) as asked:
        reply = asked.complete(LARGE)
        assert reply.text == "four"
        assert reply.reduced_to is not None
        assert 2500 <= reply.reduced_to <= 5192


@pytest.mark.parametrize("says", {**WINDOWS, **VAGUE}.values(), ids=[*WINDOWS, *VAGUE])
def test_a_prompt_that_does_not_fit_is_the_models_failure_whatever_the_limit(
    says: Callable[[int, int, int], str],
) -> None:
    with endpoint(window(8192, 9000, says)) as asked:
        with pytest.raises(ContextExceeded):
            asked.complete(LARGE)
        assert len(asked.server.bodies) < 16
        assert asked.waits == []


@pytest.mark.parametrize("message", ALONE.values(), ids=ALONE)
def test_where_it_is_the_prompt_nobody_asks_twice(message: str) -> None:
    with endpoint([status(400, message)]) as asked:
        with pytest.raises(ContextExceeded):
            asked.complete()
        assert len(asked.server.bodies) == 1


SHAPES = {
    "a code": status(400, "too long", code="context_length_exceeded"),
    "llama.cpp": status(400, "too long", type="exceed_context_size_error", n_prompt_tokens=9000, n_ctx=8192),
    "413": status(413, "prompt is too long"),
    "422 of FastAPI": json_body({"detail": [{"loc": ["body", "messages"], "msg": "the prompt is too long"}]}, 422),
    "a list": json_body([{"error": {"code": 400, "message": "The input token count exceeds the maximum"}}], 400),
    "inside an answer": json_body({"error": {"code": 400, "message": "prompt is too long"}}),
    "500": status(500, "the request exceeds the available context size"),
}


@pytest.mark.parametrize("fault", SHAPES.values(), ids=SHAPES)
def test_it_is_recognised_in_any_shape(fault: Behaviour) -> None:
    with endpoint([fault]) as asked, pytest.raises(ContextExceeded):
        asked.complete()


@pytest.mark.parametrize("message", MOST.values(), ids=MOST)
@pytest.mark.parametrize("param", [None, "max_tokens"])
def test_what_a_model_grants_at_most_is_learnt(message: str, param: str | None) -> None:
    def behave(body: Body) -> Behaviour:
        limit = limit_of(body)
        return answer("four") if limit <= 8192 else status(400, message.replace("{}", str(limit)), param=param)

    with endpoint(behave) as asked:
        for _ in range(3):
            reply = asked.complete(LARGE)
            assert (reply.text, reply.reduced_to, reply.dropped) == ("four", 8192, ())
        assert len(asked.server.bodies) == 4


def test_a_model_that_reasons_gets_what_room_there_is() -> None:
    """The first answer shows thoughts, so that the room for them is asked for, which is more than there is."""
    inside = window(16_384, 2000, WINDOWS["vLLM"])

    def behave(body: Body) -> Behaviour:
        found = inside(body)
        limit = limit_of(body)
        return answer("four", message={"reasoning_content": "Well."}) if 2000 + limit <= 16_384 else found

    request = replace(REQUEST, sampling=Sampling(max_new_tokens=4000), messages=(Message("user", "x" * 8000),))
    with endpoint(behave) as asked:
        assert [asked.complete(request).reduced_to for _ in range(3)] == [None, 14_384, 14_384]


def test_a_rate_limit_in_tokens_is_no_window() -> None:
    says = "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9000, reduce your message"
    with endpoint([status(429, says, headers={"retry-after": "3"}), answer("four")]) as asked:
        assert asked.complete().text == "four"
        assert len(asked.waits) == 1


BUSY = {
    "a queue": status(503, "the request queue is too long, try again later"),
    "a slow request": status(504, "the request took too long"),
    "inside an answer": json_body({"error": {"message": "input processing took too long"}}),
    "a limit by the minute": status(429, "max_tokens and the prompt exceed your limit of tokens per minute"),
    "a parameter's name": status(500, "temperature of the machine too high, seed lost"),
}


@pytest.mark.parametrize("fault", BUSY.values(), ids=BUSY)
def test_what_only_sounds_like_it_is_tried_again(fault: Behaviour) -> None:
    with endpoint([fault, answer("four")]) as asked:
        reply = asked.complete()
        assert (reply.text, reply.reduced_to, reply.dropped) == ("four", None, ())
        assert len(asked.waits) == 1
