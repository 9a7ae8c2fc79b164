"""Token counts of every shape."""

from __future__ import annotations

from typing import Any

import pytest
from endpoint import endpoint
from scripted_server import completion, json_body

from cwmb.types import Usage


def counted(prompt: int, cached: int, completion_: int, reasoning: int, estimated: int = 0, written: int = 0) -> Usage:
    return Usage(1, prompt, cached, completion_, reasoning, 0.0, estimated, written)


ESTIMATED = counted(5, 0, 10, 0, 1)  # 20 characters were asked, 40 answered
SHAPES: dict[str, tuple[Any, Usage]] = {
    "OpenAI": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 64},
            "completion_tokens_details": {"reasoning_tokens": 20},
        },
        counted(100, 64, 50, 20),
    ),
    "thoughts beyond the completion": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 1200,
            "total_tokens": 9300,
            "completion_tokens_details": {"reasoning_tokens": 8000},
        },
        counted(100, 0, 9200, 8000),
    ),
    "thoughts that only the total tells of": (
        {"prompt_tokens": 100, "completion_tokens": 1200, "total_tokens": 9300},
        counted(100, 0, 9200, 8000),
    ),
    "more thoughts than completion, no total": (
        {"prompt_tokens": 100, "completion_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 300}},
        counted(100, 0, 310, 300),
    ),
    "thoughts at the top": ({"prompt_tokens": 9, "completion_tokens": 50, "reasoning_tokens": 7}, counted(9, 0, 50, 7)),
    "DeepSeek's cache": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "prompt_cache_hit_tokens": 64,
            "prompt_cache_miss_tokens": 36,
        },
        counted(100, 64, 50, 0),
    ),
    "Anthropic's cache": (
        {
            "input_tokens": 20,
            "output_tokens": 50,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 50,
        },
        counted(100, 50, 50, 0, written=30),
    ),
    "Anthropic's cache beside a total": (
        {
            "prompt_tokens": 20,
            "completion_tokens": 50,
            "total_tokens": 150,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 50,
        },
        counted(100, 50, 50, 0, written=30),
    ),
    "LiteLLM's cache is part of the prompt": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 50},
            "cache_read_input_tokens": 50,
        },
        counted(100, 50, 50, 0),
    ),
    "floats": ({"prompt_tokens": 100.0, "completion_tokens": 50.0}, counted(100, 0, 50, 0)),
    "no completion": ({"prompt_tokens": 100, "total_tokens": 150}, counted(100, 0, 50, 0)),
    "only the total": ({"total_tokens": 150}, counted(5, 0, 145, 0, 1)),
    "all zeros": ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, ESTIMATED),
    "no tokens for a text": ({"prompt_tokens": 100, "completion_tokens": 0}, counted(100, 0, 10, 0, 1)),
    "negative": ({"prompt_tokens": -1, "completion_tokens": -1}, ESTIMATED),
    "null": (None, ESTIMATED),
    "empty": ({}, ESTIMATED),
    "text": ("many", ESTIMATED),
    "a list": ([1, 2], ESTIMATED),
    "true": ({"prompt_tokens": True, "completion_tokens": True}, ESTIMATED),
}


@pytest.mark.parametrize(("usage", "expected"), SHAPES.values(), ids=SHAPES)
def test_usage(usage: Any, expected: Usage) -> None:
    with endpoint([json_body(completion("x" * 40) | {"usage": usage})]) as asked:
        assert asked.complete().usage == expected


def test_usage_in_other_places() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 50}
    data = completion("x" * 40) | {"usage": None}
    in_choice = completion("x" * 40) | {"usage": None}
    in_choice["choices"][0]["usage"] = usage
    with endpoint([json_body(data | {"x_groq": {"usage": usage}}), json_body(in_choice)]) as asked:
        assert [asked.complete().usage for _ in range(2)] == [counted(100, 0, 50, 0)] * 2


def test_an_empty_answer_may_have_no_tokens() -> None:
    with endpoint([json_body(completion("", usage={"prompt_tokens": 100, "completion_tokens": 0}))]) as asked:
        assert asked.complete().usage == counted(100, 0, 0, 0)
