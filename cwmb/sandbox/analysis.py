"""Running a script that looks at the training data: the child's side and the parent's."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cwmb.sandbox.candidate import FILENAME, report, syntax_report
from cwmb.sandbox.fitting import training_arrays
from cwmb.sandbox.imports import program_builtins
from cwmb.sandbox.wire import Report

if TYPE_CHECKING:
    from cwmb.benchmark.protocols import Limits
    from cwmb.sandbox.pool import Pool
    from cwmb.types import Analysis, Program, Space, Transitions

SECONDS = 20.0  # reference seconds that a script may take
OUTPUT_BYTES = 4096
_SIZES = struct.Struct("<II")  # bytes of the program and of the script; both and the table follow
_NAMES = ("observations", "actions", "rewards", "next_observations", "terminated")


class Printed:
    """Takes what a script prints, as far as it is kept."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = OUTPUT_BYTES

    def write(self, text: str) -> int:
        """Print."""
        kept = str(text)[: self._room]
        self._parts.append(kept)
        self._room -= len(kept)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def content(self) -> bytes:
        """What was printed, cut."""
        return "".join(self._parts).encode("utf-8", "replace")[:OUTPUT_BYTES]


def run(content: bytes, setup: dict[str, Any]) -> Report:
    """In the child: run a script with the arrays, after the program, if there is one. Returns what went wrong."""
    begin, end = (sum(_SIZES.unpack_from(content)[:n], _SIZES.size) for n in (1, 2))
    program, script = content[_SIZES.size : begin], content[begin:end]
    table = np.frombuffer(content[end:], np.float64)
    columns = 2 * setup["observation"]["size"] + setup["action"]["size"] + 4
    rows = table.reshape(-1, columns)
    arrays = dict(zip(_NAMES, training_arrays(np.ascontiguousarray(rows[:, :-2]).tobytes(), setup), strict=True))
    arrays |= {"episodes": rows[:, -2].astype(np.int64), "steps": rows[:, -1].astype(np.int64)}
    namespace: dict[str, Any] = {"__builtins__": program_builtins(), "__name__": "analysis", "np": np, **arrays}
    for name, source in (("<program>", program), (FILENAME, script)):
        try:
            code = compile(source.decode("utf-8", "surrogatepass"), name, "exec", dont_inherit=True)
        except BaseException as error:
            return syntax_report(error)
        try:
            exec(code, namespace)
        except BaseException as error:
            return report(error, "exception")
    return Report()


def analyse(
    pool: Pool,
    script: str,
    program: Program | None,
    observation_space: Space,
    action_space: Space,
    train: Transitions,
    limits: Limits,
    seed: int,
    pace: float,
) -> Analysis:
    """In the parent: what a script prints. See cwmb.types.Analyse; the limits are those of a program.

    Raises:
        InfrastructureError: the processes don't work, and not for the script's doing.
    """
    from cwmb.sandbox.conversation import Conversation, Ended, printable, setup
    from cwmb.sandbox.pool import backstop, twice
    from cwmb.types import Analysis, Failure, Program

    settings = setup(observation_space, action_space, seed) | {"analysis": True}
    parts = [train.observations, train.actions, train.rewards[:, None], train.next_observations]
    parts += [np.asarray(c, np.float64)[:, None] for c in (train.terminated, train.episodes, train.steps)]
    sources = [text.encode("utf-8", "replace") for text in (program.source if program else "", script)]
    if any(len(source) > limits.source_bytes for source in sources):
        return Analysis("", Failure("too_large", f"a script may have {limits.source_bytes} bytes"))
    table = np.ascontiguousarray(np.hstack(parts), np.float64).tobytes()
    question = _SIZES.pack(*map(len, sources)) + b"".join(sources) + table
    own = replace(limits, load_seconds=SECONDS)

    def converse() -> Analysis:
        with pool.process(own, backstop(pace * 2 * SECONDS), 8, beside=True) as process:
            conversation = Conversation(process, Program(script), own, pace)
            conversation.set_up(settings)
            try:
                until = conversation.spent() + SECONDS
                said, tail = conversation.ask(question, until, f"the script took more than {SECONDS:g} s of CPU time")
                with conversation.reading():
                    if len(tail) > OUTPUT_BYTES:
                        raise conversation.tampered("more output than there is room for")
                    return Analysis(
                        printable(tail.decode("utf-8", "replace"), OUTPUT_BYTES), conversation.failure(said)
                    )
            except Ended as ended:
                return Analysis("", ended.failure)

    return twice(converse, lambda failure: Analysis("", failure))
