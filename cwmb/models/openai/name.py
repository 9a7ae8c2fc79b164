"""What a model's name says: ``NAME``, or ``NAME?effort=high&api=responses``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from cwmb.errors import CwmbError, unknown

Api = Literal["chat", "responses"]
APIS: dict[str, Api] = {"chat": "chat", "responses": "responses"}


@dataclass(frozen=True)
class Name:
    """A model and how it is asked.

    effort: how much it is to reason, in the endpoint's own word, sent as it is; api: which of OpenAI's two formats.
    """

    model: str
    effort: str | None = None
    api: Api = "chat"

    @classmethod
    def of(cls, text: str) -> Name:
        """What a name says. Raises CwmbError: it is none, or one of its options is unknown or has no value."""
        model, _, query = text.partition("?")
        if not model:
            raise CwmbError("openai: which model? Name one after a colon, such as openai:gpt-5")
        said = dict(parse_qsl(query, keep_blank_values=True))
        for option in said:
            if option not in ("effort", "api"):
                raise unknown(f"option of openai:{model}", option, ("effort", "api"))
        effort = said.get("effort")
        if (query and len(said) < len(query.split("&"))) or effort == "" or not (effort or "none").isalnum():
            raise CwmbError(f"openai: {query!r} are no options: write openai:{model}?effort=high&api=responses")
        if said.get("api", "chat") not in APIS:
            raise unknown("api of openai", said["api"], APIS)
        return cls(model, effort, APIS[said.get("api", "chat")])

    def __str__(self) -> str:
        """As records call it: the options always in one order, what is usual left out."""
        options = [f"effort={self.effort}" if self.effort else "", "api=responses" if self.api == "responses" else ""]
        said = "&".join(option for option in options if option)
        return f"openai:{self.model}" + (f"?{said}" if said else "")
