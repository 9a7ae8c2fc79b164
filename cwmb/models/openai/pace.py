"""Requests and tokens per minute, shared by everything that asks one endpoint.

In any 60 seconds there start at most so many requests, and these take at most so many tokens: an estimate before the
answer (the prompt at four characters a token, and the longest answer allowed), the usage that was reported after it. A
request that exceeds the limit alone waits until it is alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import NamedTuple, Protocol

from cwmb.models.openai.usage import estimated_usage
from cwmb.models.pausing import pause as announced
from cwmb.types import Provider, Reply, Request

MINUTE = 60.0
WAITS = "waiting for its turn (--requests-per-minute, --tokens-per-minute)"
LONGEST_PAUSE = 1.0  # seconds: an answer that was shorter than estimated makes room for others before their time


@dataclass(frozen=True)
class Rate:
    """Requests and tokens in any 60 seconds; None is no limit."""

    requests: int | None = None
    tokens: int | None = None

    @property
    def limited(self) -> bool:
        """Whether anybody ever has to wait."""
        return self.requests is not None or self.tokens is not None


class Turn(NamedTuple):
    """The answer to who wants to ask. seconds: after which to try again; 0 if it is its turn; number: for correct()."""

    number: int
    seconds: float


class Turns(Protocol):
    """Who may ask when; see Minute."""

    def take(self, tokens: int) -> Turn:
        """Count a request of so many tokens, if it may start now."""
        ...

    def correct(self, number: int, tokens: int) -> None:
        """A request took so many tokens."""
        ...


class Minute:
    """The requests of the last 60 seconds. Safe to use from many threads."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._requests, self._tokens, self._clock = rate.requests, rate.tokens, clock
        self._numbers = count()
        self._started: dict[int, tuple[float, int]] = {}  # when, and how many tokens; in the order of time
        self._lock = Lock()

    def take(self, tokens: int) -> Turn:
        """See Turns."""
        with self._lock:
            now = self._clock()
            for number, (start, _) in list(self._started.items()):
                if start + MINUTE > now:
                    break
                del self._started[number]
            until = self._room(tokens)
            if until is not None:
                return Turn(-1, until - now)
            number = next(self._numbers)
            self._started[number] = now, tokens
            return Turn(number, 0.0)

    def correct(self, number: int, tokens: int) -> None:
        """See Turns."""
        with self._lock:
            if number in self._started:
                self._started[number] = self._started[number][0], tokens

    def _room(self, tokens: int) -> float | None:
        """When there will be room for a request: None for now."""
        requests, taken = len(self._started), sum(t for _, t in self._started.values())
        until = None
        for start, its_tokens in self._started.values():
            too_many = self._requests is not None and requests >= self._requests
            if not too_many and (self._tokens is None or taken + tokens <= self._tokens):
                break
            until = start + MINUTE
            requests, taken = requests - 1, taken - its_tokens
        return until


class Pace:
    """Lets threads ask in turn. pause: waits so many seconds (maybe none), and raises where asking is over."""

    def __init__(self, turns: Turns, pause: Callable[[float], None]) -> None:
        self._turns, self._pause = turns, pause
        self._first = Lock()  # one thread waits for its turn, the others for that thread

    def ask(self, request: Request, answer: Callable[[], Reply]) -> Reply:
        """The answer to a request, as soon as it may start. An attempt that fails keeps its estimate."""
        number = self._turn(estimated_usage(request, "").prompt_tokens + request.sampling.max_new_tokens)
        reply = answer()
        self._turns.correct(number, reply.usage.prompt_tokens + reply.usage.completion_tokens)
        return reply

    def _turn(self, tokens: int) -> int:
        shown = self._first.locked()
        if shown:
            announced(0.0, WAITS)
        with self._first:
            seconds = 0.0
            while True:
                self._pause(seconds)
                turn = self._turns.take(tokens)
                if turn.seconds <= 0:
                    return turn.number
                if not shown:
                    announced(0.0, WAITS)
                    shown = True
                seconds = min(turn.seconds, LONGEST_PAUSE)


class Paced:
    """A provider that asks in turn."""

    def __init__(self, provider: Provider, pace: Pace) -> None:
        self.name = provider.name
        self._provider, self._pace = provider, pace

    def complete(self, request: Request) -> Reply:
        """See cwmb.types.Provider."""
        return self._pace.ask(request, lambda: self._provider.complete(request))


def paced(provider: Provider, pace: Pace) -> Provider:
    """A provider that asks in turn: with every attempt if it has an attribute ``pace``, else with every call."""
    if hasattr(provider, "pace"):
        provider.pace = pace
        return provider
    return Paced(provider, pace)
