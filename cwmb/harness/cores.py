"""The cores of a process, lent to programs: what a search waits for comes first, planning gets what is idle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Semaphore


class Cores:
    """So many programs may be scored at a time, whatever is being planned: a search never waits for a plan.

    A plan, the choice of the next actions, is begun only while a core is idle and nobody waits for one. It may take
    minutes, and is not interrupted: the operating system then prefers the programs that are scored.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._seats = Semaphore(count)
        self._changed = Condition()
        self._waiting = self._scoring = self._planning = 0

    @contextmanager
    def scoring(self) -> Iterator[None]:
        """While a program is scored."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: self._scoring < self._count)
            self._waiting -= 1
            self._scoring += 1
        try:
            yield
        finally:
            with self._changed:
                self._scoring -= 1
                self._changed.notify_all()

    @contextmanager
    def planning(self) -> Iterator[None]:
        """While a plan is made."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting + self._scoring + self._planning < self._count)
            self._planning += 1
        try:
            yield
        finally:
            with self._changed:
                self._planning -= 1
                self._changed.notify_all()

    @contextmanager
    def seat(self) -> Iterator[None]:
        """While an episode is planned, which keeps a process: not more of them than there are cores."""
        with self._seats:
            yield
