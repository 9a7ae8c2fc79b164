"""What an endpoint says where it does not answer: its words, and what follows from them.

The same is said with an HTTP status, or with status 200 by an error in the answer, in one of its choices, or in the
midst of a stream. Every vendor has a format of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from http import HTTPStatus
from typing import Any

from cwmb.text import sound

REFUSED = "refused"  # the finish reason of an answer that is none, as a filter or the model itself refused
# Dropped in this order.
OPTIONAL = ("stream_options", "top_k", "seed", "top_p", "temperature", "max_tokens", "max_completion_tokens")

_NAMES = ("message", "error", "detail", "details", "errors", "msg", "Message", "error_description", "reason", "title")
_FILTERED = re.compile(
    r"""content[ _-]?(filter|policy|management|risk|safety) | invalid_prompt | content[ _]exists | responsible_?ai
    | usage[ ](policy|policies|guidelines) | safety_check | prohibited[ _]content | data_inspection | guardrail
    | inappropriate[ ]content | considered[ ]high[ ]risk | moderation_blocked | \bfiltered\b | 敏感 | 不安全
    | (prompt|input|request|message)s?\b.{0,30}\b(flagged|moderat) | (prompt|output|input)s?\b.{0,20}\bblocked
    | violat\w+ .{0,60}(polic|guideline)""",
    re.VERBOSE | re.IGNORECASE,
)
_OF_THE_ACCOUNT = re.compile(r"\b(account|organi[sz]ation|billing|api key|country|region|territory)\b", re.IGNORECASE)
_STOPPED_BY_A_FILTER = re.compile(
    r"(?<!function_call_)filter|safety|prohibit|blocklist|recitation|spii|sensitive|moderation|guardrail|armor|^refus",
    re.IGNORECASE,
)
_TOOLS = re.compile(r"\btools?\b|\btool_(choice|use|call)|\bfunction[ _]call", re.IGNORECASE)
_ADDRESS = re.compile(r"(unexpected|unknown|no such|invalid) (endpoint|url|path|route)|no route", re.IGNORECASE)


@dataclass(frozen=True)
class Refusal:
    """What an endpoint said instead of an answer.

    status: that of HTTP, or the one that the error itself tells; inside: whether it came inside of an answer with
    status 200; words: in one line; codes: the vendor's names for it; param: the parameter that it is about.
    """

    status: int
    words: str
    codes: str = ""
    param: str = ""
    inside: bool = False

    @property
    def trouble(self) -> str:
        """Status and words."""
        return f"{'an error inside the answer' if self.inside else f'HTTP {self.status}'}: {self.words}"

    @property
    def of_content(self) -> bool:
        """Whether it is about what the prompt says, or what the model was about to say."""
        speaks = not (self.status in (401, 402, 404, 429) or (self.status >= 500 and not self.inside))
        return (
            speaks and bool(_FILTERED.search(f"{self.codes} {self.words}")) and not _OF_THE_ACCOUNT.search(self.words)
        )

    @property
    def of_the_address(self) -> bool:
        """Whether it is about what was asked for where."""
        return self.status in (404, 405) or (self.inside and bool(_ADDRESS.search(self.words)))

    @property
    def of_everybody(self) -> bool:
        """Whether every request would be refused alike: the key, the model's name, the account."""
        return self.of_the_address or self.status in (401, 402) or "insufficient_quota" in self.codes

    @property
    def passing(self) -> bool:
        """Whether the same request may well be answered later."""
        return self.inside or self.status >= 500 or self.status in (408, 409, 425, 429)

    @property
    def wants_a_stream(self) -> bool:
        """Whether it is about answers that do not come as a stream."""
        return self.status in (400, 403, 405, 406, 422, 501) and bool(
            re.search(r"\bstream", f"{self.param} {self.words}", re.IGNORECASE)
        )

    @property
    def of_tools(self) -> bool:
        """Whether it is about calls of tools. Some say so as if something were missing, or had broken."""
        return self.status in (400, 404, 422, 500, 501) and bool(_TOOLS.search(f"{self.codes} {self.words}"))

    def refused_parameter(self, sent: Mapping[str, Any]) -> str | None:
        """The optional parameter that it is about."""
        if self.status not in (400, 422):
            return None
        names = [name for name in OPTIONAL if name in sent]
        if self.param in names:
            return self.param
        return next((name for name in names if re.search(rf"\b{name}\b", self.words)), None)


class Refused(Exception):
    """An endpoint refused to answer. wait: the seconds that it asks to wait."""

    def __init__(self, refusal: Refusal, wait: float = 0.0) -> None:
        super().__init__(refusal.words)
        self.refusal, self.wait = refusal, wait


def read(status: int, content: bytes) -> Refusal:
    """What the body of an answer with an error's status says: JSON of any vendor, HTML or plain text."""
    text = content.decode("utf-8", "replace")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        words = _visible(text) if is_page(content) else text
        return Refusal(status, _line(words) or _phrase(status))
    return _refusal(status, data)


def inside(error: Any, data: Any = None) -> Refused:
    """The exception for an error inside an answer; data: the whole answer, if there is more."""
    code = str(error.get("code", error.get("status"))) if isinstance(error, Mapping) else ""
    status = int(code) if re.fullmatch(r"[45]\d\d", code) else 502
    told = _refusal(status, error if error else data)
    return Refused(Refusal(status, told.words, told.codes, told.param, inside=True))


def stopped_by_a_filter(finish_reason: str) -> bool:
    """Whether an answer ended since a filter, or the model itself, refused to go on."""
    return bool(_STOPPED_BY_A_FILTER.search(finish_reason))


def blocked(data: Any) -> str:
    """Why an answer without any choice is one that was blocked; empty if it is just an answer without a choice."""
    for name, value in _leaves(data):
        if (name in ("filtered", "blocked") and value is True) or (
            isinstance(value, str) and name not in ("id", "model", "object") and stopped_by_a_filter(value)
        ):
            return f"blocked: {value if isinstance(value, str) else name}"
    return ""


def is_page(content: bytes) -> bool:
    """Whether this is a web page."""
    return content.lstrip()[:1] == b"<"


def _refusal(status: int, data: Any) -> Refusal:
    told = dict(_leaves(data, first=True))
    codes = [told[name] for name in ("code", "type", "status", "param") if name in told]
    codes += [value for name, value in _leaves(data) if name == "code" and value not in codes]
    words = _line(_words(data))
    codes_line = _line(" ".join(map(str, codes)))
    return Refusal(status, words or codes_line or _phrase(status), codes_line, str(told.get("param") or ""))


def _words(data: Any) -> str:
    """The explanation in an error, wherever it stands."""
    if isinstance(data, str):
        return data
    if isinstance(data, list):
        return "; ".join(filter(None, map(_words, data)))
    if not isinstance(data, Mapping):
        return ""
    words = next((found for name in _NAMES if (found := _words(data.get(name)))), "")
    where = data.get("loc")  # of a parameter, as FastAPI tells it
    if isinstance(where, list) and words:
        return f"{'.'.join(map(str, where))}: {words}"
    metadata = data.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return f"{words}: {raw}" if isinstance(raw, str) and words else words


def _leaves(data: Any, depth: int = 8, first: bool = False) -> Iterator[tuple[str, Any]]:
    """The values in JSON that hold no others, with their names."""
    if depth == 0:
        return
    items = data.items() if isinstance(data, Mapping) else (("", d) for d in data) if isinstance(data, list) else ()
    pairs = list(items)
    for name, value in reversed(pairs) if first else pairs:
        if isinstance(value, Mapping | list):
            yield from _leaves(value, depth - 1, first)
        else:
            yield str(name), value


def _visible(page: str) -> str:
    """What a web page shows."""
    without = re.sub(r"<(script|style|head)\b.*?</\1>", " ", page, flags=re.DOTALL | re.IGNORECASE)
    title = re.search(r"<title[^>]*>(.*?)</title>", page, re.DOTALL | re.IGNORECASE)
    return unescape(title[1] if title and title[1].strip() else re.sub(r"<[^>]*>", " ", without))


def _line(text: str) -> str:
    return sound(" ".join(text.split()))[:1000]


def _phrase(status: int) -> str:
    try:
        return f"no explanation ({HTTPStatus(status).phrase})"
    except ValueError:
        return "no explanation"
