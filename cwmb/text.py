"""Text that strangers wrote, made fit for where it is shown: names, messages, programs, whatever a record holds.

A terminal obeys control characters, readers are fooled by text that runs backwards or takes no room, Markdown and HTML
run what looks like markup, spreadsheets what looks like a formula, and a lone surrogate cannot be written at all.
"""

from __future__ import annotations

import html
import re

LONGEST = 2000  # characters of a text in a line or a table's cell
_ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # no width, or another direction
    "\U000e0000-\U000e007f\ud800-\udfff]"  # tags, surrogates
)
_MARKDOWN = re.compile(r"([\\`*\[\]<>|])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    """Text of several lines in which every character that does something, or cannot be seen, is replaced by its code.

    It can be written in UTF-8 and is changed by a second pass no more.
    """
    if text.isprintable():
        return text
    return _ODD.sub(lambda match: f"\\x{ord(match.group()):02x}", text.replace("\r\n", "\n"))


def line(text: str, longest: int = LONGEST) -> str:
    """The same on one line, cut to its first characters."""
    shown = printable(" ".join(text.split()))
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def sound(text: str) -> str:
    """Text without halves of surrogate pairs: two that belong together are joined, others replaced."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def in_markdown(text: str) -> str:
    """One line of Markdown (a table's cell, too) that shows the text and does nothing."""
    return _MARKDOWN.sub(r"\\\1", line(text)).replace("\\<", "&lt;").replace("\\>", "&gt;")


def in_csv(text: str) -> str:
    """One line that a spreadsheet takes for text: what it would take for a formula gets an apostrophe before it."""
    shown = line(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def in_html(text: str) -> str:
    """Text of several lines for an element or an attribute in quotation marks."""
    return html.escape(printable(text))
