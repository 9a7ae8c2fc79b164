"""How long a program can be rolled along recorded actions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from cwmb import reference
from cwmb.benchmark import trajectories
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import protocol
from cwmb.judging.horizon import (
    Horizon,
    horizon,
    longest_episodes,
    program_horizon,
    recorded_trajectories,
    simulator_horizon,
)
from cwmb.judging.judge import Judge
from cwmb.sandbox import Sandbox
from cwmb.types import OK, RAISED, Predictions, Program, Transitions
from cwmb.worlds import make


def recorded(lengths: list[int], *, terminated: bool = False) -> Transitions:
    """Episodes that count up from 1; the last step of each is terminal if asked for."""
    steps = np.concatenate([np.arange(n) for n in lengths])
    n = len(steps)
    ends = np.zeros(n, np.bool_)
    if terminated:
        ends[np.cumsum(lengths) - 1] = True
    return Transitions(
        observations=steps[:, None] + 0.0,
        actions=np.zeros((n, 1)),
        rewards=np.zeros(n),
        next_observations=steps[:, None] + 1.0,
        terminated=ends,
        truncated=np.zeros(n, np.bool_),
        episodes=np.repeat(np.arange(len(lengths)), lengths),
        steps=steps,
        determined=np.ones((n, 3), np.bool_),
    )


def said(observations: np.ndarray) -> Predictions:
    n = len(observations)
    return Predictions(observations, np.zeros(n), np.zeros(n, np.bool_), np.full(n, OK, np.uint8))


def test_the_horizon_ends_with_the_first_step_outside_of_the_tolerance() -> None:
    truth = recorded([5, 5, 5])
    wrong = truth.next_observations.copy()
    # Relative and absolute at once: a hundredth is allowed 0.01 · (1 + 3) at a value of 3.
    wrong[[2, 3, 7, 10], 0] += [0.05, -0.01, 0.5, 9.0]
    assert horizon(truth, said(wrong), 0.01) == Horizon([2.0, 2.0, 5.0], 5.0)
    assert horizon(truth, said(truth.next_observations), 1e-9).steps == [5.0, 5.0, 5.0]
    assert horizon(truth, said(np.full_like(wrong, np.nan)), 0.01).steps == [0.0, 0.0, 0.0]


def test_discrete_observations_are_compared_exactly_at_every_level() -> None:
    truth = recorded([4])
    wrong = truth.next_observations.copy()
    wrong[3] += 1e-12
    assert horizon(truth, said(wrong), None).steps == [3.0, 3.0, 3.0]


def test_the_state_after_the_end_does_not_matter_but_failing_does() -> None:
    truth = recorded([3], terminated=True)
    wrong = truth.next_observations.copy()
    wrong[2] = 99.0
    assert horizon(truth, said(wrong), 0.01).steps == [3.0, 3.0, 3.0]
    failed = replace(said(wrong), status=np.array([OK, OK, RAISED], np.uint8))
    assert horizon(truth, failed, 0.01).steps == [2.0, 2.0, 2.0]


def test_the_longest_episodes_in_order_of_time_whatever_the_order_of_rows() -> None:
    truth = recorded([1, 3, 2, 3, 1])
    shuffled = truth.take(np.random.default_rng(0).permutation(len(truth)))
    chosen = longest_episodes(shuffled, 3)
    assert sorted(set(chosen.episodes.tolist())) == [1, 2, 3]
    wrong = chosen.next_observations.copy()
    wrong[(chosen.episodes == 1) & (chosen.steps == 1)] = 50.0
    assert horizon(chosen, said(wrong), 0.01) == Horizon([2.0, 2.0, 2.0], 3.0)
    assert set(longest_episodes(truth, 1).episodes.tolist()) == {1}


def test_single_transitions_are_no_trajectories() -> None:
    single, train = recorded([1, 1, 1]), recorded([2, 2])
    assert len(recorded_trajectories(single, train)) == 4
    assert len(recorded_trajectories(recorded([3]), train)) == 3


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Sandbox(workers=1) as sandbox:
        yield Judge.of(sandbox, protocol("standard"), environment("CartPole-v1"))


def test_a_right_program_stays_with_the_simulator_and_a_wrong_one_does_not(judge: Judge) -> None:
    spec = environment("CartPole-v1")
    truth = longest_episodes(trajectories.transitions(spec, "test"))
    best = simulator_horizon(make(spec), truth, judge.rules.observation)
    assert best.steps[0] == best.length > 20
    right = reference.program("CartPole-v1")
    assert program_horizon(judge, right, truth) == best
    # A time step that is longer by a hundred-thousandth: within the tolerance at once, outside of it later.
    drifting = Program(right.source.replace("DT = 0.02", "DT = 0.0200002"))
    assert drifting != right
    steps = program_horizon(judge, drifting, truth).steps
    assert 1 < steps[0] < steps[1] < steps[2] == best.length
    unloadable = Program("class Environment:\n    pass\n")
    assert program_horizon(judge, unloadable, truth).steps == [0.0, 0.0, 0.0]
