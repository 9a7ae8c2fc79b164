"""Waiting that people see and can end.

A provider that must wait says so here: ``pause(seconds, why)``. Whoever runs it decides what that means: the harness
shows the reason and ends the wait when the run is stopped; elsewhere it is a sleep.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Pause = Callable[[float, str], None]
"""Waits so many seconds, and says why. Raises what ends the wait."""


def sleep(seconds: float, _: str) -> None:
    """Wait, unseen."""
    time.sleep(seconds)


_pause: ContextVar[Pause] = ContextVar("pause", default=sleep)


def pause(seconds: float, why: str) -> None:
    """Wait; why: in one line, what for."""
    _pause.get()(seconds, why)


@contextmanager
def pausing(how: Pause) -> Iterator[None]:
    """Within it, this thread waits so."""
    token = _pause.set(how)
    try:
        yield
    finally:
        _pause.reset(token)
