"""The zygote: a fresh interpreter with everything loaded, which forks a child for every program.

It knows no answers and no secrets: its environment is empty, and all that it is sent are descriptors and limits.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import mmap
import os
import resource
import select
import signal
import socket
from pathlib import Path
from typing import Any, NoReturn

from cwmb.sandbox import imports, wire
from cwmb.sandbox.kernel import LockDown
from cwmb.sandbox.randomness import Randomness
from cwmb.sandbox.wire import DATA_FD, LOG_FD
from cwmb.sandbox.worker import serve

_RULESET_FD = 5
_OWN_FDS = 16  # the zygote's descriptors start here; below is room for those of a child
_MAX_FDS = 4096


def main(control_fd: int, planner_names: dict[str, str]) -> NoReturn:
    """Fork a child for every message on the control socket, until it is closed."""
    zygote = Zygote(control_fd, planner_names)
    while True:
        zygote.wait()


class Zygote:
    """Forks children and tells the parent what became of each, on a socket that belongs to the child alone."""

    def __init__(self, control_fd: int, planner_names: dict[str, str]) -> None:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self._max_fds = _MAX_FDS if most == resource.RLIM_INFINITY else min(most, _MAX_FDS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._max_fds, self._max_fds))
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, it is a program's fault
        self._control = socket.socket(fileno=_moved_up(control_fd))
        self._null = _moved_up(os.open(os.devnull, os.O_RDWR))
        for fd in range(_OWN_FDS):  # the lowest three, too, where the parent has closed its own
            if fd > 2 or not _is_open(fd):
                os.dup2(self._null, fd)
        self._randomness, self._planners = load_everything(planner_names)
        self._lock_down = LockDown()
        self._poll = select.poll()
        self._poll.register(self._control, select.POLLIN)
        self._children: dict[int, tuple[int, int]] = {}  # pidfd -> process id, status descriptor
        self._baseline = _address_space()
        gc.collect()
        gc.freeze()  # no garbage collection touches the shared pages
        with contextlib.suppress(ConnectionError):  # the parent is gone already: the first wait tells
            self._control.send(wire.READY)

    def wait(self) -> None:
        """Wait for messages and deaths, and deal with them."""
        for fd, _ in self._poll.poll():
            if fd == self._control.fileno():
                self._fork()
            else:
                self._bury(fd)

    def _fork(self) -> None:
        message, fds = b"", list[int]()
        with contextlib.suppress(ConnectionError):  # it went without having read that this zygote is ready
            message, fds, _, _ = socket.recv_fds(self._control, wire.FORK.size, 4)
        if not message:  # the parent is gone, or wants us gone
            for pidfd in self._children:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os._exit(0)
        data, log, memory, status = fds
        pid = os.fork()
        if pid == 0:
            self._be_child(message, data, log, memory)
        pidfd = os.pidfd_open(pid)
        for fd in (data, log, memory):
            os.close(fd)
        self._children[pidfd] = pid, status
        self._poll.register(pidfd, select.POLLIN)
        with socket.socket(fileno=os.dup(status)) as report, contextlib.suppress(OSError):
            socket.send_fds(report, [wire.FORKED.pack(pid)], [pidfd])

    def _bury(self, pidfd: int) -> None:
        self._poll.unregister(pidfd)
        pid, status = self._children.pop(pidfd)
        _, code, usage = os.wait4(pid, 0)
        with contextlib.suppress(OSError):  # nobody may want to know any more
            os.write(status, wire.EXITED.pack(code, usage.ru_maxrss << 10, usage.ru_utime + usage.ru_stime))
        os.close(status)
        os.close(pidfd)

    def _be_child(self, message: bytes, data: int, log: int, memory: int) -> NoReturn:
        try:
            memory_bytes, cpu_seconds, core, shared_bytes = wire.FORK.unpack(message)
            if core >= 0:
                os.sched_setaffinity(0, {core})
            shared = mmap.mmap(memory, shared_bytes)
            for fd, place in ((self._null, 0), (self._null, 1), (log, 2), (data, DATA_FD), (log, LOG_FD)):
                os.dup2(fd, place)
            ruleset = None
            if self._lock_down.ruleset is not None:
                ruleset = os.dup2(self._lock_down.ruleset, _RULESET_FD)
            os.closerange(LOG_FD + 1 if ruleset is None else ruleset + 1, self._max_fds)

            def lock_down() -> str:
                limit = self._baseline + memory_bytes
                return ",".join(self._lock_down.apply(ruleset, limit, cpu_seconds, wire.LOG_BYTES))

            serve(shared, self._randomness, self._planners, lock_down)
        finally:
            os._exit(1)


def alone(data: int, log: int, memory: int, shared_bytes: int, planner_names: dict[str, str]) -> NoReturn:
    """Be a child without any protection, in a process of its own: for systems that have none."""
    randomness, planners = load_everything(planner_names)
    data, log = _moved_up(data), _moved_up(log)
    shared = mmap.mmap(memory, shared_bytes)
    os.dup2(data, DATA_FD)
    os.dup2(log, LOG_FD)
    serve(shared, randomness, planners, lambda: "none")


def load_everything(planner_names: dict[str, str]) -> tuple[Randomness, dict[str, Any]]:
    """Load what children need. A planner that cannot be imported is represented by an exception that names it."""
    imports.preload()
    randomness = Randomness()
    planners: dict[str, Any] = {}
    for name, reference in planner_names.items():
        module, _, attribute = reference.partition(":")
        try:
            _try_in_a_copy(module)
            planners[name] = getattr(importlib.import_module(module), attribute)
        except BaseException as error:  # a plugin may even try to end this process
            why = f"{type(error).__name__}: {error}"
            text = f"planner {name!r} ({reference}) cannot be imported ({why}): mend or uninstall it"
            planners[name] = ImportError(text)
    imports.program_builtins()
    imports.forget_files()
    randomness.begin(0, b"-1")
    return randomness, planners


def _try_in_a_copy(module: str) -> None:
    """Import a module that is not ours in a copy of this process. Raises ImportError: that ends the process."""
    if module.partition(".")[0] == "cwmb":
        return
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):  # the next import says what is wrong
            importlib.import_module(module)
        os.kill(os.getpid(), signal.SIGKILL)  # no import ends a process like that
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code != -signal.SIGKILL:
        raise ImportError(f"it ends the process, with status {code}")


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _moved_up(fd: int) -> int:
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _OWN_FDS)
    os.close(fd)
    return moved


def _address_space() -> int:
    """Bytes of virtual memory of this process, to which a program's memory comes on top."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
