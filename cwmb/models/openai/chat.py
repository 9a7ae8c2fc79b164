"""The chat-completion format that most endpoints speak: requests to JSON, JSON to replies."""

from __future__ import annotations

import math
import re
from typing import Any

from cwmb.types import Reply, Request, Usage

CHARACTERS_PER_TOKEN = 4  # where nobody counted: the usual rule of thumb for English and code

_THOUGHT = re.compile(r"\s*<think>(.*?)(?:</think>|\Z)", re.DOTALL)


class Malformed(Exception):
    """The payload holds no completion."""


def payload(request: Request) -> dict[str, Any]:
    """A request in the chat-completion format; sampling parameters that are None are left out."""
    sampling = request.sampling
    parameters = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "max_tokens": sampling.max_new_tokens,
        "seed": request.seed,
    }
    messages = [{"role": m.role, "content": _encodable(m.content)} for m in request.messages]
    return {"messages": messages} | {name: value for name, value in parameters.items() if value is not None}


def reply(data: Any, request: Request) -> Reply:
    """The reply in a chat completion. Its dollars are None: the format does not tell them.

    An endpoint that reports no token counts gets them estimated from the number of characters, prompt and completion
    alike, and so do hidden thoughts that it shows without counting them.

    Raises:
        Malformed: there is no choice with a message in it.
    """
    try:
        choice = data["choices"][0]
        message = choice["message"]
        text = _text(message.get("content")) or _text(message.get("refusal"))
        thought = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Malformed(_error_in(data) or "no choices in the answer") from error
    if not thought and (inline := _THOUGHT.match(text)):
        thought, text = inline[1], text[inline.end() :]
    return Reply(
        text=text,
        usage=_usage(data.get("usage"), request, text, thought),
        finish_reason=str(choice.get("finish_reason") or "stop"),
        model=str(data.get("model") or ""),
    )


def estimated_usage(request: Request, text: str) -> Usage:
    """What a call may have cost that nobody counted: a token for every four characters, dollars unknown."""
    prompt = sum(len(m.content) for m in request.messages)
    return Usage(1, _tokens(prompt), completion_tokens=_tokens(len(text)), dollars=None, estimated_calls=1)


def _usage(data: Any, request: Request, text: str, thought: str) -> Usage:
    estimate = estimated_usage(request, thought + text)
    if not isinstance(data, dict):
        data = {}
    prompt, completion = (_count(data, f"{kind}_tokens") for kind in ("prompt", "completion"))
    estimated = int(prompt is None or completion is None)
    prompt = estimate.prompt_tokens if prompt is None else prompt
    completion = estimate.completion_tokens if completion is None else completion
    reasoning = _count(data.get("completion_tokens_details"), "reasoning_tokens")
    if not reasoning:
        reasoning = round(completion * len(thought) / max(1, len(thought) + len(text)))
    cached = _count(data.get("prompt_tokens_details"), "cached_tokens") or 0
    return Usage(1, prompt, cached, completion, reasoning, dollars=None, estimated_calls=estimated)


def _count(data: Any, name: str) -> int | None:
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, int) and value >= 0 else None


def _tokens(characters: int) -> int:
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


def _text(content: Any) -> str:
    """A message's content: a string, or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return ""


def _error_in(data: Any) -> str:
    """The message of an error that came with status 200."""
    error = data.get("error") if isinstance(data, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return str(message) if message else ""


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
