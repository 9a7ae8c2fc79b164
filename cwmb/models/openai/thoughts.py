"""Thoughts in an answer: what a model says to itself. One recogniser for limits, counting and extraction alike.

They come between tags of many spellings, of which chat templates may swallow the opening one and a limit on tokens the
closing one; as parts of a content that is a list; or in a field beside the content.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

FIELDS = ("reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_blocks", "thoughts")
PARTS = ("thinking", "reasoning", "thought", "redacted_thinking")  # types of a part that is no answer

_WORD = r"(?:\w+:)?(?:think|thinking|thoughts?|reasoning|reflection)"
_TAG = re.compile(
    rf"""(?P<opening> <{_WORD}(?:\s(?:[^<>]*[^<>/])?)?> | <\|(?:begin_of_|start_)?{_WORD}\|> | (?-i:(?<!\w)\[THINK\])
                    | ◁think▷ | <\|channel\|>\s*(?:analysis|commentary)\b[^<]*<\|message\|> )
                    | </{_WORD}\s*> | <\|(?:/|end_of_|end_){_WORD}\|> | (?-i:\[/THINK\])
                    | ◁/think▷ | <\|channel\|>\s*final\b[^<]*<\|message\|>""",
    re.VERBOSE | re.IGNORECASE,
)


def split(text: str) -> tuple[str, str]:
    """The thoughts in a text, and what is left of it without them.

    A closing tag without an opening one ends thoughts that began with the text; one that is never closed, as the answer
    was cut off, ends with it. A tag in quotation marks is only talked about.
    """
    thoughts: list[str] = []
    visible: list[str] = []
    thinking, start = False, 0
    for tag in _TAG.finditer(text):
        around = text[tag.start() - 1 : tag.start()], text[tag.end() : tag.end() + 1]
        if around[0] == around[1] and around[0] in ("`", "'", '"'):
            continue
        opens = tag["opening"] is not None
        if not (opens or thinking):
            thoughts, visible = thoughts + visible, []
        (visible if opens and not thinking else thoughts).append(text[start : tag.start()])
        thinking, start = opens, tag.end()
    if start == 0:
        return "", text
    (thoughts if thinking else visible).append(text[start:])
    return _joined(thoughts), _joined(visible)


def of(message: Mapping[str, Any]) -> str:
    """The thoughts of a message that stand beside its content, or are parts of it."""
    beside = next((found for name in FIELDS if (found := flat(message.get(name)))), "")
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return _joined([beside, *(flat(part) for part in parts if is_thought(part))])


def is_thought(part: Any) -> bool:
    """Whether a part of a content is a thought."""
    return isinstance(part, Mapping) and (part.get("type") in PARTS or part.get("thought") is True)


def flat(value: Any) -> str:
    """The text in a string, in a part of a content, or in a list of parts, whatever they call it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(flat, value))
    if isinstance(value, Mapping):
        names = ("text", "thinking", "reasoning", "content", "summary")
        return next((found for name in names if (found := flat(value.get(name)))), "")
    return ""


def _joined(pieces: Sequence[str]) -> str:
    return "\n".join(stripped for piece in pieces if (stripped := piece.strip("\n")).strip())
