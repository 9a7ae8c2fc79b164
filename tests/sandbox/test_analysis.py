"""Scripts that look at the training data: what they see, what comes back, and that they are locked up as programs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from cwmb.benchmark.protocols import protocol
from cwmb.sandbox import Sandbox
from cwmb.testing import PROGRAM, tiny_task
from cwmb.types import Analysis, Program

TASK = tiny_task()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1, planners={}) as opened:
        yield opened


def run(sandbox: Sandbox, script: str, program: Program | None = None) -> Analysis:
    spaces = TASK.observation_space, TASK.action_space
    return sandbox.analyse(script, program, *spaces, TASK.train, protocol("quick").limits, 0)


def test_a_script_sees_the_training_transitions_as_arrays(sandbox: Sandbox) -> None:
    script = """
print(observations.tolist(), observations.dtype)
print(actions.tolist(), rewards.tolist())
print(next_observations.tolist(), terminated.tolist())
print(episodes.tolist(), steps.tolist())
print(np.unique(observations).size, 'Environment' in globals())
"""
    found = run(sandbox, script)
    train = TASK.train
    assert found.failure is None
    assert found.output.splitlines() == [
        f"{train.observations.astype(int).tolist()} int64",
        f"{train.actions[:, 0].astype(int).tolist()} {train.rewards.tolist()}",
        f"{train.next_observations.astype(int).tolist()} {train.terminated.tolist()}",
        f"{train.episodes.tolist()} {train.steps.tolist()}",
        "3 False",
    ]


def test_it_may_run_the_program_on_transitions_of_its_choice(sandbox: Sandbox) -> None:
    script = """
e = Environment()
e.set_state(int(observations[1, 0]))
print(e.step(int(actions[1])))
"""
    assert run(sandbox, script, Program(PROGRAM)) == Analysis("(1, 0.0, False)\n")
    broken = run(sandbox, "print(1)", Program("1 / 0"))
    assert broken.failure is not None
    assert "ZeroDivisionError" in broken.failure.message


def test_4_kb_come_back_and_nothing_that_a_terminal_obeys(sandbox: Sandbox) -> None:
    assert len(run(sandbox, "print('x' * 10_000_000)").output) == 4096
    assert len(run(sandbox, "for _ in range(10_000): print('é' * 100)").output.encode()) <= 4096
    assert "\x1b" not in run(sandbox, "print('\\x1b[2J')").output


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        ("print('so far')\n1 / 0", "exception", "ZeroDivisionError"),
        ("def", "syntax_error", "SyntaxError"),
        ("import os", "forbidden_import", "'os' is not allowed"),
        ("import socket", "forbidden_import", "'socket' is not allowed"),
        ("open('/etc/passwd')", "exception", "PermissionError|FileNotFoundError|OSError"),
        ("x = bytearray(1 << 32)", "memory", ""),
        ("raise SystemExit", "exception", "SystemExit"),
        ("import ctypes", "forbidden_import", ""),
        ("import sys; sys.modules['posix']._exit(0)", "crash", ""),
        ("import sys; sys.modules['posix'].write(3, b'x' * 100)", "protocol_violation", ""),
    ],
)
def test_what_a_script_does_wrong_is_its_own_failure(sandbox: Sandbox, script: str, kind: str, message: str) -> None:
    found = run(sandbox, script)
    assert found.failure is not None
    assert found.failure.kind == kind
    assert re.search(message, found.failure.message)


def test_what_was_printed_before_a_failure_comes_back_with_its_line(sandbox: Sandbox) -> None:
    found = run(sandbox, "print('so far')\n\n1 / 0")
    assert found.output == "so far\n"
    assert found.failure is not None
    assert (found.failure.line, found.failure.code) == (3, "1 / 0")


def test_scripts_leave_nothing_behind(sandbox: Sandbox) -> None:
    run(sandbox, "import math\nmath.left = 1\nnp.left = 1")
    assert run(sandbox, "import math\nprint(hasattr(math, 'left'), hasattr(np, 'left'))").output == "False False\n"


def test_the_same_script_prints_the_same(sandbox: Sandbox) -> None:
    script = "import random\nprint(random.random(), np.random.default_rng().random(), np.random.rand())"
    assert run(sandbox, script) == run(sandbox, script)
