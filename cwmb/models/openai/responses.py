"""The Responses API: a chat completion's request as it wants it, and its answer as a chat completion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NAMES = {"messages": "input", "max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
UNKNOWN = ("seed", "top_k", "stream_options")  # it has no such parameters
ENDS = {"max_output_tokens": "length", "content_filter": "content_filter"}


def request(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a request. Nothing is kept at the endpoint, as every question stands alone."""
    asked = {NAMES.get(name, name): value for name, value in body.items() if name not in UNKNOWN}
    if effort := asked.pop("reasoning_effort", None):
        asked["reasoning"] = {"effort": effort}
    if tools := asked.pop("tools", None):  # each is flat there
        asked["tools"] = [{"type": tool["type"], **tool["function"]} for tool in tools]
    return asked | {"store": False}


def completion(data: Any) -> Any:
    """An answer in the chat-completion format; what is none (an error, say) as it is."""
    output = data.get("output") if isinstance(data, Mapping) else None
    if not isinstance(output, list) or data.get("error"):
        return data
    items = [item for item in output if isinstance(item, Mapping)]
    parts = [part for item in items if item.get("type") == "message" for part in _parts(item, "content")]
    text = "".join(str(p.get("text") or "") for p in parts if p.get("type") == "output_text")
    refusal = "".join(str(p.get("refusal") or "") for p in parts if p.get("type") == "refusal")
    thoughts = [
        str(p.get("text") or "")
        for item in items
        if item.get("type") == "reasoning"
        for name in ("content", "summary")
        for p in _parts(item, name)
    ]
    details = data.get("incomplete_details")
    reason = str(details.get("reason")) if isinstance(details, Mapping) else ""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": refusal}
    message["reasoning_content"] = "\n".join(thoughts)
    message["tool_calls"] = [{"function": item} for item in items if item.get("type") == "function_call"]
    end = ENDS.get(reason, reason) or ("error" if data.get("status") in ("failed", "cancelled") else "stop")
    usage = data.get("usage")
    return {"model": data.get("model"), "choices": [{"message": message, "finish_reason": end}], "usage": usage}


def _parts(item: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    content = item.get(name)
    for part in content if isinstance(content, list) else []:
        if isinstance(part, Mapping):
            yield part
