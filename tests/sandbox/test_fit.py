"""Programs that learn: once, in a process of its own, and nothing but the object goes on from there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import Limits, PlannerSpec, protocol
from cwmb.harness.episodes import Episode
from cwmb.harness.planning import plan_episodes, planning
from cwmb.judging.judge import Judge
from cwmb.sandbox import Sandbox
from cwmb.sandbox.conversation import Conversation
from cwmb.seeds import unforeseen
from cwmb.types import OK, Fitted, FittedProgram, Program, Space, Transitions

from .worlds import HONEST, bounded, box, discrete, integers, transitions

LIMITS = Limits(load_seconds=1.0, step_seconds=0.0025, fit_seconds=1.0, memory_bytes=256 << 20)


def learner(fit: str, step: str = "return self.o * self.k, 0.0, False", more: str = "") -> Program:
    body = "".join(f"        {line}\n" for line in fit.splitlines())
    return Program(
        f"import sys\nimport numpy as np\n{more}\nclass Environment:\n    k = 1.0\n"
        f"    def fit(self, observations, actions, rewards, next_observations, terminated):\n{body}"
        f"    def set_state(self, o):\n        self.o = o\n    def step(self, a):\n        {step}\n"
    )


SLOPE = "self.k = float((observations * next_observations).sum() / (observations ** 2).sum())"


def doubling(n: int = 30, size: int = 2) -> Transitions:
    data = transitions(np.random.default_rng(0).normal(size=(n, size)))
    return replace(data, next_observations=2.0 * data.observations, rewards=np.arange(n) * 1.0)


def fitted(sandbox: Sandbox, program: Program, data: Transitions | None = None, **limits: float) -> Fitted:
    data = data or doubling()
    return sandbox.fit(program, box(2), bounded(1), data, replace(LIMITS, **limits), 0)  # type: ignore[arg-type]


def failure(found: Fitted) -> str:
    assert found.failure is not None
    return f"{found.failure.kind}: {found.failure.message}"


def said(sandbox: Sandbox, found: Fitted, observations: object) -> np.ndarray:
    assert found.failure is None, found.failure
    data = transitions(observations)
    return sandbox.predict(found.program, box(2), bounded(1), data, LIMITS, 0).observations


def test_what_was_learned_is_used_in_every_process(sandbox: Sandbox) -> None:
    found = fitted(sandbox, learner(SLOPE))
    assert isinstance(found.program, FittedProgram)
    assert found.program.hash == learner(SLOPE).hash
    rows = np.array([[1.0, 3.0], [-2.0, 0.5]])
    assert said(sandbox, found, rows) == pytest.approx(2 * rows)
    again = sandbox.audit(found.program, box(2), bounded(1), transitions(rows), np.array([1, 0]), LIMITS, 0)
    assert again.observations == pytest.approx(2 * rows[[1, 0]])
    planner = PlannerSpec("cem", {"horizon": 2, "iterations": 1, "samples": 4, "elites": 2})
    with sandbox.planning(found.program, box(2), bounded(1), planner, LIMITS, 0) as session:
        assert session.plan(np.ones(2)).failed_steps == 0


def test_a_program_without_it_is_itself(sandbox: Sandbox) -> None:
    assert fitted(sandbox, HONEST) == Fitted(HONEST)


def test_a_parent_that_is_late_to_look_at_the_time_finds_it_still_there(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(self: Conversation) -> float:
        time.sleep(0.3)
        return spent(self)

    spent = Conversation.spent
    monkeypatch.setattr(Conversation, "spent", late)
    assert fitted(sandbox, learner(SLOPE)).failure is None
    assert fitted(sandbox, HONEST) == Fitted(HONEST)


GIVEN = """given = observations, actions, rewards, next_observations, terminated
self.said = [float(x.dtype.kind == k) for x, k in zip(given, {kinds!r})] + [float(x.ndim) for x in given]
self.said += [float(x.sum()) for x in given] + [float(all(x.flags.writeable for x in given))]"""


@pytest.mark.parametrize(
    ("observation", "action", "kinds", "dimensions"),
    [
        (box(2), bounded(1), "ffffb", [2, 2, 1, 2, 1]),
        (box(2), discrete(3), "fiffb", [2, 1, 1, 2, 1]),
        (integers(5, 5), discrete(3), "iifib", [2, 1, 1, 2, 1]),
    ],
)
def test_it_is_given_the_training_transitions(
    sandbox: Sandbox, observation: Space, action: Space, kinds: str, dimensions: list[int]
) -> None:
    data = transitions(np.arange(8.0).reshape(4, 2), np.array([[0.0], [1], [2], [1]]))
    terminated = np.array([False, True, False, True])
    data = replace(data, rewards=np.array([1.0, 2, 3, 4]), next_observations=np.ones((4, 2)), terminated=terminated)
    tell = learner(GIVEN.format(kinds=kinds), "return np.array(self.said), 0.0, False")
    found = sandbox.fit(tell, observation, action, data, LIMITS, 0)
    row = sandbox.predict(found.program, box(16), bounded(1), transitions(np.zeros((1, 16))), LIMITS, 0).observations
    sums = [data.observations.sum(), data.actions.sum(), 10.0, 8.0, 2.0]
    assert row[0].tolist() == [*[1.0] * 5, *dimensions, *sums, 1.0]


FAULTS = {
    "raises": ("x = 1\nraise KeyError('k')", "fit_error: KeyError: 'k'", "raise KeyError('k')"),
    "hangs": ("while True: pass", "timeout: fit took more than 1 s of CPU time", "while True: pass"),
    "takes all memory": ("self.x = np.ones(10**9)", "memory: ", "self.x = np.ones(10**9)"),
    "ends the process": ("sys.modules['os']._exit(3)", "crash: ", None),
    "imports what is forbidden": ("import mujoco", "forbidden_import: ", "import mujoco"),
    "learns too much": ("self.x = np.random.bytes(17 << 20)", "fit_error: after fit the object must be handed", None),
    "leaves a generator": ("self.x = (i for i in range(3))", "cannot pickle 'generator' object", None),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_it_is_the_programs(sandbox: Sandbox, name: str) -> None:
    fit, message, code = FAULTS[name]
    found = fitted(sandbox, learner(fit))
    assert message in failure(found)
    assert found.failure is not None
    if code is not None:
        assert found.failure.code == code
    assert fitted(sandbox, learner(SLOPE)).failure is None  # the next one is healthy


def test_arguments_that_it_does_not_take_are_a_fault_of_it(sandbox: Sandbox) -> None:
    few = learner(SLOPE).source.replace(", rewards, next_observations, terminated)", ")")
    assert failure(fitted(sandbox, Program(few))).startswith("fit_error: TypeError: ")


def test_functions_classes_and_globals_go_on(sandbox: Sandbox) -> None:
    more = "SCALE = [1.0]\nclass Part:\n    def __init__(self, k): self.k = k\ndef times(x): return x * SCALE[0]"
    fit = "SCALE[0] = 2.0; part = Part(3.0); self.f = lambda x: times(x) * part.k; Environment.k = 5.0"
    found = fitted(sandbox, learner(fit, "return self.f(self.o) * self.k, 0.0, False", more))
    assert said(sandbox, found, [[1.0, -1.0]]).tolist() == [[30.0, -30.0]]


def test_failures_afterwards_name_the_line(sandbox: Sandbox) -> None:
    found = fitted(sandbox, learner(SLOPE, "return 1 / 0"))
    result = sandbox.predict(found.program, box(2), bounded(1), transitions(np.ones((1, 2))), LIMITS, 0)
    assert result.failure is not None
    assert (result.failure.kind, result.failure.code) == ("exception", "return 1 / 0")
    late = fitted(sandbox, learner(SLOPE, "import mujoco"))
    result = sandbox.predict(late.program, box(2), bounded(1), transitions(np.ones((1, 2))), LIMITS, 0)
    assert result.failure is not None
    assert (result.failure.kind, result.failure.code) == ("forbidden_import", "import mujoco")


def test_draws_are_those_of_the_seed(sandbox: Sandbox) -> None:
    draws = learner("self.k = np.random.random() + np.random.default_rng().random()")
    first, again = (said(sandbox, fitted(sandbox, draws), [[1.0, 1.0]]) for _ in range(2))
    assert first.tolist() == again.tolist()
    keeps = learner("self.rng = np.random.default_rng(7)", "return self.o * self.rng.random(), 0.0, False")
    rows = said(sandbox, fitted(sandbox, keeps), [[1.0, 1.0], [1.0, 1.0]])
    audited = sandbox.audit(
        fitted(sandbox, keeps).program, box(2), bounded(1), transitions(np.ones((2, 2))), np.array([1]), LIMITS, 0
    )
    assert rows[1].tolist() == audited.observations[0].tolist()


# ------------------------------------------------------------------------------------------------------- attacks


def test_what_it_leaves_behind_does_not_reach_the_next_candidate(sandbox: Sandbox) -> None:
    patches = (
        "import random\nnp.sin = lambda x: 7.0\nrandom.random = lambda: 7.0\nsys.modules['math'].pi = 3.0\nself.k = 1.0"
    )
    assert fitted(sandbox, learner(patches)).failure is None
    clean = "self.o * float(np.sin(0.0) == 0.0 and __import__('math').pi > 3.1)"
    step = f"return {clean}, 0.0, False"
    assert said(sandbox, fitted(sandbox, learner("self.k = 1.0", step)), [[1.0, 1.0]]).tolist() == [[1.0, 1.0]]
    own = fitted(sandbox, learner(patches, step))  # nor its own other processes
    assert said(sandbox, own, [[1.0, 1.0]]).tolist() == [[1.0, 1.0]]


def test_changing_what_it_is_given_changes_nothing(sandbox: Sandbox) -> None:
    data = doubling()
    before = data.observations.copy()
    assert fitted(sandbox, learner("observations[:] = 0; next_observations[:] = 0"), data).failure is None
    assert (data.observations == before).all()


HOSTILE = """
class Trap:
    def __reduce__(self):
        return eval, ("__import__('sys').modules['os'].{what}",)
"""


@pytest.mark.parametrize("what", ["_exit(3)", "kill(1, 9)", "open('/etc/passwd', 0)", "fork()"])
def test_what_is_handed_over_runs_in_locked_processes_only(sandbox: Sandbox, what: str) -> None:
    trap = learner("self.trap = Trap()", more=HOSTILE.format(what=what))
    found = fitted(sandbox, trap)
    data = transitions(np.ones((1, 2)))
    if found.failure is None:
        result = sandbox.predict(found.program, box(2), bounded(1), data, LIMITS, 0)
        assert result.failure is not None
        assert result.failure.kind in ("fit_error", "crash")
    assert fitted(sandbox, learner(SLOPE)).failure is None


def test_an_answer_that_is_forged_is_a_violation(sandbox: Sandbox) -> None:
    lies = learner("sys.modules['os'].write(3, b'\\x00' * 64)")
    assert failure(fitted(sandbox, lies)).startswith("protocol_violation")


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Sandbox(workers=1) as sandbox:
        yield Judge.of(sandbox, protocol("standard"), replace(environment("CartPole-v1"), fit=True))


MEMORISES = """
import numpy as np


class Environment:
    def fit(self, observations, actions, rewards, next_observations, terminated):
        keys = [(*o, a) for o, a in zip(observations.tolist(), actions.tolist())]
        self.table = dict(zip(keys, zip(next_observations, rewards.tolist(), terminated.tolist())))
        {more}

    def set_state(self, observation):
        self.o = observation

    def step(self, action):
        found = self.table.get((*self.o.tolist(), action))
        return found if found is not None else (self.o, 1.0, False)
"""


def test_a_table_of_the_training_data_is_worth_nothing_on_others(judge: Judge) -> None:
    assert judge.teaches is not None
    program = Program(MEMORISES.format(more=""))
    draws = unforeseen(0, "CartPole-v1", 4, program.source)  # type: ignore[arg-type]
    train = judge.score(program, judge.teaches, draws)
    assert train.evaluation.accuracy == 1.0  # which is allowed: nobody is judged by it
    from cwmb.benchmark.trajectories import transitions as recorded

    test = judge.score(program, recorded(environment("CartPole-v1"), "test"), draws)
    assert test.evaluation.accuracy < 0.7


def test_it_runs_once_for_all_scores_of_a_program(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    plain = Sandbox.fit

    def counted(self: Sandbox, program: Program, *rest: object) -> Fitted:
        begun.append(program.hash)
        return plain(self, program, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Sandbox, "fit", counted)
    assert judge.teaches is not None
    program = Program(MEMORISES.format(more="self.more = 1"))
    first = judge.score(program, judge.teaches, np.random.default_rng(0))
    again = judge.score(program, judge.teaches, np.random.default_rng(0))
    assert first.evaluation == again.evaluation
    assert len(begun) == 1


def test_a_program_whose_fit_fails_scores_nothing_and_plans_nothing(judge: Judge) -> None:
    program = Program(MEMORISES.format(more="raise ValueError('no')"))
    assert judge.teaches is not None
    evaluation = judge.score(program, judge.teaches).evaluation
    assert (evaluation.accuracy, evaluation.ran) == (0.0, 0.0)
    assert evaluation.raised
    assert evaluation.failure is not None
    assert evaluation.failure.kind == "fit_error"
    quick = replace(protocol("quick"), max_steps=5)
    spec = replace(environment("CartPole-v1"), fit=True)
    episodes = plan_episodes(judge.sandbox, spec, quick, program)
    assert [e.loaded for e in episodes] == [False, False]
    assert planning(spec, quick, episodes).normalised_return == 0.0


def test_a_program_plans_with_what_it_has_learned(judge: Judge) -> None:
    quick = replace(protocol("quick"), max_steps=5)
    spec = replace(environment("CartPole-v1"), fit=True)
    episodes = plan_episodes(judge.sandbox, spec, quick, Program(MEMORISES.format(more="")))
    assert all(isinstance(e, Episode) and e.model_steps and not e.failed_steps for e in episodes)


def test_without_leave_nobody_learns(sandbox: Sandbox) -> None:
    plain = Judge.of(sandbox, protocol("standard"), environment("CartPole-v1"))
    assert plain.teaches is None
    program = Program(MEMORISES.format(more=""))
    from cwmb.benchmark.trajectories import transitions as recorded

    evaluation = plain.score(program, recorded(environment("CartPole-v1"), "train")).evaluation
    assert evaluation.failure is not None
    assert evaluation.failure.message.startswith("AttributeError")


def test_the_state_is_what_the_program_left(sandbox: Sandbox) -> None:
    data = transitions(np.ones((3, 2)))
    result = sandbox.predict(fitted(sandbox, learner(SLOPE)).program, box(2), bounded(1), data, LIMITS, 0)
    assert (result.status == OK).all()
