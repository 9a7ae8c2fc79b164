"""``openai:NAME``: a model behind any endpoint that speaks OpenAI's chat completions, or its Responses API.

OPENAI_API_KEY and OPENAI_BASE_URL say which; an endpoint on this machine needs no key.

The limit on new tokens is on the visible answer. An endpoint that refuses ``max_tokens`` in favour of
``max_completion_tokens``, or an answer that came with thoughts, tells that the model reasons: from then on the limit
for reasoning is added, and a visible answer that got longer than its own limit is cut.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import openai

from cwmb.errors import ContextExceeded, CwmbError, EndpointRefused, InfrastructureError
from cwmb.models.openai import chat, limits, refusals, responses, streams
from cwmb.models.openai.address import Address
from cwmb.models.openai.manners import Manners, dropped, limit_in
from cwmb.models.openai.name import Name
from cwmb.models.openai.pace import Pace
from cwmb.models.openai.refusals import REFUSED, Refusal, Refused
from cwmb.models.openai.usage import estimated_usage
from cwmb.models.openai.waiting import LONGEST_RETRY_AFTER, asked_to_wait, back_off
from cwmb.models.pausing import pause
from cwmb.models.prices import dollars
from cwmb.text import line, sound
from cwmb.types import Reply, Request, Usage

CONNECT = 30.0  # seconds until a connection must stand
LONGEST_LINE = 300  # characters of what an endpoint says


class OpenAI:
    """See the module. timeout: seconds that one attempt may take; attempts: how often a call is tried.

    environment: the variables that it depends on; pace: when an attempt may start, if that is limited; sleep: how to
    wait, if not in sight of the user (cwmb.models.pausing); at, key: which endpoint, if not that of the environment.
    """

    environment = ("OPENAI_API_KEY", "OPENAI_BASE_URL")

    def __init__(
        self,
        model: str,
        *,
        timeout: float = 900.0,
        attempts: int = 8,
        sleep: Callable[[float], None] | None = None,
        at: Address | None = None,
        key: str | None = None,
    ) -> None:
        named = Name.of(model)
        self._at = at or Address.of_environment()
        self._key = (os.environ.get("OPENAI_API_KEY", "") if key is None else key).strip()
        if not self._key and not self._at.local:
            raise CwmbError(f"OPENAI_API_KEY is not set, and openai:{model} at {self._at.host} needs a key: export it")
        if not (self._key.isascii() and self._key.isprintable()):
            raise CwmbError("OPENAI_API_KEY contains characters that no key has: export it again")
        self.name = str(named)
        self._model, self._api, self._attempts, self._sleep = named.model, named.api, attempts, sleep
        with self._at.usable():
            self._client = openai.OpenAI(
                api_key=self._key or "none",
                base_url=self._at.url,
                max_retries=0,
                timeout=openai.Timeout(timeout, connect=min(timeout, CONNECT)),
            )
        self._lock = threading.Lock()
        self._manners = Manners(effort=named.effort)
        self.pace: Pace | None = None

    def complete(self, request: Request) -> Reply:
        """Answer one request. See cwmb.types.Provider."""
        with_room = self._manners.with_room
        reply = self._ask(request)
        if reply.usage.reasoning_tokens and not with_room:
            self._learn(lambda manners: replace(manners, reasons=True))
            if reply.finish_reason == "length":  # cut off by its thoughts; asked once more with room for them
                again = self._ask(request)
                reply = replace(again, usage=replace(reply.usage + again.usage, calls=1))
        return reply

    @property
    def takes_batches(self) -> bool:
        """Whether it is asked in the format that batches are made of."""
        return self._api == "chat"

    @property
    def client(self) -> openai.OpenAI:
        """What speaks to the endpoint; it retries nothing."""
        return self._client

    def body(self, request: Request) -> dict[str, Any]:
        """A request as the endpoint takes it, as far as that is known."""
        return self._manners.body(self._model, request, None)

    def of_batch(self, data: Any, request: Request) -> Reply | None:
        """The reply in a completion that was asked for in a batch, at half the price; None where it holds none."""
        try:
            reply = self._finished(chat.reply(data, request), request, self.body(request))
        except (chat.Malformed, Refused):
            return None
        price = reply.usage.dollars
        return replace(reply, usage=replace(reply.usage, dollars=None if price is None else price / 2))

    def _ask(self, request: Request) -> Reply:
        """Ask until there is an answer, an error that waiting does not cure, or no attempt left."""
        generator = random.Random(request.seed)
        room: int | None = None
        attempt = reductions = 0
        while True:
            body = self._manners.body(self._model, request, room)
            try:
                return self._finished(self._attempt(body, request), request, body)
            except _Unanswered as error:
                trouble, wait = str(error), 0.0
            except Refused as error:
                if fewer := self._fewer(error.refusal, request, body, reductions):
                    room, reductions = fewer, reductions + 1
                    continue
                if error.refusal.of_content:
                    return Reply(self.one_line(error.refusal.words), Usage(calls=1), REFUSED)
                if self._learn(partial(Manners.after, refusal=error.refusal, body=body)):
                    continue
                trouble, wait = self._passing(error.refusal, error.wait), error.wait
            attempt += 1
            if attempt == self._attempts:
                raise Busy(str(self._failure(f"{trouble} ({attempt} attempts)")), wait)
            why = f"waiting, attempt {attempt + 1} of {self._attempts}: {self.one_line(trouble)}"
            self._pause(max(wait, back_off(attempt - 1, generator)), why)

    def _attempt(self, body: dict[str, Any], request: Request) -> Reply:
        """Ask once, when it is its turn. Raises Refused, or _Unanswered for what may pass."""
        try:
            if self.pace:
                return self.pace.ask(request, lambda: self._answer(body, request))
            return self._answer(body, request)
        except openai.APIStatusError as error:
            content = error.response.content
            raise Refused(
                refusals.read(error.status_code, content), asked_to_wait(error.response.headers, content)
            ) from None
        except openai.APITimeoutError as error:
            raise _Unanswered(self._at.too_slow(error.__cause__)) from None
        except openai.APIConnectionError as error:
            raise _Unanswered(self._at.unreachable(error.__cause__ or error)) from None
        except openai.APIError as error:  # in the midst of a stream
            raise refusals.inside(error.body or error.message) from None
        except (chat.Malformed, openai.OpenAIError, ValueError, RecursionError) as error:
            raise _Unanswered(f"malformed answer: {error}") from None

    def _answer(self, body: dict[str, Any], request: Request) -> Reply:
        if self._api == "responses":
            body = responses.request(body)
            raw: Any = self._client.responses.with_raw_response.create(extra_body=body)
        else:
            standard = {name: value for name, value in body.items() if name != "top_k"}
            extra = {"top_k": body["top_k"]} if "top_k" in body else None
            raw = self._client.chat.completions.with_raw_response.create(**standard, extra_body=extra)
        response = raw.http_response
        try:
            content = response.read()
        except Exception as error:  # of the HTTP library that the SDK happens to use
            raise chat.Malformed(f"the answer broke off: {error}") from None
        if refusals.is_page(content):
            raise EndpointRefused(str(self._failure(f"a web page instead of an answer; {self._at.advice()}")))
        if not streams.is_stream(content):
            return chat.reply(responses.completion(json.loads(content)), request)
        chunks = openai.Stream(cast_to=object, response=response, client=self._client)
        return chat.reply(streams.assembled(chunks, ended=b"[DONE]" in content), request)

    def _fewer(self, refusal: Refusal, request: Request, body: dict[str, Any], reductions: int) -> int:
        """The new tokens to ask for instead, where they are what was refused; else 0. Raises ContextExceeded."""
        sent, too_long = limit_in(body), limits.of_the_window(refusal)
        if not too_long and not limits.of_answers(refusal):
            return 0
        prompt = estimated_usage(request, "").prompt_tokens
        fewer = limits.reduced(refusal, sent, prompt, reductions) if sent else 0
        if too_long and not fewer:
            raise ContextExceeded(self.one_line(refusal.words))
        if fewer and not too_long:
            self._learn(lambda manners: replace(manners, most=fewer))
        return fewer

    def _passing(self, refusal: Refusal, wait: float) -> str:
        """The trouble, if waiting cures it. Raises what to say if not."""
        trouble = refusal.trouble
        if refusal.status == 401 and not refusal.inside:
            trouble = f"{trouble} (is the key in OPENAI_API_KEY right?)"
        elif refusal.of_the_address:
            trouble = f"{trouble} ({self._at.advice()})"
        if refusal.of_everybody:
            raise EndpointRefused(str(self._failure(trouble))) from None
        if not refusal.passing or wait > LONGEST_RETRY_AFTER:
            raise self._failure(trouble) from None
        return trouble

    def _learn(self, lesson: Callable[[Manners], Manners | None]) -> bool:
        """Change the manners; whether there was something to learn."""
        with self._lock:
            learnt = lesson(self._manners)
            self._manners = learnt or self._manners
        return learnt is not None

    def _finished(self, reply: Reply, request: Request, body: dict[str, Any]) -> Reply:
        text, finish_reason, limit = reply.text, reply.finish_reason, request.sampling.max_new_tokens
        visible = reply.usage.completion_tokens - reply.usage.reasoning_tokens
        sent = limit_in(body)
        if visible > limit and sent != limit:  # the endpoint's limit was not on the visible answer
            text, finish_reason = text[: len(text) * limit // visible], "length"
        price = 0.0 if self._at.local else dollars(reply.usage, self._at.url, reply.model, self._model)
        return replace(
            reply,
            text=self._redacted(text),
            thoughts=self._redacted(reply.thoughts),
            finish_reason=finish_reason,
            usage=replace(reply.usage, dollars=price),
            dropped=self._dropped(request, body),
            reduced_to=sent if sent is not None and sent < self._manners.limit(request.sampling) else None,
        )

    def _dropped(self, request: Request, body: dict[str, Any]) -> tuple[str, ...]:
        names = set(dropped(request, body))
        if self._api == "responses":
            names |= {name for name in responses.UNKNOWN if name in chat.payload(request)}
        return tuple(sorted(names))

    def _pause(self, seconds: float, why: str) -> None:
        if self._sleep:
            self._sleep(seconds)
        else:
            pause(seconds, why)

    def _failure(self, trouble: str) -> InfrastructureError:
        return InfrastructureError(f"{self.name} at {self._at.host}: {self.one_line(trouble)}")

    def one_line(self, text: str) -> str:
        """Words of an endpoint, without the key, fit to be shown."""
        return line(self._redacted(sound(text)), LONGEST_LINE)

    def _redacted(self, text: str) -> str:
        """Text without the key; one of a few letters (``none``) is no secret."""
        return text.replace(self._key, "***") if len(self._key) >= 8 else text


class Busy(InfrastructureError):
    """No attempt was answered, and a later one might be. wait: the seconds that the endpoint asked for."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait


class _Unanswered(Exception):
    """There was no answer, and there may well be one to the same request later."""
