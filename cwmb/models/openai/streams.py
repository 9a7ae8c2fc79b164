"""Answers that come as a stream: put together, they look like those that come at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cwmb.models.openai import refusals


def is_stream(content: bytes) -> bool:
    """Whether these are server-sent events, asked for or not."""
    return content.lstrip().startswith((b"data:", b"event:", b"id:", b":"))


def assembled(chunks: Iterable[Any], ended: bool) -> dict[str, Any]:
    """The completion whose chunks these are. It has no choices if none of the chunks had one.

    ended: whether the stream said that it was at its end.

    Raises:
        Refused: a chunk tells an error.
        ValueError: it neither ended nor said why the answer did.
    """
    message: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    reason = None
    choices = 0
    for chunk in chunks:
        if not isinstance(chunk, Mapping):
            continue
        if chunk.get("error"):
            raise refusals.inside(chunk["error"], chunk)
        whole |= {name: value for name, value in chunk.items() if value is not None and name != "choices"}
        for choice in (chunk.get("choices") or [])[:1]:
            if not isinstance(choice, Mapping):
                continue
            choices += 1
            if choice.get("error"):
                raise refusals.inside(choice["error"], chunk)
            reason = choice.get("finish_reason") or reason
            whole |= {"usage": choice["usage"]} if choice.get("usage") else {}
            _add(message, choice.get("delta") or choice.get("message") or {})
    if choices and reason is None and not ended:
        raise ValueError("the stream ended before the answer did")
    whole["choices"] = [{"message": message, "finish_reason": reason}] if choices else []
    return whole


def _add(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """What is text or a list grows; anything else is replaced."""
    for name, value in delta.items():
        before = message.get(name)
        grows = type(before) is type(value) and isinstance(value, str | list) and name != "role"
        if value is not None:
            message[name] = before + value if grows else value
