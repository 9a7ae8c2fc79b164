"""Planners that run beside the program in its process."""

from dataclasses import replace

import numpy as np
import pytest

from cwmb.benchmark.protocols import Limits, PlannerSpec
from cwmb.errors import CwmbError
from cwmb.sandbox import Plan, Sandbox
from cwmb.sandbox.predicting import LEAST_TRANSITIONS
from cwmb.types import Program, Space

from .worlds import HONEST, QUICK, bounded, box, discrete

MCTS = PlannerSpec("mcts", {"simulations": 20, "max_rollout_actions": 5})
CEM = PlannerSpec("cem", {"horizon": 4, "iterations": 3, "samples": 30, "elites": 5, "execute": 2})


def world(step: str, set_state: str = "self.o = o") -> Program:
    return Program(
        "import numpy as np\nimport sys, random\nclass Environment:\n"
        f"    def set_state(self, o):\n        {set_state}\n    def step(self, a):\n        {step}\n"
    )


def plans(
    sandbox: Sandbox,
    program: Program,
    planner: PlannerSpec = MCTS,
    space: Space | None = None,
    actions: Space | None = None,
    n: int = 2,
    seed: int = 0,
    limits: Limits = QUICK,
) -> list[Plan]:
    space = space or box(2)
    actions = actions or discrete(3)
    with sandbox.planning(program, space, actions, planner, limits, seed) as session:
        return [session.plan(np.full(space.size, float(i))) for i in range(n)]


def test_mcts_finds_the_rewarded_action(sandbox: Sandbox) -> None:
    for plan in plans(sandbox, world("return self.o, float(a == 2), True")):
        assert plan.actions is not None
        assert plan.actions.tolist() == [[2.0]]
        assert plan.failure is None
        assert plan.model_steps == 20
        assert plan.failed_steps == 0


def test_cem_finds_the_rewarded_actions(sandbox: Sandbox) -> None:
    program = world("return self.o, -float(((a - 0.5) ** 2).sum()), False")
    (plan,) = plans(sandbox, program, CEM, actions=bounded(2), n=1)
    assert plan.actions is not None
    assert plan.actions.shape == (2, 2)
    assert np.abs(plan.actions - 0.5).max() < 0.3
    assert np.array_equal(plan.actions, plan.actions.astype(np.float32))
    assert plan.model_steps == 4 * 30 * 3


def test_the_same_seed_plans_the_same(sandbox: Sandbox) -> None:
    program = world("return self.o + random.random(), float(self.o[0] + a), False")
    first, again, other = (plans(sandbox, program, n=6, seed=seed) for seed in (3, 3, 4))
    assert [p.actions for p in first] == [p.actions for p in again]
    assert [p.actions for p in first] != [p.actions for p in other]


def test_a_program_draws_differently_in_every_simulation(sandbox: Sandbox) -> None:
    program = world(
        "x = np.random.default_rng().integers(10**6); self.seen = {*getattr(self, 'seen', ()), int(x)}\n"
        "        return self.o, float(len(self.seen) > 15 and a == 1), True"
    )
    (plan,) = plans(sandbox, program, n=1)
    assert plan.actions is not None
    assert plan.actions.tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("space", "returned"),
    [(box(2), "np.array([1.0, 2.0])"), (discrete(5), "3"), (Space("tuple", (0, 0), (9, 9), "int64"), "(1, 2)")],
)
def test_all_kinds_of_observations(sandbox: Sandbox, space: Space, returned: str) -> None:
    (plan,) = plans(sandbox, world(f"return {returned}, float(a), False"), space=space, n=1)
    assert plan.actions is not None
    assert plan.failed_steps == 0


def test_observations_and_actions_pass_by_value(sandbox: Sandbox) -> None:
    """A program that spoils what it is given and what it has returned plans as well as one that does not."""
    honest = world("return self.o + a, float(a.sum() + self.o.sum()), False")
    spoiling = world(
        "r = self.o + a, float(a.sum() + self.o.sum()), False; a[:] = 99; self.o = r[0].copy()\n"
        "        self.last = getattr(self, 'last', r[0]); self.last[:] = -99; self.last = r[0]; return r",
        "self.o = o.copy(); o[:] = 77",
    )
    moving = world("r = self.o + a, float(a.sum() + self.o.sum()), False; self.o = r[0].copy(); return r")
    actions = [
        [p.actions.tolist() for p in plans(sandbox, program, CEM, actions=bounded(2)) if p.actions is not None]
        for program in (moving, spoiling)
    ]
    assert actions[0] == actions[1]
    assert honest.source != moving.source


@pytest.mark.parametrize("planner", [MCTS, CEM], ids=["mcts", "cem"])
def test_with_the_published_stepping_the_state_is_set_before_every_step(sandbox: Sandbox, planner: PlannerSpec) -> None:
    actions = bounded(2) if planner is CEM else discrete(3)
    published = replace(planner, stepping="set_state")

    def failed(program: Program, planner: PlannerSpec) -> int:
        (plan,) = plans(sandbox, program, planner, actions=actions, n=1)
        return plan.failed_steps

    # The state, a count of steps, is returned but not kept: a rollout never gets beyond the first one.
    forgetful = world("assert self.o[0] < 2; return self.o + 1, 0.0, False")
    keeping = world("assert self.o[0] < 2; self.o = self.o + 1; return self.o, 0.0, False")
    assert failed(forgetful, planner) == 0
    assert failed(forgetful, published) == failed(keeping, published) == failed(keeping, planner) > 0


@pytest.mark.parametrize("planner", [MCTS, CEM], ids=["mcts", "cem"])
def test_a_program_that_keeps_its_state_plans_the_same_with_both_steppings(
    sandbox: Sandbox, planner: PlannerSpec
) -> None:
    actions = bounded(2) if planner is CEM else discrete(3)
    program = world("self.o = self.o + np.asarray(a) - 0.5; return self.o, -float((self.o ** 2).sum()), False")
    contract, published = (
        plans(sandbox, program, replace(planner, stepping=stepping), actions=actions)
        for stepping in ("rollout", "set_state")
    )
    assert [p.actions.tolist() for p in contract] == [p.actions.tolist() for p in published]
    assert [p.model_steps for p in contract] == [p.model_steps for p in published]


@pytest.mark.parametrize(
    "step",
    [
        "return 1 / 0",
        "return None",
        "return self.o, 1.0, False, False, {}",
        "return [1.0], 1.0, False",
        "return self.o, float('nan'), False",
        "return self.o, float('inf'), False",
        "return self.o * np.nan, 1.0, False",
        "return self.o, None, False",
        "return self.o, 1.0, None",
        "sys.exit()",
    ],
)
@pytest.mark.parametrize("planner", [MCTS, CEM], ids=["mcts", "cem"])
def test_if_every_sample_fails_there_is_no_plan(sandbox: Sandbox, planner: PlannerSpec, step: str) -> None:
    space = bounded(2) if planner is CEM else discrete(3)
    for plan in plans(sandbox, world(step), planner, actions=space):
        assert plan.actions is None
        assert plan.failure is None
        assert plan.failed_steps > 0
        assert plan.failed_steps == plan.model_steps


def test_samples_that_fail_are_counted_and_avoided(sandbox: Sandbox) -> None:
    program = world("return self.o, (1 / 0 if a[0] > 0 else 1.0), False")
    (plan,) = plans(sandbox, program, CEM, actions=bounded(1), n=1)
    assert plan.actions is not None
    assert (plan.actions <= 0).all()
    assert 0 < plan.failed_steps < plan.model_steps


def test_rewards_of_one_element_are_numbers(sandbox: Sandbox) -> None:
    program = world("return self.o, -np.abs(a - 0.5), np.bool_(False)")
    (plan,) = plans(sandbox, program, CEM, actions=bounded(1), n=1)
    assert plan.failed_steps == 0
    assert plan.actions is not None


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        (Program("import gymnasium"), "forbidden_import"),
        (Program("x ="), "syntax_error"),
        (Program("class World: pass"), "load_error"),
        (world("while True: pass"), "timeout"),
        (world("sys.modules['os']._exit(1)"), "crash"),
        (world("sys.modules['os'].write(3, b'x')"), "protocol_violation"),
    ],
)
def test_after_a_fatal_failure_there_are_no_more_plans(sandbox: Sandbox, program: Program, kind: str) -> None:
    for plan in plans(sandbox, program):
        assert plan.actions is None
        assert plan.failure is not None
        assert plan.failure.kind == kind


def test_a_timeout_names_the_line(sandbox: Sandbox) -> None:
    (plan,) = plans(sandbox, world("while True: pass"), n=1)
    assert plan.failure is not None
    assert plan.failure.code == "while True: pass"
    assert "a step of the model takes more than 2.5 ms of CPU time on average" in plan.failure.message
    assert plan.model_steps == 1
    assert plan.loaded


BUSY = world("x = sum(range(60_000)); return self.o, 1.0, False")  # about a millisecond


def test_a_step_may_take_its_time_however_many_there_are(sandbox: Sandbox) -> None:
    """A limit of a plan as a whole would fail programs for the planner's appetite."""
    many = replace(CEM, parameters={**CEM.parameters, "iterations": 8})
    limits = replace(QUICK, step_seconds=0.004)
    (plan,) = plans(sandbox, BUSY, many, actions=bounded(2), limits=limits, n=1)
    assert plan.failure is None
    assert plan.model_steps == 4 * 30 * 8
    assert plan.seconds > limits.step_seconds * LEAST_TRANSITIONS  # so it was the steps that bought the time


def test_no_plan_is_longer_than_what_is_granted(sandbox: Sandbox) -> None:
    with sandbox.planning(BUSY, box(3), discrete(3), MCTS, replace(QUICK, step_seconds=9.0), 0) as session:
        plan = session.plan(np.zeros(3), granted=0.05)
        assert (plan.actions, plan.failure, plan.cut) == (None, None, True)
        assert plan.model_steps > 0
        assert plan.seconds == 0.05
        again = session.plan(np.zeros(3))
        assert (again.cut, again.model_steps, again.seconds) == (True, 0, 0.0)


def test_a_program_that_does_not_load_is_told_from_one_that_is_slow(sandbox: Sandbox) -> None:
    (plan,) = plans(sandbox, Program("class Environment: pass"), n=1)
    assert not plan.loaded
    assert plan.failure is not None
    assert plan.failure.kind == "load_error"


def test_steps_that_were_not_taken_buy_no_time(sandbox: Sandbox) -> None:
    """A program that says in shared memory how far it is may gain the time of as many steps as the planner takes."""
    forged = world(
        "views = [o for o in sys.modules['gc'].get_objects() if type(o) is memoryview and o.format == 'Q']\n"
        "        views[0][0] = 2**64 - 1\n        while True: pass"
    )
    (plan,) = plans(sandbox, forged, n=1)
    assert plan.failure is not None
    assert plan.failure.kind == "timeout"
    assert plan.model_steps == 0


def tampered_planner(returns: str) -> Program:
    return world(
        "planner = [o for o in sys.modules['gc'].get_objects() if type(o).__name__ == 'MCTS'][0]\n"
        f"        type(planner).plan = lambda *x: {returns}\n        return self.o, 1.0, False"
    )


@pytest.mark.parametrize("returns", ["[[np.nan]]", "np.zeros((10**5, 1))", "np.full((1, 1), np.inf)"])
def test_impossible_actions_are_a_violation(sandbox: Sandbox, returns: str) -> None:
    plan = plans(sandbox, tampered_planner(returns))[1]
    assert plan.failure is not None
    assert plan.failure.kind == "protocol_violation"


def test_impossible_counts_are_a_violation(sandbox: Sandbox) -> None:
    program = world(
        "model = [o for o in sys.modules['gc'].get_objects() if type(o).__name__ == 'CandidateModel'][0]\n"
        "        model.steps = 2**60\n        return self.o, 1.0, False"
    )
    (plan,) = plans(sandbox, program, n=1)
    assert plan.failure is not None
    assert plan.failure.kind == "protocol_violation"


@pytest.mark.parametrize(("returned", "action"), [("99.0", 2.0), ("-7.0", 0.0), ("1.4", 1.0)])
def test_actions_are_brought_within_the_space(sandbox: Sandbox, returned: str, action: float) -> None:
    plan = plans(sandbox, tampered_planner(f"[[{returned}]]"))[1]
    assert plan.actions is not None
    assert plan.actions.tolist() == [[action]]


def test_a_planner_cannot_be_imported_by_the_program(sandbox: Sandbox) -> None:
    (plan,) = plans(sandbox, world("import cwmb.planners; return self.o, 1.0, False"), n=1)
    assert plan.actions is None
    assert plan.failed_steps == plan.model_steps


def test_unknown_planners_and_wrong_parameters(sandbox: Sandbox) -> None:
    with pytest.raises(CwmbError, match=r"unknown planner 'mtcs'.*did you mean 'mcts'"):
        plans(sandbox, HONEST, PlannerSpec("mtcs", {}))
    with pytest.raises(CwmbError, match="simulations must be at least 1"):
        plans(sandbox, HONEST, PlannerSpec("mcts", {"simulations": 0}))
    with pytest.raises(CwmbError, match="unexpected keyword argument 'depth'"):
        plans(sandbox, HONEST, PlannerSpec("mcts", {"depth": 0}))
