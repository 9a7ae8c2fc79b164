"""Text that can be written to any file."""

from __future__ import annotations


def sound(text: str) -> str:
    """Text without halves of surrogate pairs: two that belong together are joined, others replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if not text.isascii() else text
