"""The cores of a process, lent to programs: what a search waits for comes first, planning gets what is idle."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from typing import TypeVar

T = TypeVar("T")


class Cores:
    """So many programs may be scored at a time, whatever is being planned: a search never waits for a plan.

    A plan, the choice of the next actions, is begun only while a core is idle and nobody waits for one. It may take
    minutes, and is not interrupted: the operating system then prefers the programs that are scored.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._seats = count
        self._queue: list[int] = []  # ranks of those who wait for a seat
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
            self._give_back()

    @contextmanager
    def planning(self) -> Iterator[None]:
        """While a plan is made."""
        with self._changed:
            self._changed.wait_for(lambda: self._busy < self._count)
            self._planning += 1
        try:
            yield
        finally:
            with self._changed:
                self._planning -= 1
                self._changed.notify_all()

    @contextmanager
    def seat(self, rank: int) -> Iterator[None]:
        """While an episode is planned, which keeps a process: not more of them than there are cores.

        Those of the lowest rank go first: each cell's next episode, before those that may not count in the end.
        """
        with self._changed:
            self._queue.append(rank)
            self._changed.wait_for(lambda: self._seats and rank == min(self._queue))
            self._queue.remove(rank)
            self._seats -= 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._seats += 1
                self._changed.notify_all()

    def share(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """Run parts of a score in this thread, which has a core, and at the same time on cores that are idle.

        Returns what they return, in their order.
        """
        left, done = deque(enumerate(tasks)), dict[int, T]()

        def work() -> None:
            while left:
                try:
                    number, task = left.popleft()
                except IndexError:  # another thread was quicker
                    break
                done[number] = task()

        def help_out() -> None:
            with self._changed:
                self._changed.wait_for(lambda: not left or self._busy < self._count)
                if not left:
                    return
                self._scoring += 1
            try:
                work()
            finally:
                self._give_back()

        if len(tasks) == 1:
            return [tasks[0]()]
        with ThreadPoolExecutor(len(tasks) - 1, thread_name_prefix="part") as helpers:
            helping = [helpers.submit(help_out) for _ in tasks[1:]]
            try:
                work()
            finally:
                left.clear()
                with self._changed:
                    self._changed.notify_all()
        for helper in helping:
            helper.result()
        return [done[number] for number in range(len(tasks))]

    @property
    def _busy(self) -> int:
        return self._waiting + self._scoring + self._planning

    def _give_back(self) -> None:
        with self._changed:
            self._scoring -= 1
            self._changed.notify_all()
