"""The processes that a sandbox starts and keeps."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from cwmb.errors import InfrastructureError
from cwmb.machine import cores
from cwmb.sandbox.process import (
    ChildKilled,
    LoneProcess,
    Process,
    ZygoteDied,
    ZygoteProcess,
    one_core,
    open_standard_descriptors,
)

if TYPE_CHECKING:
    from cwmb.benchmark.protocols import Limits
    from cwmb.types import Failure

_Result = TypeVar("_Result")
_HOUR = 3600


class Pool:
    """Zygotes, as many as are needed at once and allowed; broken ones are replaced. Safe to use from many threads.

    workers: how many at most, None for one per core; unsafe: no zygotes, but a bare interpreter for every program.
    """

    def __init__(self, planners: Mapping[str, str], workers: int | None, unsafe: bool) -> None:
        self._planners = dict(planners)
        self._workers = workers or cores()
        self._unsafe = unsafe
        open_standard_descriptors()
        # The first one at once: it takes a while to start, and its parent has other things to do meanwhile.
        self._zygotes = [] if unsafe else [ZygoteProcess(self._planners)]
        self._lock = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def process(self, limits: Limits, cpu_seconds: int, shared_bytes: int, beside: bool = False) -> Iterator[Process]:
        """A new process for a program, ended on leaving.

        cpu_seconds: when the kernel ends it, 0 for never; shared_bytes: of the memory for answers; beside: on the core
        of the calling thread, which is kept there.

        Raises:
            ZygoteDied: try again.
            InfrastructureError: the pool is closed.
        """
        together = one_core() if beside else contextlib.nullcontext(-1)
        if self._unsafe:
            with together, contextlib.closing(LoneProcess(self._planners, shared_bytes)) as lone:
                yield lone
            return
        # In this order: a zygote that is started from a thread on one core would stay there with all of its children.
        with self._zygote() as zygote, together as core:
            child = zygote.fork(limits.memory_bytes, cpu_seconds, core, shared_bytes)
            with contextlib.closing(child):
                yield child

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            zygotes, self._zygotes, self._closed = self._zygotes, [], True
        for zygote in zygotes:
            zygote.close()

    @contextlib.contextmanager
    def _zygote(self) -> Iterator[ZygoteProcess]:
        """The zygote with the fewest children, a new one if all are busy and more are allowed."""
        with self._lock:
            if self._closed:
                raise InfrastructureError("the sandbox is closed")
            usable = [z for z in self._zygotes if not z.broken]
            zygote = min(usable, key=lambda z: z.children, default=None)
            if zygote is None or (zygote.children and len(usable) < self._workers):
                zygote = ZygoteProcess(self._planners)
                self._zygotes.append(zygote)
            zygote.children += 1
        try:
            yield zygote
        finally:
            with self._lock:
                zygote.children -= 1
                over = zygote.broken and not zygote.children and zygote in self._zygotes
                if over:
                    self._zygotes.remove(zygote)
            if over:
                zygote.close()


def backstop(seconds: float) -> int:
    """When the kernel ends a child whose parent does not, in CPU seconds beyond those that the parent grants.

    In hours, as a child can read it, and with it how many transitions there are.
    """
    return _HOUR * (1 + int(seconds) // _HOUR)


def twice(call: Callable[[], _Result], blamed: Callable[[Failure], _Result] | None = None) -> _Result:
    """Try again, once, what failed because a process was killed from outside.

    blamed: what comes of a program whose child is killed three times in a row, while its zygote lives: whatever does
    that, it is then the program's doing, and no cell may be lost for it. Raises InfrastructureError.
    """
    try:
        return call()
    except ZygoteDied:
        try:
            return call()
        except ZygoteDied as error:
            if not (blamed and isinstance(error, ChildKilled)):
                raise InfrastructureError(f"{error}, twice") from None
    try:
        return call()
    except ChildKilled:
        from cwmb.types import Failure  # see the package: numpy comes later

        return blamed(Failure("crash", "the process was killed from outside, three times in a row"))
    except ZygoteDied as error:
        raise InfrastructureError(f"{error}, again and again") from None
