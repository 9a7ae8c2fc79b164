"""An OpenAI-compatible endpoint on loopback that does what a test tells it, faults included.

    with ScriptedServer([status(503), reset(), answer("hello")]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)

A script is a list of behaviours, one per request, the last one repeated; or a function from the request's JSON body to
a behaviour (called from several threads). ``server.bodies`` holds every request received, ``server.counts`` how often
each one was (by ``body_hash``), ``server.headers`` their headers, with lower-case names, ``server.paths`` their paths.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Behaviour = Callable[["Handler", Body], None]
Script = Sequence[Behaviour] | Callable[[Body], Behaviour]


def body_hash(body: Body) -> str:
    """What requests are counted by."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def completion(
    text: str | None,
    *,
    finish_reason: str = "stop",
    model: str = "scripted",
    usage: Mapping[str, Any] | None = None,
    message: Mapping[str, Any] | None = None,
) -> Body:
    """The JSON of a chat completion; message adds fields to the message."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15} if usage is None else dict(usage)
    content = {"role": "assistant", "content": text, **(message or {})}
    choice = {"index": 0, "finish_reason": finish_reason, "message": content}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}


def answer(text: str | None, **options: Any) -> Behaviour:
    """A completion; the options are those of ``completion``."""
    return json_body(completion(text, **options))


def json_body(value: Any, code: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Any JSON value."""
    return raw(json.dumps(value).encode(), code, headers)


def raw(content: bytes, code: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Any bytes that claim to be JSON."""

    def behave(handler: Handler, _: Body) -> None:
        handler.respond(content, len(content), code, headers or {})

    return behave


def status(
    code: int, message: str = "scripted", /, *, headers: Mapping[str, str] | None = None, **fields: Any
) -> Behaviour:
    """An error in OpenAI's format; fields are added to it (param, code, type)."""
    return json_body({"error": {"message": message, **fields}}, code, headers)


def events(*chunks: Any, done: bool = True) -> Behaviour:
    """A stream of server-sent events, one for each chunk; a comment before them, as some send."""
    lines = [": working", *(f"data: {json.dumps(chunk)}" for chunk in chunks), *(["data: [DONE]"] if done else [])]
    return raw("\n\n".join([*lines, ""]).encode(), headers={"content-type": "text/event-stream"})


def chunk(*, finish_reason: str | None = None, usage: Mapping[str, Any] | None = None, **delta: Any) -> Body:
    """The JSON of a chunk of a stream; what is in delta is added to the message."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "1", "object": "chat.completion.chunk", "model": "scripted", "choices": [choice], "usage": usage}


def page(text: str = "Welcome", code: int = 200) -> Behaviour:
    """A web page."""
    content = f"<!DOCTYPE html><html><head><title>{text}</title></head><body><p>{text}</p></body></html>".encode()
    return raw(content, code, {"content-type": "text/html"})


def half(text: str = "cut short") -> Behaviour:
    """The first half of a completion, then the connection ends."""
    content = json.dumps(completion(text)).encode()

    def behave(handler: Handler, _: Body) -> None:
        handler.respond(content[: len(content) // 2], len(content), 200, {})

    return behave


def reset() -> Behaviour:
    """The connection is reset before any answer."""

    def behave(handler: Handler, _: Body) -> None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return behave


def hang() -> Behaviour:
    """No answer until the server is closed."""

    def behave(handler: Handler, _: Body) -> None:
        handler.server.closing.wait()

    return behave


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.close_connection = True
        self.server.owner.paths.append(self.path)
        behave = self.server.owner.next_behaviour(body, {k.lower(): v for k, v in self.headers.items()})
        with suppress(BrokenPipeError, ConnectionResetError):  # the client gave up
            behave(self, body)

    def respond(self, content: bytes, length: int, code: int, headers: Mapping[str, str]) -> None:
        """Send content that claims to be of some length."""
        self.send_response(code)
        standard = {"content-type": "application/json", "content-length": str(length), "connection": "close"}
        for name, value in (standard | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: ScriptedServer

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.closing = threading.Event()

    def shutdown_request(self, request: Any) -> None:
        """As usual, but a connection that was reset is closed already."""
        if request.fileno() >= 0:
            super().shutdown_request(request)

    def handle_error(self, *_: Any) -> None:
        """A torn connection is what some tests ask for."""


class ScriptedServer:
    """See the module."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._server = _Server()
        self._server.owner = self
        self._lock = threading.Lock()
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        """What OPENAI_BASE_URL should be."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def counts(self) -> Counter[str]:
        """How often each request was received, by body_hash."""
        with self._lock:
            return Counter(map(body_hash, self.bodies))

    def next_behaviour(self, body: Body, headers: dict[str, str]) -> Behaviour:
        """Note a request and say what happens to it."""
        with self._lock:
            self.bodies.append(body)
            self.headers.append(headers)
            index = len(self.bodies) - 1
        if callable(self._script):
            return self._script(body)
        return self._script[min(index, len(self._script) - 1)]

    def __enter__(self) -> ScriptedServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
