"""A scripted endpoint with a client of it that notes its waiting instead of waiting.

with endpoint([status(503), answer("hello")]) as asked:
    assert asked.complete().text == "hello"
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from scripted_server import Script, ScriptedServer

from cwmb.models.openai import OpenAI
from cwmb.types import Message, Reply, Request, Sampling

KEY = "sk-test-0123456789abcdef"
REQUEST = Request((Message("user", "What is two and two?"),), Sampling(max_new_tokens=100), seed=7)


class Endpoint:
    """A server and what its client did. waits: the seconds of each."""

    def __init__(self, server: ScriptedServer, **options: Any) -> None:
        self.server = server
        self.waits: list[float] = []
        self.model = OpenAI("gpt-test", sleep=self.waits.append, **options)

    def complete(self, request: Request = REQUEST) -> Reply:
        """Ask it."""
        return self.model.complete(request)


@contextmanager
def endpoint(script: Script, *, path: str = "/v1", **options: Any) -> Iterator[Endpoint]:
    """See the module. path: of OPENAI_BASE_URL; options: of the client."""
    with ScriptedServer(script) as server:
        url = server.url.removesuffix("/v1") + path
        with patch.dict(os.environ, {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY}):
            yield Endpoint(server, **options)
