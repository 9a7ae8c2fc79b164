"""How an endpoint wants to be asked, as far as it has told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cwmb.models.openai import chat
from cwmb.models.openai.refusals import Refusal
from cwmb.types import Request, Sampling

LIMITS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True)
class Manners:
    """refused: parameters that it does not take; reasons: whether the model thinks; streams: whether it only streams;
    most: the new tokens that it grants at most; effort: how much the model is to reason, if that was asked for."""

    refused: frozenset[str] = frozenset()
    reasons: bool = False
    streams: bool = False
    most: int | None = None
    effort: str | None = None

    @property
    def with_room(self) -> bool:
        """Whether there is room for thoughts beside the answer."""
        return self.reasons or self.effort is not None or "max_tokens" in self.refused

    def limit(self, sampling: Sampling) -> int:
        """The new tokens that should be granted."""
        return sampling.max_new_tokens + (sampling.max_reasoning_tokens if self.with_room else 0)

    def body(self, model: str, request: Request, room: int | None) -> dict[str, Any]:
        """A request as this endpoint takes it. room: new tokens that there is room for, if that is known."""
        body = {"model": model} | chat.payload(request)
        name = "max_completion_tokens" if "max_tokens" in self.refused else "max_tokens"
        del body["max_tokens"]
        body[name] = min(n for n in (self.limit(request.sampling), self.most, room) if n is not None)
        if self.effort is not None:
            body["reasoning_effort"] = self.effort
        if self.streams:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return {name: value for name, value in body.items() if name not in self.refused}

    def after(self, refusal: Refusal, body: dict[str, Any]) -> Manners | None:
        """What a refused request taught; None if it taught nothing."""
        if "tools" in body and refusal.of_tools:
            return replace(self, refused=self.refused | {"tools"})
        if name := refusal.refused_parameter(body):
            return replace(self, refused=self.refused | {name})
        if refusal.wants_a_stream and "stream" not in body:
            return replace(self, streams=True)
        return None


def limit_in(body: dict[str, Any]) -> int | None:
    """The limit on new tokens in a request."""
    return next((body[name] for name in LIMITS if name in body), None)


def dropped(request: Request, body: dict[str, Any]) -> tuple[str, ...]:
    """The parameters of a request that were not sent; ``max_completion_tokens`` is another name of ``max_tokens``."""
    names = body.keys() | ({"max_tokens"} if "max_completion_tokens" in body else set())
    return tuple(sorted(chat.payload(request).keys() - names))
