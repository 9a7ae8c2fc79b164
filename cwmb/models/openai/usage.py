"""How many tokens a call took, however an endpoint reports it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cwmb.types import Request, Usage

CHARACTERS_PER_TOKEN = 4  # where nobody counted: the usual rule of thumb for English and code


def estimated_usage(request: Request, text: str) -> Usage:
    """What a call may have cost that nobody counted: a token for every four characters, dollars unknown."""
    prompt = sum(len(m.content) for m in request.messages)
    return Usage(1, _tokens(prompt), completion_tokens=_tokens(len(text)), dollars=None, estimated_calls=1)


def usage(data: Any, request: Request, text: str, thoughts: str) -> Usage:
    """The usage of a completion, its dollars None. data: the completion as it came.

    Tokens are of five kinds: of the prompt, those among them that a cache spared or took in, of the completion, and
    those among them that are thoughts. What is not reported follows from the total, else from the number of
    characters; what the total has beyond its parts are thoughts that nobody shows.
    """
    said = _said(data)
    prompt, cached, written = _prompt(said)
    completion = _count(said, "completion_tokens", "output_tokens")
    reasoning = _count(_part(said, "completion_tokens_details", "output_tokens_details"), "reasoning_tokens")
    reasoning = reasoning or _count(said, "reasoning_tokens") or 0
    total = _count(said, "total_tokens") or 0
    estimate = estimated_usage(request, thoughts + text)
    if not prompt and not completion:  # also where all is 0, as no prompt is empty
        prompt = completion = None
    if not completion and (text or thoughts):
        completion = None
    estimated = int(not prompt or (completion is None and total <= prompt))
    if not prompt:
        fits = total - (completion or 0)
        prompt = min(estimate.prompt_tokens, fits) if fits > 0 else estimate.prompt_tokens
    if completion is None:
        completion = total - prompt if total > prompt else estimate.completion_tokens
    beyond = total - prompt - completion
    if beyond > 0:
        completion += beyond
        reasoning = beyond if beyond >= reasoning else reasoning + beyond
    elif reasoning > completion:  # they are counted apart
        completion += reasoning
    if not reasoning:
        reasoning = round(completion * len(thoughts) / max(1, len(thoughts) + len(text)))
    cached = min(cached, prompt)
    written = min(written, prompt - cached)
    return Usage(1, prompt, cached, completion, reasoning, None, estimated, written)


def _said(data: Any) -> Mapping[str, Any]:
    """Where the numbers stand: at the top, in an endpoint's own corner, or in the (last) choice of a stream."""
    data = data if isinstance(data, Mapping) else {}
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    corners = (data.get("usage"), _part(data, "x_groq").get("usage"), _part({"choice": choice}, "choice").get("usage"))
    return next((corner for corner in corners if isinstance(corner, Mapping)), {})


def _prompt(said: Mapping[str, Any]) -> tuple[int | None, int, int]:
    """The tokens of the prompt, and how many of them a cache spared, and was given to keep."""
    prompt = _count(said, "prompt_tokens", "input_tokens")
    cached = _count(_part(said, "prompt_tokens_details", "input_tokens_details"), "cached_tokens")
    cached = cached or _count(said, "prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens") or 0
    details = _part(said, "prompt_tokens_details", "input_tokens_details")
    read, written = (_count(said, f"cache_{name}_input_tokens") or 0 for name in ("read", "creation"))
    if prompt is not None and read + written:  # these are counted apart, unless the sum or the name says otherwise
        total, completion = _count(said, "total_tokens"), _count(said, "completion_tokens", "output_tokens") or 0
        if total == prompt + read + written + completion or (total is None and "prompt_tokens" not in said):
            prompt += read + written
    return prompt, cached or read, written or _count(details, "cache_write_tokens", "cache_creation_tokens") or 0


def _part(said: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((part for name in names if isinstance(part := said.get(name), Mapping)), {})


def _count(said: Mapping[str, Any], *names: str) -> int | None:
    """The first of some numbers that is one: whole and not negative."""
    for name in names:
        value = said.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def _tokens(characters: int) -> int:
    return math.ceil(characters / CHARACTERS_PER_TOKEN)
