"""The parent's side of the conversation with a child: questions, answers, limits, and why it ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from cwmb.benchmark.protocols import Limits, PlannerSpec
from cwmb.errors import CwmbError, InfrastructureError
from cwmb.sandbox import wire
from cwmb.sandbox.process import ChildKilled, Process, ZygoteDied
from cwmb.types import Failure, FailureKind, FittedProgram, Program, Space

_POLL_SECONDS = 0.02  # how often a silent child is looked at
_TIMEVAL = struct.pack("@ll", 0, int(_POLL_SECONDS * 1e6))
_WAITING_POLLS, _IDLE_POLLS = 5, 25  # asleep so often in a row, without CPU time: it waits; for what never comes
_LONGEST_LOOK = 0.1  # more time between two looks has passed without us, too: the machine stood still
_ANSWER_SECONDS = 1.0  # of a child's time, from the first byte of an answer to the last
_WALL_FACTOR, _WALL_SECONDS = 20.0, 60.0  # of wall time per CPU second, and on top: a backstop for a stalled machine
_SETUP_SECONDS = 60.0
_WHERE_SECONDS, _WHERE_WALL_SECONDS = 0.1, 5.0  # how long a child may take to say where it is
_TAMPERED = 70  # worker.TAMPERED
_USUAL_BYTES = 4096  # of an answer: to map and unmap room for the largest one took as long as all else
_CODE_CHARACTERS = 500  # of a line of a program that a failure quotes
_FRAME = re.compile(rb'^  File "<candidate>", line (\d{1,9}) in ', re.MULTILINE)
_COMPLETE = re.compile(rb"^  (?:File .* in <module>|\.\.\.)\n", re.MULTILINE)
_FATAL = re.compile(rb"^(?:Fatal Python error|Windows fatal exception): (.+)$", re.MULTILINE)


class Ended(Exception):
    """The conversation is over, and the failure says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Conversation:
    """Questions to a child that runs one program, and its answers.

    pace: CPU seconds here for one of the reference seconds that limits and spent() are in.
    """

    def __init__(self, process: Process, program: Program, limits: Limits, pace: float = 1.0) -> None:
        self.process, self.limits = process, limits
        self._program = program
        self._time = _OwnTime(process, pace)
        # The kernel's own timeouts: those of Python would cost two more system calls a question.
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            process.data.setsockopt(socket.SOL_SOCKET, option, _TIMEVAL)

    def set_up(self, setup: Mapping[str, Any]) -> tuple[str, ...]:
        """Lock the child down and tell it what it is for. Returns the layers in force.

        Raises:
            InfrastructureError: a protection that must not be missing is, or a planner cannot be made.
            ZygoteDied: it does not answer.
        """
        try:
            report, _ = self.ask(json.dumps(setup).encode(), _SETUP_SECONDS, "starting")
        except Ended as ended:
            raise ZygoteDied(f"the sandbox's child does not start ({ended})") from None
        if report.kind:
            raise InfrastructureError(f"the sandbox's child could not be set up: {report.text}")
        return tuple(report.text.split(","))

    def load(self) -> None:
        """Load the program. Raises Ended."""
        source = self._program.source.encode("utf-8", "surrogatepass")
        begins = self._program.state if isinstance(self._program, FittedProgram) else source
        if len(source) > self.limits.source_bytes:
            message = f"the program has {len(source)} bytes, allowed are {self.limits.source_bytes}"
            raise Ended(Failure("too_large", message))
        until = self.spent() + self.limits.load_seconds
        report, _ = self.ask(begins, until, f"loading it took more than {self.limits.load_seconds:g} s of CPU time")
        failure = self.failure(report)
        if failure is not None:
            raise Ended(failure)

    def ask(
        self, question: bytes, until: float, too_slow: str, so_far: Callable[[], float] | None = None
    ) -> tuple[wire.Report, bytes]:
        """Ask, and wait for the answer until the child has spent so much time (see spent).

        too_slow: what to say when that time comes; so_far: until when to wait at least for what it has done so far, if
        that can be told. Raises Ended.
        """
        nonce = os.urandom(wire.NONCE_BYTES)
        packet = wire.LENGTH.pack(len(nonce) + len(question)) + nonce + question
        patience = _Patience(self._time, until, so_far)
        try:
            self._send(packet, patience)
            answer = self._receive(patience)
            with self.reading():
                return wire.unpack_report(answer, nonce)
        except _TooSlow as error:
            message = ", ".join(part for part in (too_slow, str(error)) if part)
            raise Ended(self._timed_out(message)) from None
        except _Gone:
            raise Ended(self._post_mortem()) from None
        except _Malformed as error:
            raise self.tampered(str(error)) from None

    def spent(self) -> float:
        """Reference seconds that the child has used, computing and asleep when it should answer. Raises Ended."""
        try:
            return self._time.spent()
        except OSError:
            raise Ended(self._post_mortem()) from None

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """While words of the child are read: whatever goes wrong is the program's doing. Raises Ended."""
        return _Reading(self)

    def tampered(self, message: str) -> Ended:
        """End it for answers that no honest worker gives."""
        return Ended(self._tampered(message))

    def failure(self, report: wire.Report) -> Failure | None:
        """What a report says, with the program's own line."""
        if not report.kind:
            return None
        kind: FailureKind = report.kind  # type: ignore[assignment]  # checked when it was unpacked
        if kind == "infrastructure":
            raise self.tampered("a program does not judge the harness")
        return self._failure(kind, report.text, report.line)

    def _failure(self, kind: FailureKind, message: str, line: int) -> Failure:
        lines = re.split(r"\r\n|\r|\n", self._program.source)
        if not 0 < line <= len(lines):
            return Failure(kind, printable(message, wire.MAX_TEXT))
        return Failure(
            kind, printable(message, wire.MAX_TEXT), line, printable(lines[line - 1].strip(), _CODE_CHARACTERS)
        )

    def _send(self, packet: bytes, patience: _Patience) -> None:
        view = memoryview(packet)
        while view:
            try:
                view = view[self.process.data.send(view) :]
            except BlockingIOError:
                patience.check()
            except OSError as error:
                raise _Gone from error

    def _receive(self, patience: _Patience) -> bytes:
        data, room = b"", _USUAL_BYTES
        while True:
            try:
                more = self.process.data.recv(room)
            except BlockingIOError:
                patience.check()
                continue
            except OSError as error:
                raise _Gone from error
            if not more:
                raise _Gone
            data = data + more if data else more
            if len(data) >= wire.LENGTH.size:
                length = wire.LENGTH.size + wire.LENGTH.unpack_from(data)[0]
                if length > wire.MAX_PACKET or len(data) > length:
                    raise _Malformed("bytes that are no answer")
                if len(data) == length:
                    return data[wire.LENGTH.size :]
            room = wire.MAX_PACKET
            patience.hurry()

    def _timed_out(self, message: str) -> Failure:
        line = self._whereabouts()
        self.process.signal(signal.SIGKILL)
        return self._failure("timeout", message, line)

    def _whereabouts(self) -> int:
        """The program's line that is being executed, 0 if the fault handler does not tell."""
        before = len(self.process.log())
        deadline = time.monotonic() + _WHERE_WALL_SECONDS
        with contextlib.suppress(OSError):
            until = self._time.look() + _WHERE_SECONDS
            self.process.signal(signal.SIGUSR1)
            while time.monotonic() < deadline and self._time.look() < until:
                time.sleep(0.002)
                if _COMPLETE.search(self.process.log(), before):
                    break
        return _innermost(self.process.log()[before:])

    def _tampered(self, message: str) -> Failure:
        self.process.signal(signal.SIGKILL)
        text = f"the program tampered with the channel to the harness: {message}"
        return self._failure("protocol_violation", text, _innermost(self.process.log()))

    def _post_mortem(self) -> Failure:
        """Why a child that was not asked to go is gone. Raises ZygoteDied if it was not the program's doing."""
        end = self.process.wait(1.0)
        if end is None:
            return self._tampered("it was closed")
        log = self.process.log()
        line = _innermost(log)
        if os.WIFEXITED(end.status):
            code = os.WEXITSTATUS(end.status)
            if code == _TAMPERED:
                said = log.rpartition(b"cwmb: ")[2].decode("utf-8", "replace")
                if said.startswith("MemoryError"):
                    return self._failure("memory", "out of memory", line)
                return self._tampered(said[:200])
            return self._failure("crash", f"the process ended in the middle of its work, with exit code {code}", line)
        number = os.WTERMSIG(end.status)
        if number == signal.SIGXCPU or (number == signal.SIGKILL and end.out_of_time):
            return self._failure("timeout", "the CPU time ran out", line)
        if number == signal.SIGKILL:
            if _out_of_memory() or end.peak_bytes > self.limits.memory_bytes // 2:
                return self._failure("memory", f"killed for using {end.peak_bytes >> 20} MiB of memory", line)
            raise ChildKilled("the sandbox's child was killed from outside")
        fatal = _FATAL.findall(log)
        reason = fatal[-1].decode("utf-8", "replace") if fatal else "no reason known"
        return self._failure("crash", f"the process was killed by {_signal_name(number)}: {reason[:200]}", line)


def setup(
    observation_space: Space,
    action_space: Space,
    seed: int,
    planner: PlannerSpec | None = None,
    *,
    fit: bool = False,
    fitted: bool = False,
    reseed: bool = True,
) -> dict[str, Any]:
    """What a child has to know besides its program. fit: whether it is to learn; fitted: whether that has learned.

    reseed: whether its generators begin anew with every transition, or only once, when it is loaded.
    """
    return {
        "fit": fit,
        "fitted": fitted,
        "reseed": reseed,
        "seed": int(seed),
        "observation": {
            "kind": observation_space.kind,
            "size": observation_space.size,
            "words": observation_space.words,
        },
        "action": {
            "kind": action_space.kind,
            "size": action_space.size,
            "low": action_space.low,
            "high": action_space.high,
            "dtype": action_space.dtype,
        },
        "planner": planner.name if planner else None,
        "parameters": planner.parameters if planner else {},
        "stepping": planner.stepping if planner else None,
    }


class _Reading:
    """See Conversation.reading: a class, since a generator would take a third of the time of a message."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, (Ended, CwmbError, ZygoteDied)):
            raise self._conversation.tampered(str(error)[:200] or type(error).__name__) from None


class _TooSlow(Exception):
    """The time is up; the text says more if it is not the CPU time."""


class _Gone(Exception):
    """The other end is closed."""


class _Malformed(Exception):
    """What came is no answer."""


class _OwnTime:
    """What a child has spent: CPU time, and the time that it slept when it should have answered.

    A child that computes never falls asleep, however long it has to wait for a core: so only the time of those that
    do is looked at on the wall clock.
    """

    def __init__(self, process: Process, pace: float) -> None:
        self._process, self.pace = process, pace
        self._slept = 0.0
        self._seen: tuple[float, float, int] | None = None  # wall clock, CPU clock, how often it fell asleep
        self.idle = 0  # looks in a row at which it was asleep and had computed nothing

    def spent(self) -> float:
        """Reference seconds spent so far. Raises OSError if it is gone."""
        return (self._process.cpu_seconds() + self._slept) / self.pace

    def asked(self) -> None:
        """A question begins. Until the first look at it the child may have slept with good reason."""
        self._seen, self.idle = None, 0

    def look(self) -> float:
        """The same as spent(), of a child that has been asked something and is silent. Raises OSError if it is gone."""
        wall, computed, rest = time.monotonic(), self._process.cpu_seconds(), self._process.rest()
        idle = False
        if self._seen is not None:
            last_wall, last_computed, last_times = self._seen
            idle = rest.asleep and computed - last_computed < 1e-4
            if rest.asleep or rest.times != last_times:
                asleep = (wall - last_wall) - (computed - last_computed)
                self._slept += min(max(asleep, 0.0), _LONGEST_LOOK)
        self.idle = self.idle + 1 if idle else 0
        self._seen = wall, computed, rest.times
        return (computed + self._slept) / self.pace


class _Patience:
    """Decides how long to wait for a child that has been asked something."""

    def __init__(self, own_time: _OwnTime, until: float, so_far: Callable[[], float] | None) -> None:
        self._time, self._until, self._so_far = own_time, until, so_far
        self._begun = time.monotonic()
        self._spent: float | None = None  # at the first look
        self._answering = False
        own_time.asked()

    def check(self) -> None:
        """To be called whenever the child was silent for a while. Raises _TooSlow, _Malformed."""
        try:
            now = self._time.look()
        except OSError:  # it is gone: the socket will say so
            return
        if self._spent is None:
            self._spent = now
        until = self._until if self._so_far is None else min(self._until, self._so_far())
        deadline = self._begun + (until - self._spent) * self._time.pace * _WALL_FACTOR + _WALL_SECONDS
        in_time = now < until
        if in_time and self._time.idle < _IDLE_POLLS and time.monotonic() < deadline:
            return
        if self._answering:
            raise _Malformed("an answer that does not come to its end")
        if self._time.idle >= _WAITING_POLLS:
            raise _TooSlow("since the program waits for something that never comes")
        raise _TooSlow("by far, on the wall clock" if in_time else "")

    def hurry(self) -> None:
        """To be called whenever a part of an answer has come. Raises _TooSlow, _Malformed."""
        if not self._answering:
            self._answering = True
            with contextlib.suppress(OSError):
                self._until = min(self._until, self._time.spent() + _ANSWER_SECONDS)
        self.check()


def _innermost(log: bytes) -> int:
    """The program's line that the fault handler's last dump names first, 0 if there is none."""
    dump = log.rpartition(b"most recent call first")[2]
    found = _FRAME.search(dump)
    return int(found.group(1)) if found else 0


def printable(text: str, most: int) -> str:
    """Text of a program without anything that a terminal could take for a command, and not too long."""
    shown = (c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text[:most])
    return "".join(shown)[:most]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_oom_kills_seen = 0


def _oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since the machine started."""
    with contextlib.suppress(OSError):
        found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE)
        return int(found.group(1)) if found else 0
    return 0


def _out_of_memory() -> bool:
    """Whether the kernel has killed a process for want of memory since this was asked last."""
    global _oom_kills_seen
    before, _oom_kills_seen = _oom_kills_seen, _oom_kills()
    return _oom_kills_seen > before
