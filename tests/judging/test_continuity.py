"""Whether a program goes on from where its own steps have led it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.trajectories import transitions
from cwmb.judging.continuity import lost
from cwmb.judging.judge import Judge
from cwmb.reference import program
from cwmb.sandbox import Sandbox
from cwmb.types import Program, Split


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as made:
        yield made


def share(sandbox: Sandbox, name: str, source: str, split: Split = "train") -> float | None:
    spec = environment(name)
    judge, truth = Judge.of(sandbox, protocol("standard"), spec), transitions(spec, split)
    with judge.afresh(Program(source), truth) as fresh:
        return lost(fresh, truth, judge.rules.observation)


def changed(name: str, behind: str) -> str:
    """The reference program with other methods."""
    return (
        program(name).source.replace("class Environment:", "class Right:") + f"\n\nclass Environment(Right):\n{behind}"
    )


FORGETFUL = """
    def set_state(self, observation):
        self.begun = observation

    def step(self, action):
        Right.set_state(self, self.begun)
        return Right.step(self, action)
"""


@pytest.mark.parametrize("name", ["CartPole-v1", "CliffWalking-v0", "Taxi-v3", "Pendulum-v1", "Pusher-v4"])
def test_a_program_that_keeps_its_state_loses_none_and_one_that_does_not_most(sandbox: Sandbox, name: str) -> None:
    kept, forgotten = share(sandbox, name, program(name).source), share(sandbox, name, changed(name, FORGETFUL))
    assert kept == 0
    assert forgotten is not None
    assert forgotten > 0.5


def test_who_knows_more_than_he_says_loses_nothing(sandbox: Sandbox) -> None:
    """What is said is coarse; going on from what is known comes out nearer than from what was said."""
    coarse = """
    def step(self, action):
        observation, reward, done = Right.step(self, action)
        return observation.round(2), reward, done
"""
    found = share(sandbox, "CartPole-v1", changed("CartPole-v1", coarse))
    assert found is not None
    assert found < 0.3


@pytest.mark.parametrize(("name", "split"), [("CliffWalking-v0", "test"), ("Taxi-v3", "test")])
def test_single_transitions_tell_nothing(sandbox: Sandbox, name: str, split: Split) -> None:
    assert share(sandbox, name, program(name).source, split) is None


@pytest.mark.parametrize(("name", "protocol_name"), [("Blackjack-v1", "standard"), ("CartPole-v1", "paper")])
def test_where_chance_decides_or_states_are_set_nobody_is_asked(
    sandbox: Sandbox, name: str, protocol_name: str
) -> None:
    spec = environment(name)
    judge = Judge.of(sandbox, protocol(protocol_name), spec)
    evaluation = judge.score(program(name), transitions(spec, "train")).evaluation
    assert evaluation.lost is None


def test_a_program_that_raises_or_says_no_numbers_is_not_blamed(sandbox: Sandbox) -> None:
    for step in ("1 / 0", "return [float('nan')] * 4, 0.0, False", "return None"):
        source = (
            f"class Environment:\n    def set_state(self, o):\n        pass\n    def step(self, a):\n        {step}\n"
        )
        assert share(sandbox, "CartPole-v1", source) is None
