"""Running a script on inputs, each in a process of its own, so that no test learns from another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from cwmb.benchmark.protocols import Limits
from cwmb.sandbox import wire
from cwmb.sandbox.conversation import Conversation, Ended
from cwmb.sandbox.pool import Pool, backstop, twice
from cwmb.types import Failure, Program, Ran

OUTPUT_BYTES = 1 << 20  # that a script may write


@dataclass(frozen=True)
class ScriptLimits:
    """What a script may use, in reference seconds. seconds: for one input; all_seconds: for all of them together;
    timeouts: after so many inputs for which it had not enough time the rest is not run."""

    seconds: float = 4.0
    all_seconds: float = 40.0
    timeouts: int = 2
    memory_bytes: int = 1 << 30
    source_bytes: int = 64 << 10


def run(pool: Pool, program: Program, inputs: Sequence[str], limits: ScriptLimits, pace: float) -> Iterator[Ran]:
    """What a script writes for each input, as it comes. Those for which there is no time any more are not run."""
    own = Limits(memory_bytes=limits.memory_bytes, source_bytes=limits.source_bytes)
    left, late = limits.all_seconds, 0
    for given in inputs:
        if left <= 0:
            yield Ran("", Failure("timeout", f"all tests together took more than {limits.all_seconds:g} s of CPU time"))
            continue
        if late >= limits.timeouts:
            yield Ran("", Failure("timeout", f"not run, after {late} tests that took more than {limits.seconds:g} s"))
            continue
        seconds = min(limits.seconds, left)
        ran = twice(partial(_once, pool, program, given, own, seconds, pace), partial(Ran, ""))
        left -= ran.seconds
        late += ran.failure is not None and ran.failure.kind == "timeout"
        yield ran


def _once(pool: Pool, program: Program, given: str, limits: Limits, seconds: float, pace: float) -> Ran:
    kernel = backstop(pace * (limits.load_seconds + seconds))
    with pool.process(limits, kernel, OUTPUT_BYTES, beside=True) as process:
        conversation = Conversation(process, program, limits, pace)
        conversation.set_up({"script": True})
        before = 0.0
        try:
            conversation.load()
            before = conversation.spent()
            too_slow = f"it took more than {seconds:g} s of CPU time"
            report, tail = conversation.ask(given.encode("utf-8", "replace"), before + seconds, too_slow)
            took = conversation.spent() - before
            with conversation.reading():
                failure = conversation.failure(report)
                (size,) = wire.WRITTEN.unpack(tail)
                if size > OUTPUT_BYTES:
                    raise conversation.tampered("it has written more than it may")
                return Ran(bytes(process.memory[:size]).decode("utf-8", "replace"), failure, took)
        except Ended as ended:
            return Ran("", ended.failure, seconds if ended.failure.kind == "timeout" else 0.0)
