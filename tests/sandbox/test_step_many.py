"""Many steps at once: planned with where they are those of step, ignored and reported where not."""

from __future__ import annotations

import numpy as np
import pytest

from cwmb.benchmark.protocols import Limits, PlannerSpec
from cwmb.sandbox import Plan, Sandbox
from cwmb.types import Program

from .worlds import bounded, box, discrete

CEM = PlannerSpec("cem", {"horizon": 6, "iterations": 3, "samples": 30, "elites": 5, "execute": 2})
ICEM = PlannerSpec("icem", {"horizon": 6, "iterations": 3, "samples": 30, "elites": 5, "execute": 2})
MCTS = PlannerSpec("mcts", {"simulations": 20, "max_rollout_actions": 5})

# A spring that is pushed, with an end; what it says once is what it says of each row.
STEP = """
import numpy as np


def advance(o, a):
    position, speed = o[..., 0], o[..., 1]
    speed = speed + 0.1 * (np.clip(a[..., 0], -1.0, 1.0) - position)
    position = position + 0.1 * speed
    return np.stack([position, speed], axis=-1), position - 0.01 * a[..., 0] ** 2, position > 0.06


class Environment:
    many = False

    def set_state(self, o):
        self.o = o

    def step(self, a):
        self.o, reward, done = advance(self.o, a)
        {step}
        return self.o.copy(), float(reward), bool(done)
"""


def spring(many: str = "", step: str = "pass") -> Program:
    body = "".join(f"        {line}\n" for line in many.splitlines())
    return Program(STEP.format(step=step) + (f"\n    def step_many(self, o, a):\n{body}" if many else ""))


RIGHT = "return advance(o, a)"


def plans(sandbox: Sandbox, program: Program, planner: PlannerSpec = CEM, n: int = 4) -> list[Plan]:
    with sandbox.planning(program, box(2), bounded(1), planner, Limits(), 0) as session:
        return [session.plan(np.array([0.02 * i, 0.0])) for i in range(n)]


def actions(made: list[Plan]) -> list[list[float]]:
    return [plan.actions.ravel().tolist() for plan in made if plan.actions is not None]


@pytest.mark.parametrize("planner", [CEM, ICEM])
def test_plans_are_the_same_and_so_are_their_counts(sandbox: Sandbox, planner: PlannerSpec) -> None:
    one, many = (plans(sandbox, program, planner) for program in (spring(), spring(RIGHT)))
    assert {plan.step_many for plan in one} == {None}
    assert {plan.step_many for plan in many} == {"used"}
    assert len(actions(one)) == 4
    assert actions(many) == actions(one)
    assert [p.model_steps for p in many] == [p.model_steps for p in one]
    # Some samples end early, so that a wrong treatment of ends would be seen.
    assert any(p.model_steps % 30 for p in one)


def test_it_is_taken_instead_of_step(sandbox: Sandbox) -> None:
    counting = spring(RIGHT, "if self.many: raise ValueError").source.replace(
        "return advance(o, a)", "Environment.many = len(o) < 30; return advance(o, a)"
    )
    made = plans(sandbox, Program(counting), n=1)
    assert made[0].step_many == "used"
    assert made[0].failed_steps == 0


WRONG = {
    "raise ValueError('no')": "it raised ValueError",
    "return 1": "it returned something else than a tuple",
    "return advance(o, a)[:2]": "it returned something else than a tuple",
    "o, r, d = advance(o, a); return o[:-1], r, d": "its observations are of float64 and shape (29, 2)",
    "o, r, d = advance(o, a); return o, r[:, None], d": "its rewards are of float64 and shape (30, 1)",
    "o, r, d = advance(o, a); return o, r, [None] * len(r)": "its done flags are of object",
    "o, r, d = advance(o, a); return o + [0, 0.001], r, d": "for observation[1] where step says",
    "o, r, d = advance(o, a); return o, r + 1, d": "for the reward where step says",
    "o, r, d = advance(o, a); return o, r, ~d": "for done where step says False",
    "o, r, d = advance(o, a); return o * np.nan, r, d": "it says what is not finite where step says what is",
    "import sys; sys.exit()": "it raised SystemExit",
}


@pytest.mark.parametrize("many", WRONG)
def test_one_that_differs_is_ignored_and_reported(sandbox: Sandbox, many: str) -> None:
    made = plans(sandbox, spring(many))
    one = plans(sandbox, spring())
    assert actions(made) == actions(one)
    assert [p.model_steps for p in made] == [p.model_steps for p in one]
    assert all(p.failure is None for p in made)
    assert all(p.step_many is not None and p.step_many.startswith("ignored: ") for p in made)
    assert WRONG[many] in str(made[0].step_many)


def test_one_that_differs_later_is_found_later(sandbox: Sandbox) -> None:
    """Where nothing is wrong near the beginning: one step of every call is looked at."""
    late = "n, r, d = advance(o, a)\nreturn n, r + (np.abs(o[:, 1]) > 0.05), d"
    said = [plan.step_many for plan in plans(sandbox, spring(late), n=8)]
    assert said[-1] is not None
    assert said[-1].startswith("ignored: it says")


def test_rows_that_fail_end_their_samples(sandbox: Sandbox) -> None:
    both = "n, r, d = advance(o, a)\nreturn np.where(a > 0.5, np.nan, n), r, d"
    one = plans(sandbox, spring(step="self.o = self.o if a[0] <= 0.5 else self.o * np.nan"))
    many = plans(sandbox, spring(both, "self.o = self.o if a[0] <= 0.5 else self.o * np.nan"))
    assert {p.step_many for p in many} == {"used"}
    assert actions(many) == actions(one)
    assert [(p.model_steps, p.failed_steps) for p in many] == [(p.model_steps, p.failed_steps) for p in one]
    assert one[0].failed_steps > 0


def test_small_differences_of_summing_up_are_none(sandbox: Sandbox) -> None:
    other = "n, r, d = advance(o, a)\nreturn n * (1 + 1e-12), r, d"
    assert {p.step_many for p in plans(sandbox, spring(other))} == {"used"}


def test_a_program_cannot_change_what_it_is_given(sandbox: Sandbox) -> None:
    spoils = "said = advance(o, a); o[:] = 7; a[:] = 7; return said"
    assert actions(plans(sandbox, spring(spoils))) == actions(plans(sandbox, spring()))


def test_discrete_worlds_and_what_is_no_method_are_left_alone(sandbox: Sandbox) -> None:
    world = Program(spring(RIGHT).source.replace("a[..., 0]", "np.float64(a)"))
    with sandbox.planning(world, box(2), discrete(2), MCTS, Limits(), 0) as session:
        assert session.plan(np.zeros(2)).step_many is None
    constant = Program(spring().source + "\n    step_many = 3\n")
    assert {p.step_many for p in plans(sandbox, constant)} == {None}


def test_scores_do_not_ask_for_it(sandbox: Sandbox) -> None:
    from .worlds import transitions

    program = spring("import os; os._exit(1)")
    said = sandbox.predict(program, box(2), bounded(1), transitions(np.zeros((5, 2)), np.zeros((5, 1))), Limits(), 0)
    assert said.failure is None
