"""``openai:NAME``: a model behind any endpoint that speaks OpenAI's chat completions.

OPENAI_API_KEY and OPENAI_BASE_URL say which; an endpoint on this machine needs no key.

The limit on new tokens is on the visible answer. An endpoint that refuses ``max_tokens`` in favour of
``max_completion_tokens``, or an answer that came with hidden thoughts, tells that the model reasons: from then on the
limit for reasoning is added, and a visible answer that got longer than its own limit is cut.
"""

from __future__ import annotations

import email.utils
import ipaddress
import json
import os
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import openai

from cwmb.errors import ContextExceeded, CwmbError, EndpointRefused, InfrastructureError
from cwmb.models.openai import chat
from cwmb.models.openai.pace import Pace
from cwmb.models.prices import dollars
from cwmb.types import Reply, Request

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds between attempts, doubling
LONGEST_RETRY_AFTER = 600.0  # seconds: an endpoint that asks for more is not worth waiting for
OPTIONAL = ("top_k", "seed", "top_p", "temperature", "max_tokens", "max_completion_tokens")  # dropped in this order

_CONTEXT = re.compile(
    r"context[ _](length|size|window)|maximum context|prompt is too long|input is too long|too many (input )?tokens",
    re.IGNORECASE,
)


class OpenAI:
    """See the module. timeout: seconds that one attempt may take; attempts: how often a call is tried.

    environment: the variables that it depends on; pace: when an attempt may start, if that is limited.
    """

    environment = ("OPENAI_API_KEY", "OPENAI_BASE_URL")

    def __init__(
        self,
        model: str,
        *,
        timeout: float = 900.0,
        attempts: int = 8,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not model:
            raise CwmbError("openai: which model? Name one after a colon, such as openai:gpt-5")
        url = os.environ.get("OPENAI_BASE_URL", "").strip() or "https://api.openai.com/v1"
        host = _host(url)
        if host is None:
            raise CwmbError(
                f"OPENAI_BASE_URL {re.sub('//.*@', '//***@', url)!r} is no http(s) address; correct or unset it"
            )
        self._local = _is_loopback(host)
        self._key = os.environ.get("OPENAI_API_KEY", "").strip()
        if not self._key and not self._local:
            raise CwmbError(f"OPENAI_API_KEY is not set, and openai:{model} at {host} needs a key: export it")
        if not (self._key.isascii() and self._key.isprintable()):
            raise CwmbError("OPENAI_API_KEY contains characters that no key has: export it again")
        self.name = f"openai:{model}"
        self._model, self._url, self._host = model, url, host
        self._attempts, self._sleep = attempts, sleep
        self._client = openai.OpenAI(api_key=self._key or "none", base_url=url, max_retries=0, timeout=timeout)
        self._lock = threading.Lock()
        self._refused: set[str] = set()  # parameters that the endpoint does not take
        self._reasons = False
        self.pace: Pace | None = None

    def complete(self, request: Request) -> Reply:
        """Answer one request. See cwmb.types.Provider."""
        with_room = self._reasons or "max_tokens" in self._refused
        reply = self._ask(request)
        if reply.usage.reasoning_tokens and not with_room:
            self._reasons = True
            if reply.finish_reason == "length":  # cut off by its thoughts; asked once more with room for them
                again = self._ask(request)
                reply = replace(again, usage=replace(reply.usage + again.usage, calls=1))
        return reply

    def _ask(self, request: Request) -> Reply:
        """Ask until there is an answer, an error that waiting does not cure, or no attempt left."""
        backoff = random.Random(request.seed)
        trouble, attempt = "", 0
        while attempt < self._attempts:
            body = self._body(request)
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0**attempt) * backoff.uniform(0.5, 1.0)
            try:
                return self._finished(self._sent(body, request), request, body)
            except openai.APIStatusError as error:
                status, message = error.status_code, _message_of(error)
                trouble = f"HTTP {status}: {message}"
                if status in (400, 413, 422) and _CONTEXT.search(f"{error.code} {message}"):
                    raise ContextExceeded(self._one_line(message)) from None
                if status in (400, 422) and (name := _refused_parameter(error, message, body)):
                    with self._lock:
                        self._refused.add(name)
                    continue
                if status in (401, 403):
                    trouble = f"HTTP {status}: the endpoint refuses the key in OPENAI_API_KEY"
                if status in (401, 402, 404) or error.code == "insufficient_quota":
                    raise EndpointRefused(str(self._failure(trouble))) from None
                asked_to_wait = _retry_after(error)
                if not _is_passing(error) or (asked_to_wait or 0.0) > LONGEST_RETRY_AFTER:
                    raise self._failure(trouble) from None
                wait = wait if asked_to_wait is None else asked_to_wait
            except openai.APITimeoutError:
                trouble = "no answer in time"
            except openai.APIConnectionError as error:
                trouble = f"the connection failed: {error.__cause__ or error}"
            except (chat.Malformed, openai.OpenAIError, ValueError) as error:
                trouble = f"malformed answer: {error}"
            attempt += 1
            if attempt < self._attempts:
                self._sleep(wait)
        raise self._failure(f"{trouble} ({attempt} attempts)")

    def _body(self, request: Request) -> dict[str, Any]:
        body = {"model": self._model} | chat.payload(request)
        with self._lock:
            refused = set(self._refused)
        if "max_tokens" in refused or self._reasons:
            body["max_tokens"] += request.sampling.max_reasoning_tokens
        if "max_tokens" in refused:
            body["max_completion_tokens"] = body.pop("max_tokens")
        return {name: value for name, value in body.items() if name not in refused}

    def _sent(self, body: dict[str, Any], request: Request) -> Reply:
        def send() -> Reply:
            return self._answer(body, request)

        return self.pace.ask(request, send) if self.pace else send()

    def _answer(self, body: dict[str, Any], request: Request) -> Reply:
        standard = {name: value for name, value in body.items() if name != "top_k"}
        extra = {"top_k": body["top_k"]} if "top_k" in body else None
        response = self._client.chat.completions.with_raw_response.create(**standard, extra_body=extra)
        return chat.reply(json.loads(response.http_response.content), request)

    def _finished(self, reply: Reply, request: Request, body: dict[str, Any]) -> Reply:
        dropped = chat.payload(request).keys() - body.keys()
        if "max_completion_tokens" in body:
            dropped -= {"max_tokens"}  # it was sent, under its other name
        text, finish_reason, limit = reply.text, reply.finish_reason, request.sampling.max_new_tokens
        visible = reply.usage.completion_tokens - reply.usage.reasoning_tokens
        if visible > limit and body.get("max_tokens") != limit:  # the endpoint's limit was not on the visible answer
            text, finish_reason = text[: len(text) * limit // visible], "length"
        price = 0.0 if self._local else dollars(reply.usage, self._url, reply.model, self._model)
        return replace(
            reply,
            text=self._redacted(text),
            finish_reason=finish_reason,
            usage=replace(reply.usage, dollars=price),
            dropped=tuple(sorted(dropped)),
        )

    def _failure(self, trouble: str) -> InfrastructureError:
        return InfrastructureError(f"{self.name} at {self._host}: {self._one_line(trouble)}")

    def _one_line(self, text: str) -> str:
        return self._redacted(" ".join(text.split()))[:300]

    def _redacted(self, text: str) -> str:
        """Text without the key; one of a few letters (``none``) is no secret."""
        return text.replace(self._key, "***") if len(self._key) >= 8 else text


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.hostname if parts.scheme in ("http", "https") else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_passing(error: openai.APIStatusError) -> bool:
    """Whether the same request may well be answered later."""
    status = error.status_code
    return status >= 500 or status == 408 or (status == 429 and error.code != "insufficient_quota")


def _message_of(error: openai.APIStatusError) -> str:
    if isinstance(error.body, dict) and isinstance(message := error.body.get("message"), str):
        return message
    return error.response.text or "no explanation"


def _refused_parameter(error: openai.APIStatusError, message: str, body: dict[str, Any]) -> str | None:
    """The optional parameter that an error is about."""
    sent = [name for name in OPTIONAL if name in body]
    if error.param in sent:
        return str(error.param)
    return next((name for name in sent if re.search(rf"\b{name}\b", message)), None)


def _retry_after(error: openai.APIStatusError) -> float | None:
    """The seconds that an endpoint asks to wait: a number or a date."""
    value = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
