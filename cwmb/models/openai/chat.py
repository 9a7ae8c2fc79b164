"""The chat-completion format that most endpoints speak: requests to JSON, JSON to replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cwmb.models.openai import calls, refusals, thoughts
from cwmb.models.openai.usage import usage
from cwmb.text import sound
from cwmb.types import Reply, Request

FAILED = ("error", "network_error", "insufficient_system_resource", "abort", "aborted", "cancelled", "timeout")
CUT_OFF = ("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded")


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
        "tools": calls.offered(request.tools) or None,
    }
    messages = [{"role": m.role, "content": _encodable(m.content)} for m in request.messages]
    return {"messages": messages} | {name: value for name, value in parameters.items() if value is not None}


def reply(data: Any, request: Request) -> Reply:
    """The reply in a chat completion. Its dollars are None: the format does not tell them.

    Thoughts are no part of its text; calls of tools are, in their written form. Its finish reason is ``length`` where
    it was cut off, ``refused`` where the model itself refused, and that of the endpoint otherwise.

    Raises:
        Malformed: there is no choice with a message in it.
        Refused: it tells an error instead.
    """
    if not isinstance(data, Mapping):
        raise Malformed("no choices in the answer")
    choice = _choice(data)
    reason = _reason(choice)
    message = choice.get("message")
    if not isinstance(message, Mapping):
        if not refusals.stopped_by_a_filter(reason) and not calls.garbled(reason):
            raise Malformed("no message in the answer")
        message = {}
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    thought, text = thoughts.split(sound("".join(thoughts.flat(p) for p in parts if not thoughts.is_thought(p))))
    beside = sound(thoughts.of(message))
    thought = beside if thought in beside else f"{beside}\n{thought}".strip("\n")
    refusal = sound(thoughts.flat(message.get("refusal")))
    text = "\n\n".join(filter(None, (text, sound(calls.written(message, request.tools, reason)))))
    if not text and (refusal or refusals.stopped_by_a_filter(reason)):
        text, reason = refusal, reason if refusals.stopped_by_a_filter(reason) else refusals.REFUSED
    return Reply(
        text=text,
        usage=usage(data, request, text, thought),
        finish_reason=reason,
        model=sound(str(data.get("model") or "")),
        thoughts=thought,
    )


def _choice(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first choice; one that was blocked may be missing. Raises what reply() raises."""
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    error = data.get("error") or (choice.get("error") if isinstance(choice, Mapping) else None)
    if error:
        raise refusals.inside(error, data)
    if isinstance(choice, Mapping):
        if (reason := _reason(choice)).lower() in FAILED:
            raise refusals.inside(f"the answer ended with finish_reason {reason!r}")
        return choice
    if why := refusals.blocked(data):
        return {"finish_reason": why}
    if data.keys() & {"message", "detail", "msg"}:
        raise refusals.inside(data)
    raise Malformed("no choices in the answer")


def _reason(choice: Mapping[str, Any]) -> str:
    """Why an answer ended: the endpoint's word, but for those that say that it was cut off."""
    given = choice.get("finish_reason") or choice.get("stop_reason") or "stop"
    native = str(choice.get("native_finish_reason") or "")
    reason = sound(str(given.get("type") if isinstance(given, Mapping) else given))
    if refusals.stopped_by_a_filter(native) and not refusals.stopped_by_a_filter(reason):
        return sound(native)
    return "length" if reason.lower() in CUT_OFF else reason


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
