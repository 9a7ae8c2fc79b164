"""Calls of tools: offered as functions of one text, and read as what the model would have written without them.

What was said stands in a conversation as text. So a ledger reads the same either way, an endpoint that takes no tools
can go on with it, and none of what vendors want back with a call (ids, signatures of thoughts) has to be kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cwmb.types import Tool

FAILED = "CALL FAILED:"  # begins the line that stands for a call that asks for nothing


def offered(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """The functions as chat completions take them."""
    return [{"type": "function", "function": _function(tool)} for tool in tools]


def garbled(finish_reason: str) -> bool:
    """Whether an answer ended since the endpoint could not read a call in it; Google's calls that a filter, too."""
    return "malformed_function_call" in finish_reason.lower()


def written(message: Mapping[str, Any], tools: Sequence[Tool], finish_reason: str = "") -> str:
    """The calls of a message in their written form, in order; empty where there are none."""
    if garbled(finish_reason) and not message.get("tool_calls"):
        return f"{FAILED} the endpoint could not read a call in the answer"
    known = {tool.name: tool for tool in tools}
    return "\n\n".join(_written(str(name), arguments, known) for name, arguments in _calls(message))


def _function(tool: Tool) -> dict[str, Any]:
    names = [tool.argument] if tool.argument else []
    parameters = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": names,
        "additionalProperties": False,
    }
    return {"name": tool.name, "description": tool.description, "parameters": parameters}


def _calls(message: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Names and arguments. The pieces of a stream that belong to one call are put together."""
    said = message.get("tool_calls")
    found: list[list[Any]] = []  # index and id, name, arguments
    for call in said if isinstance(said, list) else []:
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            continue
        index, id_, name, arguments = call.get("index"), call.get("id"), function.get("name"), function.get("arguments")
        before = next((other for other in reversed(found) if index is not None and other[0] == index), None)
        if before is not None and id_ in (None, "", before[1]) and isinstance(arguments, str | None):
            before[2:] = before[2] or name, (before[3] or "") + (arguments or "")
        else:
            found.append([index, id_, name, arguments])
    return ((name, arguments) for _, _, name, arguments in found)


def _written(name: str, arguments: Any, tools: Mapping[str, Tool]) -> str:
    tool = tools.get(name)
    if tool is None:
        return f"{FAILED} there is no tool {name[:80]!r}, only {', '.join(tools)}"
    if not tool.argument:
        return tool.words
    try:  # line breaks as they are in a text are no JSON, and often sent
        given = json.loads(arguments, strict=False) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError) as error:
        return f"{FAILED} the arguments of {name} are no JSON ({error})"
    text = given.get(tool.argument) if isinstance(given, Mapping) else None
    if not isinstance(text, str):
        return f"{FAILED} {name} needs the argument {tool.argument}, a text"
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 0)
    return f"{fence}{tool.fence}\n{text.rstrip()}\n{fence}"
