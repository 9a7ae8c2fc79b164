"""Scripts: what they write beside what is expected, and what becomes of those that fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cwmb.benchmark.problems import Test, own
from cwmb.judging.outputs import right, score
from cwmb.sandbox import Sandbox
from cwmb.sandbox.running import OUTPUT_BYTES, ScriptLimits
from cwmb.types import Program

LIMITS = ScriptLimits(seconds=0.5, all_seconds=1.2)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as made:
        yield made


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("1 2\n3\n", "1 2\n3"),
        ("  1\t2  \n\n3", "1 2\n3\n"),
        ("1\r\n2\r\n", "1\n2"),
        ("0.3333333", "0.33333335"),
        ("1e3", "1000.0"),
        ("2", "2.0"),
        ("", "\n"),
        ("yes", "yes"),
    ],
)
def test_what_passes(said: str, expected: str) -> None:
    assert right(said, expected)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2 1\n3", "1 2\n3"),  # order within a line
        ("3\n1 2", "1 2\n3"),  # order of lines
        ("1 2", "1 2\n3"),  # a line is missing
        ("1 2\n3\n4", "1 2\n3"),  # one too many
        ("1\n2\n3", "1 2\n3"),  # other lines
        ("0.333", "0.3333333"),
        ("1.0", "1"),  # a whole number is expected
        ("1.0000001", "1"),
        ("Yes", "yes"),
        ("nan", "nan0"),
        ("nan", "1.0"),
        ("inf", "1.0"),
        ("", "0"),
    ],
)
def test_what_does_not_pass(said: str, expected: str) -> None:
    assert not right(said, expected)


def one(sandbox: Sandbox, source: str, expected: str = "ok", given: str = "3\n"):
    return score(sandbox, Program(source), [Test(given, expected)], LIMITS)


@pytest.mark.parametrize(
    "source",
    [
        "print('ok')",
        "import sys\nsys.stdout.write('ok')\nsys.exit(0)",
        "import sys\nsys.stdout.buffer.write(b'ok')",
        "n = int(input())\nprint('ok' if n == 3 else 'no')",
        "import sys\nprint('ok' if sys.stdin.readline() == '3\\n' else 'no')",
        "import sys\nprint('ok' if sys.stdin.buffer.read() == b'3\\n' else 'no')",
        "if __name__ == '__main__':\n    print('ok')",
        "import sys\nprint('noise', file=sys.stderr)\nprint('ok')",
    ],
)
def test_right_scripts(source: str, sandbox: Sandbox) -> None:
    evaluation = one(sandbox, source)
    assert (evaluation.accuracy, evaluation.failure, evaluation.perfect) == (1.0, None, True)


def test_a_wrong_output_is_evidence(sandbox: Sandbox) -> None:
    evaluation = one(sandbox, "print('no')")
    assert (evaluation.accuracy, evaluation.failure, evaluation.raised) == (0.0, None, False)
    (shown,) = evaluation.outputs
    assert (shown.given, shown.expected, shown.said) == ("3\n", "ok", "no\n")


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("print('ok'", "syntax_error", "was never closed"),
        ("print('ok')\nint('x')", "exception", "ValueError"),
        ("while True:\n    pass", "timeout", "more than 0.5 s of CPU time"),
        ("import os", "forbidden_import", "'os' is not allowed"),
        ("print('x' * 10**7)", "flood", f"more than {OUTPUT_BYTES:,} bytes"),
        ("while True:\n    print('ok' * 1000)", "flood", "more than"),
        ("x = bytearray(1 << 33)", "memory", ""),
        ("open('/etc/passwd').read()", "exception", "Error"),
    ],
)
def test_scripts_that_fail(source: str, kind: str, message: str, sandbox: Sandbox) -> None:
    evaluation = one(sandbox, source)
    assert evaluation.failure is not None
    assert (evaluation.failure.kind, evaluation.accuracy, evaluation.raised) == (kind, 0.0, True)
    assert message in evaluation.failure.message


def test_all_tests_together_have_a_time(sandbox: Sandbox) -> None:
    tests = [Test(f"{i}\n", "ok") for i in range(6)]
    evaluation = score(sandbox, Program("while True:\n    pass"), tests, LIMITS)
    assert evaluation.accuracy == 0
    assert evaluation.ran == 0


def test_after_two_that_were_too_slow_the_rest_is_not_run(sandbox: Sandbox) -> None:
    limits = ScriptLimits(seconds=0.1, all_seconds=10.0)
    ran = list(sandbox.run(Program("while True:\n    pass"), ["a\n"] * 3, limits))
    kinds = [r.failure.kind if r.failure else "" for r in ran]
    assert kinds == ["timeout", "timeout", "timeout"]
    assert ran[2].failure is not None
    assert ran[2].failure.message.startswith("not run")


def test_each_test_has_a_process_of_its_own(sandbox: Sandbox) -> None:
    source = "import sys\nold = getattr(sys, 'seen', 0)\nsys.seen = old + 1\nprint(old)"
    evaluation = score(sandbox, Program(source), [Test("", "0")] * 3, LIMITS)
    assert evaluation.perfect


@pytest.mark.parametrize("problem", own().problems, ids=lambda problem: problem.id)
def test_the_solutions_of_our_own_problems_solve_them(problem, sandbox: Sandbox) -> None:
    assert score(sandbox, Program(problem.solutions[0]), problem.tests, ScriptLimits()).perfect
    assert len(problem.shown) == (len(problem.tests) + 1) // 2
