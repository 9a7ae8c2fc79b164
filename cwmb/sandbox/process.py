"""Processes that programs run in, from the parent's side: forked by a zygote, or (without protection) started alone."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from cwmb.errors import InfrastructureError
from cwmb.sandbox import wire

# The interpreter sees nothing of the parent's environment: no keys, no paths, and one thread, since a fork copies one.
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "LC_ALL": "C.UTF-8",
}
_BOOTSTRAP = (
    "import sys, json; sys.path += json.loads(sys.argv[1]); from cwmb.sandbox import zygote; "
    "zygote.{entry}(*json.loads(sys.argv[2]))"
)
# For a zygote to answer. One that died is noticed at once; one that starts beside many that compute takes its time: at
# a load of fifteen for each core and the lowest priority more than a minute.
_START_SECONDS = 600.0
_LAST = 19  # the niceness of those who have time
_libc = ctypes.CDLL(None)


class ZygoteDied(Exception):
    """The zygote, or a child by no fault of its own, is gone: try again with another one."""


@dataclass(frozen=True)
class Exit:
    """How a child ended. status: as of os.wait; peak_bytes: of resident memory; out_of_time: by the kernel's clock."""

    status: int
    peak_bytes: int
    out_of_time: bool = False


class Rest(NamedTuple):
    """Whether a process is asleep, and how often it has fallen asleep so far (not: lost its core to another one)."""

    asleep: bool
    times: int


class Process(Protocol):
    """A child. data: the socket to it; memory: shared with it."""

    data: socket.socket
    memory: mmap.mmap

    def cpu_seconds(self) -> float:
        """CPU time that it has used so far. Raises OSError if it is gone."""
        ...

    def rest(self) -> Rest:
        """Whether it waits for something instead of computing."""
        ...

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        ...

    def wait(self, seconds: float) -> Exit | None:
        """How it ended; None if it has not within that time. Raises ZygoteDied."""
        ...

    def step_back(self) -> None:
        """Let everything else that wants to compute go first."""
        ...

    def log(self) -> bytes:
        """What the child's fault handler has written."""
        ...

    def close(self) -> None:
        """End it, if need be, and free everything."""
        ...


class _Ends:
    """What every child shares with its parent: a socket, a log file, memory for the rows of answers."""

    def __init__(self, shared_bytes: int) -> None:
        self.data, self.childs_data = socket.socketpair()
        self._log = _anonymous_file(0)
        self._file = _anonymous_file(shared_bytes)
        self.memory = mmap.mmap(self._file.fileno(), shared_bytes)

    @property
    def descriptors(self) -> list[int]:
        """The child's descriptors: data, log, memory."""
        return [self.childs_data.fileno(), self._log.fileno(), self._file.fileno()]

    def handed_over(self) -> None:
        """The child has its ends: let go of ours."""
        self.childs_data.close()
        self._file.close()

    def log(self) -> bytes:
        return os.pread(self._log.fileno(), wire.LOG_BYTES, 0)

    def close(self) -> None:
        self.handed_over()
        self.data.close()
        self._log.close()
        # The memory is unmapped when the last numpy view on it is gone.


class ZygoteProcess:
    """The parent's handle of a zygote."""

    def __init__(self, planners: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = [theirs.fileno(), dict(planners)]
            self._process = _interpreter("main", arguments, [theirs.fileno()])
        self._control.settimeout(_START_SECONDS)
        self.children = 0  # alive, by the pool's count
        self.broken = False
        self._ready = False
        self._lock = threading.Lock()

    def fork(self, memory_bytes: int, cpu_seconds: int, core: int, shared_bytes: int) -> ForkedProcess:
        """A new child. Raises ZygoteDied."""
        try:
            self._await_ready()
            return self._fork(memory_bytes, cpu_seconds, core, shared_bytes)
        except OSError as error:
            raise self.died(f"does not answer: {error}") from None

    def died(self, what: str = "died") -> ZygoteDied:
        """The error for having found it dead."""
        self.broken = True
        return ZygoteDied(f"the sandbox's zygote {what}")

    def _await_ready(self) -> None:
        with self._lock:
            self._ready = self._ready or self._control.recv(len(wire.READY)) == wire.READY
            if not self._ready:
                raise self.died("did not start")

    def _fork(self, memory_bytes: int, cpu_seconds: int, core: int, shared_bytes: int) -> ForkedProcess:
        request = wire.FORK.pack(memory_bytes, cpu_seconds, core, shared_bytes)
        with contextlib.ExitStack() as undo:
            ends = undo.enter_context(contextlib.closing(_Ends(shared_bytes)))
            status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            undo.enter_context(status)
            with theirs:
                socket.send_fds(self._control, [request], [*ends.descriptors, theirs.fileno()])
            ends.handed_over()
            status.settimeout(_START_SECONDS)
            message, fds, _, _ = socket.recv_fds(status, wire.FORKED.size, 1)
            if not fds:
                raise self.died()
            undo.pop_all()
        return ForkedProcess(self, ends, status, wire.FORKED.unpack(message)[0], fds[0], cpu_seconds)

    def close(self) -> None:
        """End it with all of its children."""
        self._control.close()
        self._process.kill()  # its children die with it
        self._process.wait()


class ForkedProcess:
    """A locked-down child of a zygote (see Process)."""

    def __init__(
        self, zygote: ZygoteProcess, ends: _Ends, status: socket.socket, pid: int, pidfd: int, cpu_seconds: int
    ) -> None:
        self._zygote, self._ends, self._status, self._pidfd = zygote, ends, status, pidfd
        self._cpu_seconds = cpu_seconds
        self.data, self.memory = ends.data, ends.memory
        self._pid, self._clock = pid, _cpu_clock(pid)
        self._state = Path(f"/proc/{pid}/status")
        self._exit: Exit | None = None

    def cpu_seconds(self) -> float:
        """CPU time used so far. Raises OSError if it is gone."""
        return time.clock_gettime(self._clock)

    def rest(self) -> Rest:
        """Whether it waits for something."""
        return _rest(self._state)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def wait(self, seconds: float) -> Exit | None:
        """How it ended, or None. Raises ZygoteDied."""
        if self._exit is None:
            if not select.select([self._status.fileno(), self._pidfd], [], [], seconds)[0]:
                return None
            try:
                message = self._status.recv(wire.EXITED.size)  # the zygote may take its time
            except OSError as error:
                raise self._zygote.died(f"does not answer: {error}") from None
            if not message:
                raise self._zygote.died()
            status, peak, spent = wire.EXITED.unpack(message)
            self._exit = Exit(status, peak, 0 < self._cpu_seconds <= spent)
        return self._exit

    def step_back(self) -> None:
        """Let everything else that wants to compute go first."""
        _step_back(self._pid)

    def log(self) -> bytes:
        """What its fault handler has written."""
        return self._ends.log()

    def close(self) -> None:
        """End it and free everything."""
        self.signal(signal.SIGKILL)
        self._ends.close()
        self._status.close()
        os.close(self._pidfd)


class LoneProcess:
    """A child without any protection, in an interpreter of its own (see Process)."""

    def __init__(self, planners: Mapping[str, str], shared_bytes: int) -> None:
        self._ends = ends = _Ends(shared_bytes)
        arguments = [*ends.descriptors, shared_bytes, dict(planners)]
        self._process = _interpreter("alone", arguments, ends.descriptors)
        ends.handed_over()
        self.data, self.memory = ends.data, ends.memory
        self._clock = _cpu_clock(self._process.pid)
        self._state = Path(f"/proc/{self._process.pid}/status")
        self._started = time.monotonic()

    def cpu_seconds(self) -> float:
        """CPU time used so far. Raises OSError if it is gone."""
        if sys.platform != "linux":  # no such clock: wall time has to do
            return time.monotonic() - self._started
        return time.clock_gettime(self._clock)

    def rest(self) -> Rest:
        """Whether it waits for something."""
        return _rest(self._state)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> Exit | None:
        """How it ended, or None. Raises ZygoteDied."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return Exit(-code if code < 0 else code << 8, 0)

    def step_back(self) -> None:
        """Let everything else that wants to compute go first."""
        _step_back(self._process.pid)

    def log(self) -> bytes:
        """What its fault handler has written."""
        return self._ends.log()

    def close(self) -> None:
        """End it and free everything."""
        self._process.kill()
        self._process.wait()
        self._ends.close()


@contextlib.contextmanager
def one_core() -> Iterator[int]:
    """Keep the calling thread on the core where it is, whose number is given (-1 where that can't be done).

    A child on the same core answers in 3 µs instead of 60.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield -1
        return
    core = _libc.sched_getcpu()
    before = os.sched_getaffinity(0)
    if core not in before:
        yield -1
        return
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, before)


def open_standard_descriptors() -> None:
    """Let none of 0, 1 and 2 be free, as they are after ``>&-``: what is opened next would pass for input or output."""
    while (fd := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(fd)


def _interpreter(entry: str, arguments: list[object], descriptors: list[int]) -> subprocess.Popen[bytes]:
    path = [str(Path(p).resolve()) for p in sys.path]
    # -P, -s and -S instead of -I, which would ignore the hash seed: nothing is imported from the working directory, the
    # user's site-packages or .pth files. The standard library comes before the parent's path.
    command = [sys.executable, "-P", "-s", "-S", "-c", _BOOTSTRAP.format(entry=entry)]
    try:
        return subprocess.Popen(
            [*command, json.dumps(path), json.dumps(arguments)],
            env=_ENVIRONMENT,
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the same for programs, whether or not the parent has one
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the parent
        )
    except OSError as error:
        raise InfrastructureError(f"cannot start the sandbox's interpreter {sys.executable}: {error}") from error


def _anonymous_file(size: int) -> BinaryIO:
    """A file without a name, of that size; the child can't shrink it under the parent's feet."""
    if not hasattr(os, "memfd_create"):
        descriptor, name = tempfile.mkstemp()
        Path(name).unlink()
        os.truncate(descriptor, size)
        return os.fdopen(descriptor, "r+b", buffering=0)
    descriptor = os.memfd_create("cwmb", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    if size:
        os.truncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return os.fdopen(descriptor, "r+b", buffering=0)


def _step_back(pid: int) -> None:
    with contextlib.suppress(OSError):  # it is gone
        os.setpriority(os.PRIO_PROCESS, pid, _LAST)


def _cpu_clock(pid: int) -> int:
    """The number of the clock that measures a process's CPU time (Linux: MAKE_PROCESS_CPUCLOCK, scheduler's clock)."""
    return (~pid << 3) | 2


def _rest(state: Path) -> Rest:
    try:
        text = state.read_bytes()
        times = int(text.rpartition(b"\nvoluntary_ctxt_switches:")[2].split(None, 1)[0])
    except (OSError, ValueError, IndexError):  # it is gone, or this system does not tell
        return Rest(False, 0)
    return Rest(b"\nState:\tS" in text, times)
