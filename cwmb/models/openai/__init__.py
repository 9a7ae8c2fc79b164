"""Endpoints that speak OpenAI's chat completions, and what each concern of them is: one module each.

What others need of it (the format, thoughts, usage, pace) loads without the SDK, which only the client uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cwmb.models.openai.client import OpenAI
    from cwmb.models.openai.several import endpoint

__all__ = ["OpenAI", "endpoint"]


def __getattr__(name: str) -> Any:
    if name == "OpenAI":
        from cwmb.models.openai.client import OpenAI

        return OpenAI
    if name == "endpoint":
        from cwmb.models.openai.several import endpoint

        return endpoint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
