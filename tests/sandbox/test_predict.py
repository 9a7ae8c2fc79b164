"""What a program sees, what it may return, and what is reported when it fails."""

import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from cwmb.benchmark.protocols import Limits
from cwmb.sandbox import Sandbox
from cwmb.sandbox.calibration import REFERENCE_SECONDS, SOURCE
from cwmb.types import BAD_OBSERVATION, BAD_RETURN, NOT_RUN, OK, RAISED, Failure, Predictions, Program, Space

from .worlds import HONEST, QUICK, box, discrete, integers, transitions


def step(body: str, *, before: str = "") -> Program:
    """A program whose step has this body; the observation is self.o."""
    return Program(
        textwrap.dedent(before)
        + "\nimport numpy as np\nclass Environment:\n    def set_state(self, o):\n        self.o = o\n"
        + "    def step(self, a):\n"
        + textwrap.indent(textwrap.dedent(body).strip(), "        ")
    )


def run(
    sandbox: Sandbox, program: Program, rows: object = ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0)), space: Space | None = None
) -> Predictions:
    data = transitions(rows, episodes=np.zeros(len(rows)), steps=np.arange(len(rows)))  # type: ignore[arg-type]
    return sandbox.predict(program, space or box(data.observations.shape[1]), discrete(4), data, QUICK, 0)


def failure(predictions: Predictions) -> Failure:
    assert predictions.failure is not None
    return predictions.failure


def test_predictions_come_back_in_the_order_of_the_transitions(sandbox: Sandbox) -> None:
    rng = np.random.default_rng(0)
    n = 300
    data = transitions(
        rng.normal(size=(n, 3)), episodes=rng.integers(0, 7, n), steps=rng.permutation(n) % 40, answers=7.0
    )
    said = sandbox.predict(HONEST, box(3), discrete(2), data, Limits(), 0)
    assert np.array_equal(said.observations, data.observations + 1.0)
    assert (said.status == OK).all()
    assert (said.rewards == 1.0).all()
    assert not said.done.any()
    assert said.failure is None


def test_no_transitions(sandbox: Sandbox) -> None:
    said = sandbox.predict(HONEST, box(3), discrete(2), transitions(np.zeros((0, 3))), Limits(), 0)
    assert said.observations.shape == (0, 3)
    assert said.failure is None


@pytest.mark.parametrize(
    ("space", "row", "check"),
    [
        (discrete(5), [3.0], "type(self.o) is int and self.o == 3"),
        (integers(31, 10, 1), [20.0, 7.0, 1.0], "self.o == (20, 7, 1) and all(type(x) is int for x in self.o)"),
        (
            box(2),
            [0.5, -1.0],
            "type(self.o) is np.ndarray and self.o.dtype == np.float64 and self.o.shape == (2,)"
            " and self.o.flags.writeable and self.o.flags.owndata",
        ),
    ],
    ids=["discrete", "tuple", "box"],
)
def test_types_that_a_program_sees(sandbox: Sandbox, space: Space, row: list[float], check: str) -> None:
    program = step(f"return self.o, float({check}) + 10 * (type(a) is int), False")
    assert run(sandbox, program, [row], space).rewards[0] == 11.0


def test_an_action_of_a_box_is_a_fresh_vector(sandbox: Sandbox) -> None:
    program = step("ok = a.flags.writeable and a.flags.owndata\na[:] = 9\nreturn self.o, float(ok), False")
    data = transitions([[1.0], [2.0]], [[0.25, 0.5]] * 2)
    said = sandbox.predict(program, box(1), box(2), data, QUICK, 0)
    assert said.rewards.tolist() == [1.0, 1.0]
    assert data.actions.tolist() == [[0.25, 0.5]] * 2


@pytest.mark.parametrize(
    ("space", "returned", "row"),
    [
        (box(2), "[1, 2]", [1.0, 2.0]),
        (box(2), "np.array([1, 2], dtype=np.float32)", [1.0, 2.0]),
        (box(2), "(np.float64(1), 2)", [1.0, 2.0]),
        (box(2), "np.array([np.nan, np.inf])", [np.nan, np.inf]),
        (discrete(9), "3", [3.0]),
        (discrete(9), "True", [1.0]),
        (discrete(9), "np.int32(3)", [3.0]),
        (discrete(9), "np.array(3)", [3.0]),
        (discrete(9), "3.0", [3.0]),
        (integers(9, 9), "(1, True)", [1.0, 1.0]),
        (integers(9, 9), "[1, 2]", [1.0, 2.0]),
        (integers(9, 9), "np.array([1, 2])", [1.0, 2.0]),
    ],
)
def test_observations_that_pass(sandbox: Sandbox, space: Space, returned: str, row: list[float]) -> None:
    said = run(sandbox, step(f"return {returned}, 0.5, True"), [[1.0] * space.size], space)
    assert said.status[0] == OK
    assert np.array_equal(said.observations[0], row, equal_nan=True)
    assert said.failure is None


@pytest.mark.parametrize(
    ("space", "returned", "says"),
    [
        (box(2), "[1, 2, 3]", "a list of 3, it should be a float array of shape (2,)"),
        (box(2), "np.zeros((2, 1))", "an array of float64 and shape (2, 1)"),
        (box(2), "1.0", "the float 1.0"),
        (box(2), "['1', '2']", "a list of 2"),
        (box(2), "[[1, 2], [3]]", "a list of 2"),
        (box(2), "np.array([1, 2j])", "complex128"),
        (box(2), "np.array([1, None])", "an array of object"),
        (box(2), "None", "None"),
        (box(2), "{0: 1, 1: 2}", "an object of type dict"),
        (discrete(9), "3.5", "the float 3.5 where an integer belongs"),
        (discrete(9), "'3'", "the str '3'"),
        (discrete(9), "(3,)", "a tuple of 1"),
        (discrete(9), "np.array([3])", "an array of int64 and shape (1,)"),
        (discrete(9), "float('nan')", "the float nan"),
        (integers(9, 9), "(1, 2, 3)", "a tuple of 3, it should be a tuple of 2 integers"),
        (integers(9, 9), "(1, 2.5)", "the float 2.5"),
        (integers(9, 9), "'12'", "the str '12'"),
    ],
)
def test_a_bad_observation_costs_the_state_part_only(sandbox: Sandbox, space: Space, returned: str, says: str) -> None:
    said = run(sandbox, step(f"return {returned}, 0.5, True"), [[1.0] * space.size] * 3, space)
    assert (said.status == BAD_OBSERVATION).all()
    assert np.isnan(said.observations).all()
    assert said.rewards.tolist() == [0.5] * 3
    assert said.done.all()
    assert failure(said).kind == "bad_observation"
    assert says in failure(said).message
    assert failure(said).transition == 0


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ("None", "step() returned None"),
        ("[self.o, 1.0, False]", "step() returned a list of 3"),
        ("(self.o, 1.0)", "a tuple of 2"),
        ("(self.o, 1.0, False, False, {})", "a tuple of 5"),
        ("(self.o, None, False)", "the reward is None"),
        ("(self.o, '1.0', False)", "the reward is the str '1.0'"),
        ("(self.o, 1j, False)", "the reward is an object of type complex"),
        ("(self.o, np.zeros(2), False)", "the reward is an array of float64 and shape (2,)"),
        ("(self.o, 1.0, None)", "the done flag is None"),
        ("(self.o, 1.0, float('nan'))", "the done flag is the float nan"),
        ("(self.o, 1.0, np.float64('nan'))", "the done flag is an object of type float64"),
        ("(self.o, np.ones(1) * 1j, False)", "the reward is an array of complex128"),
        ("(self.o, np.str_('1.0'), False)", "the reward is an object of type str_"),
        ("(self.o, 1.0, 'no')", "the done flag is the str 'no'"),
    ],
)
def test_a_bad_return_says_nothing(sandbox: Sandbox, returned: str, says: str) -> None:
    said = run(sandbox, step(f"return {returned}"))
    assert (said.status == BAD_RETURN).all()
    assert np.isnan(said.observations).all()
    assert np.isnan(said.rewards).all()
    assert not said.done.any()
    assert failure(said).kind == "bad_return"
    assert says in failure(said).message


@pytest.mark.parametrize(
    ("reward", "value"),
    [("np.float32(0.5)", 0.5), ("np.array([2.0])", 2.0), ("3", 3.0), ("True", 1.0), ("np.nan", np.nan)],
)
def test_rewards_that_pass(sandbox: Sandbox, reward: str, value: float) -> None:
    said = run(sandbox, step(f"return self.o, {reward}, np.bool_(1)"))
    assert (said.status == OK).all()
    assert np.array_equal(said.rewards, [value] * 3, equal_nan=True)
    assert said.done.all()


def test_an_exception_on_one_row_does_not_lose_the_others(sandbox: Sandbox) -> None:
    program = step("if self.o[0] == 3:\n    return 1 / 0\nreturn self.o, 1.0, False")
    said = run(sandbox, program)
    assert said.status.tolist() == [OK, RAISED, OK]
    assert np.isnan(said.rewards[1])
    assert failure(said) == Failure("exception", "ZeroDivisionError: division by zero", 8, "return 1 / 0", 1)


def test_the_line_is_the_programs_own(sandbox: Sandbox) -> None:
    program = step("return np.linalg.inv(self.o), 1.0, False")
    said = failure(run(sandbox, program))
    assert said.code == "return np.linalg.inv(self.o), 1.0, False"
    assert "LinAlgError" in said.message
    assert "worker" not in said.message


def test_an_exception_weighs_more_than_an_earlier_bad_observation(sandbox: Sandbox) -> None:
    program = step("if self.o[0] == 5:\n    return 1 / 0\nreturn None, 1.0, False")
    said = run(sandbox, program)
    assert said.status.tolist() == [BAD_OBSERVATION, BAD_OBSERVATION, RAISED]
    assert failure(said).kind == "exception"
    assert failure(said).transition == 2


@pytest.mark.parametrize(
    ("source", "kind", "says", "line", "code"),
    [
        ("x = (", "syntax_error", "'(' was never closed", 1, "x = ("),
        ("def f():\nreturn 1", "syntax_error", "IndentationError", 2, "return 1"),
        ("x = 1\0", "syntax_error", "null bytes", None, None),
        ("x = '\ud800'", "syntax_error", "UnicodeEncodeError", None, None),
        ("", "load_error", "no class Environment", None, None),
        ("Environment = 3", "load_error", "'int' object is not callable", None, None),
        ("class Environment:\n    pass", "load_error", "no method set_state", None, None),
        ("class Environment:\n    def set_state(self, o): pass", "load_error", "no method step", None, None),
        ("x = 1\ny = x + z", "load_error", "NameError: name 'z' is not defined", 2, "y = x + z"),
        (
            "class Environment:\n    def __init__(self, size): pass",
            "load_error",
            "missing 1 required positional argument",
            None,
            None,
        ),
        ("import gymnasium as gym", "forbidden_import", "import of 'gymnasium'", 1, "import gymnasium as gym"),
        ("import math\nfrom os import path", "forbidden_import", "import of 'os'", 2, "from os import path"),
        ("import numpy.nothing", "forbidden_import", "'numpy.nothing'", 1, "import numpy.nothing"),
        ("from numpy import nothing", "load_error", "cannot import name 'nothing'", 1, "from numpy import nothing"),
        ("raise SystemExit", "load_error", "SystemExit", 1, "raise SystemExit"),
        ("x = " + "1" * (1 << 16), "too_large", "65540 bytes, allowed are 65536", None, None),
    ],
)
def test_programs_that_do_not_load(
    sandbox: Sandbox, source: str, kind: str, says: str, line: int | None, code: str | None
) -> None:
    said = run(sandbox, Program(source))
    assert (said.status == NOT_RUN).all()
    assert np.isnan(said.rewards).all()
    assert failure(said).kind == kind
    assert says in failure(said).message
    assert (failure(said).line, failure(said).code) == (line, code)
    assert failure(said).transition is None


def test_a_refused_import_can_be_caught(sandbox: Sandbox) -> None:
    program = step(
        "return self.o, 1.0, False", before="try:\n    import gymnasium\nexcept ImportError:\n    gymnasium = None"
    )
    assert (run(sandbox, program).status == OK).all()


def test_an_import_inside_step_is_refused_too(sandbox: Sandbox) -> None:
    said = run(sandbox, step("import mujoco\nreturn self.o, 1.0, False"))
    assert (said.status == RAISED).all()
    assert failure(said).kind == "forbidden_import"


def test_programs_that_use_what_is_allowed(sandbox: Sandbox) -> None:
    before = """
    from __future__ import annotations
    import collections.abc, dataclasses, datetime, enum, sys, functools, json, math, random, re, statistics, typing
    from dataclasses import dataclass, field
    import numpy.linalg as la
    from numpy.typing import NDArray

    sys.set_int_max_str_digits(0)

    @dataclass
    class State:
        values: NDArray = field(default_factory=lambda: np.zeros(2))
        history: typing.ClassVar[list] = []
    """
    body = """
    state = dataclasses.replace(State(), values=self.o)
    datetime.datetime.strptime("2024-01-01", "%Y-%m-%d")
    np.char.upper(np.array(["x"])); np.ma.masked_array([1.0]).mean(); np.testing.assert_allclose(1, 1)
    print(json.dumps(state.values.tolist()), str(7**20000)[:9])
    return state.values * la.norm([1.0]), statistics.mean([1, 2]), bool(re.match("a", "b"))
    """
    said = run(sandbox, step(body, before=before))
    assert said.failure is None
    assert said.rewards.tolist() == [1.5] * 3


def test_after_a_timeout_what_was_said_before_is_kept(sandbox: Sandbox) -> None:
    program = step("while self.o[0] == 15:\n    pass\nreturn self.o, 1.0, False")
    said = run(sandbox, program, np.arange(20.0)[:, None])
    assert said.status.tolist() == [OK] * 15 + [NOT_RUN] * 5
    assert failure(said).kind == "timeout"
    assert failure(said).transition == 15
    assert failure(said).code in ("while self.o[0] == 15:", "pass")
    assert "20 transitions have 0.25 s of CPU time, 12.5 ms each: 15 of them ran (75%), " in failure(said).message
    assert "what did not run counts as wrong" in failure(said).message


def test_after_a_crash_what_was_said_before_is_kept(sandbox: Sandbox) -> None:
    program = step(
        'if self.o[0] == 15:\n    sys.modules["os"]._exit(3)\nreturn self.o, 1.0, False', before="import sys"
    )
    said = run(sandbox, program, np.arange(20.0)[:, None])
    assert said.status.tolist() == [OK] * 15 + [NOT_RUN] * 5
    assert failure(said).kind == "crash"
    assert failure(said).transition == 15
    assert "exit code 3" in failure(said).message


def test_time_is_cpu_time_on_average(sandbox: Sandbox) -> None:
    """A slow first transition is fine, and sleeping costs nothing."""
    body = """
    import time
    if not hasattr(self, "table"):
        start = time.process_time()
        while time.process_time() - start < 0.1:
            pass
        self.table = True
        time.sleep(1000)
    return self.o, 1.0, False
    """
    assert run(sandbox, step(body)).failure is None


def test_many_slow_transitions_end_in_a_timeout(sandbox: Sandbox) -> None:
    body = """
    start = time.perf_counter()
    while time.perf_counter() - start < 0.02:
        pass
    return self.o, 1.0, False
    """
    said = run(sandbox, step(body, before="import time"), np.zeros((200, 1)))
    assert failure(said).kind == "timeout"
    assert OK in said.status
    assert NOT_RUN in said.status


def test_long_messages_are_cut_short(sandbox: Sandbox) -> None:
    said = failure(run(sandbox, step("raise ValueError('x' * 10**6)")))
    assert said.message.startswith("ValueError: xxx")
    assert len(said.message) <= 4096


def test_large_vectors_and_many_rows_of_one_step(sandbox: Sandbox) -> None:
    data = transitions(np.random.default_rng(0).normal(size=(200, 3000)), steps=np.zeros(200, int))
    said = sandbox.predict(HONEST, box(3000), discrete(2), data, Limits(), 0)
    assert np.array_equal(said.observations, data.observations + 1.0)


COUNTING = Program("""
class Environment:
    def set_state(self, observation):
        self.state = float(observation[0])
    def step(self, action):
        if action == 3:
            raise ValueError("no such action")
        self.state += action
        return [self.state], self.state, self.state > 9
""")


def test_a_rollout_goes_on_from_what_the_program_said_itself(sandbox: Sandbox) -> None:
    n = 150
    episodes, steps = np.repeat([4, 2], [100, 50]), np.r_[np.arange(100), np.arange(50)]
    # From the second step on the recorded observations are far off: a program that saw them would say so.
    rows = np.where(steps == 0, 10.0 * episodes, 1e6)[:, None]
    data = transitions(rows, episodes=episodes, steps=steps, answers=0.0)
    data = data.take(np.random.default_rng(0).permutation(n))
    said = sandbox.roll_out(COUNTING, box(1), discrete(4), replace(data, actions=np.ones((n, 1))), QUICK, 0)
    assert np.array_equal(said.observations[:, 0], 10.0 * data.episodes + data.steps + 1)
    assert np.array_equal(said.rewards, said.observations[:, 0])
    assert said.failure is None


def test_a_step_that_raises_does_not_end_a_rollout(sandbox: Sandbox) -> None:
    data = transitions(np.zeros((6, 1)), episodes=np.repeat([0, 1], 3), steps=np.tile(np.arange(3), 2), answers=0.0)
    actions = np.array([[1.0], [3.0], [2.0], [1.0], [1.0], [1.0]])
    said = sandbox.roll_out(COUNTING, box(1), discrete(4), replace(data, actions=actions), QUICK, 0)
    assert said.status.tolist() == [OK, RAISED, OK, OK, OK, OK]
    assert said.observations[[0, 2, 3, 4, 5], 0].tolist() == [1.0, 3.0, 1.0, 2.0, 3.0]
    assert failure(said).transition == 1
    empty = sandbox.roll_out(COUNTING, box(1), discrete(4), transitions(np.zeros((0, 1))), QUICK, 0)
    assert empty.observations.shape == (0, 1)


def busy(seconds: float) -> Program:
    """Computes for so many reference seconds a step."""
    times = round(400 * seconds / REFERENCE_SECONDS)
    return Program(SOURCE.replace("range(400)", f"range({times})"))


def test_verdicts_do_not_depend_on_how_many_programs_run(sandbox: Sandbox) -> None:
    """A third of the time allowed is enough, three times as much too much: with eight others beside, too."""
    data = np.arange(120.0)[:, None]
    programs = [busy(share * QUICK.step_seconds) for share in (1 / 3, 3.0)]

    def verdicts() -> list[str | None]:
        kinds = (run(sandbox, program, data).failure for program in programs)
        return [f.kind if f else None for f in kinds]

    alone = verdicts()
    assert alone == [None, "timeout"]
    over = threading.Event()

    def keep_busy() -> None:
        while not over.is_set():
            run(sandbox, programs[0], data)

    with ThreadPoolExecutor(8) as others:
        for _ in range(8):
            others.submit(keep_busy)
        try:
            assert verdicts() == alone
        finally:
            over.set()
