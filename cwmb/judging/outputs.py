"""Whether a script solves a problem: its outputs for the tests' inputs beside those expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from cwmb.benchmark.problems import Test
from cwmb.sandbox import Sandbox
from cwmb.sandbox.running import ScriptLimits
from cwmb.types import Evaluation, Failure, Program, Ran, WrongOutput

TOLERANCE = 1e-6  # of a number that is expected as a float, absolute and relative
SHOWN = 1000  # characters of an input or an output that are shown


def right(said: str, expected: str) -> bool:
    """Whether an output is the one expected.

    Line by line and word by word, whatever white space is between them and at the ends; lines without words don't
    count. Where a float is expected, a number within TOLERANCE passes for it.
    """
    ours, theirs = ([line.split() for line in text.splitlines() if line.strip()] for text in (said, expected))
    return len(ours) == len(theirs) and all(
        len(a) == len(b) and all(map(_same, a, b)) for a, b in zip(ours, theirs, strict=True)
    )


def _same(said: str, expected: str) -> bool:
    if said == expected:
        return True
    try:
        int(expected)
        return False  # a whole number is expected as it is
    except ValueError:
        pass
    try:
        true, value = float(expected), float(said)
    except ValueError:
        return False
    return isfinite(true) and abs(value - true) <= TOLERANCE * max(1.0, abs(true))


def score(
    sandbox: Sandbox, program: Program, tests: Sequence[Test], limits: ScriptLimits, *, show: int = 0
) -> Evaluation:
    """The evaluation of a script on tests: accuracy is the share that it passes.

    show: which of the tests that it fails with an output is shown, counted from 0 and round and round.
    """
    ran = list(sandbox.run(program, [test.given for test in tests], limits))
    passed = [not r.failure and right(r.output, test.expected) for r, test in zip(ran, tests, strict=True)]
    failed = [(i, r.failure) for i, r in enumerate(ran) if r.failure is not None]
    wrong = [_wrong(i, tests[i], r) for i, (r, ok) in enumerate(zip(ran, passed, strict=True)) if not (ok or r.failure)]
    share, n = sum(passed) / len(tests), len(tests)
    return Evaluation(
        accuracy=share,
        state=share,
        reward=share,
        done=share,
        exact=share,
        ran=1 - len(failed) / n,
        n=n,
        failure=_told(tests[failed[0][0]], failed[0][0], failed[0][1]) if failed else None,
        determined=share,
        outputs=(wrong[show % len(wrong)],) if wrong else (),
    )


def _wrong(index: int, test: Test, ran: Ran) -> WrongOutput:
    return WrongOutput(index, cut(test.given), cut(test.expected), cut(ran.output))


def _told(test: Test, index: int, failure: Failure) -> Failure:
    """A failure with the input that it happened with, where that matters."""
    if failure.kind in ("syntax_error", "too_large"):
        return failure
    return replace(failure, message=f"{failure.message}\nwith the input:\n{cut(test.given)}", transition=index)


def cut(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}\n… ({len(text) - SHOWN} more characters)"
