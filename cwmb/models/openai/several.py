"""One model behind several endpoints: asked in turn, and each left alone for a while after a failure of its own.

OPENAI_BASE_URL names them, separated by commas; OPENAI_API_KEY has one key for all, or one for each in the same order.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cwmb.errors import CwmbError, EndpointRefused, InfrastructureError
from cwmb.models.openai.address import Address
from cwmb.models.openai.client import Busy, OpenAI
from cwmb.models.openai.pace import Pace
from cwmb.models.openai.waiting import LONGEST_RETRY_AFTER, back_off
from cwmb.models.pausing import pause
from cwmb.types import Provider, Reply, Request


def endpoint(model: str) -> Provider:
    """The provider ``openai:``. Raises CwmbError: see OpenAI and Several."""
    addresses = [a.strip() for a in os.environ.get("OPENAI_BASE_URL", "").split(",") if a.strip()]
    if len(addresses) < 2:
        return OpenAI(model)
    return Several(model, addresses, [k.strip() for k in os.environ.get("OPENAI_API_KEY", "").split(",")])


@dataclass
class _Place:
    """An endpoint. free: when it may be asked again; failures: in a row; gone: why it is not asked any more."""

    model: OpenAI
    free: float = 0.0
    failures: int = 0
    gone: EndpointRefused | None = None


class Several:
    """See the module. A call is tried eight times as often as there are endpoints, as by one endpoint alone.

    clock, sleep: the time, and how to wait, if not in sight of the user (cwmb.models.pausing).
    """

    environment = OpenAI.environment

    def __init__(
        self,
        model: str,
        addresses: list[str],
        keys: list[str],
        *,
        attempts: int = 8,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float, str], None] = pause,
        **options: Any,
    ) -> None:
        if len(keys) not in (1, len(addresses)):
            raise CwmbError(
                f"OPENAI_API_KEY has {len(keys)} keys for {len(addresses)} addresses: give one, or one each"
            )
        keys = keys * len(addresses) if len(keys) == 1 else keys
        self._places = [
            _Place(OpenAI(model, attempts=1, at=Address.of(url), key=key, **options))
            for url, key in zip(addresses, keys, strict=True)
        ]
        self.name = self._places[0].model.name
        self._attempts, self._clock, self._sleep = attempts * len(addresses), clock, sleep
        self._lock = threading.Lock()
        self._next = 0

    @property
    def pace(self) -> Pace | None:
        """When an attempt may start, whichever endpoint it goes to."""
        return self._places[0].model.pace

    @pace.setter
    def pace(self, pace: Pace | None) -> None:
        for place in self._places:
            place.model.pace = pace

    def complete(self, request: Request) -> Reply:
        """Answer one request. See cwmb.types.Provider."""
        generator = random.Random(request.seed)
        for attempt in range(1, self._attempts + 1):
            place = self._turn()
            try:
                reply = place.model.complete(request)
            except Busy as error:
                if error.wait > LONGEST_RETRY_AFTER or attempt == self._attempts:
                    raise
                with self._lock:
                    place.free = self._clock() + max(error.wait, back_off(place.failures, generator))
                    place.failures += 1
            except EndpointRefused as error:
                place.gone = error
            else:
                place.failures = 0
                return reply
        raise InfrastructureError(f"{self.name}: no endpoint answered in {self._attempts} attempts")

    def _turn(self) -> _Place:
        """The next endpoint, after waiting until one may be asked. Raises EndpointRefused where all have refused."""
        while True:
            with self._lock:
                left = [place for place in self._places if place.gone is None]
                if not left:
                    raise EndpointRefused(str(self._places[0].gone))
                now = self._clock()
                order = [self._places[(self._next + i) % len(self._places)] for i in range(len(self._places))]
                free = next((place for place in order if place.gone is None and place.free <= now), None)
                if free is not None:
                    self._next = self._places.index(free) + 1
                    return free
                wait = min(place.free for place in left) - now
            self._sleep(wait, f"waiting: all {len(left)} endpoints of {self.name} are busy")
