"""The open-loop horizon: how many steps a program can be rolled along recorded actions before it leaves the truth.

Planners do the same with a program: set it on an observation once, and step on from what it said itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cwmb.types import OK, Bools, Ints, Predictions, Program, Transitions

if TYPE_CHECKING:
    from cwmb.judging.judge import Judge
    from cwmb.worlds.simulator import Simulator

LEVELS = (1, 10, 100)  # multiples of the tolerance
TRAJECTORIES = 10  # that count: the longest ones; data sets hold many short ones beside, begun at states that matter


@dataclass(frozen=True)
class Horizon:
    """Steps that a program stays within 1, 10 and 100 times the tolerance, rolled along recorded actions: medians.

    length: median length of the recorded trajectories, which no horizon exceeds.
    """

    steps: list[float]
    length: float


def recorded_trajectories(test: Transitions, train: Transitions) -> Transitions:
    """The longest episodes of the test set, or of the training set where the test set holds single transitions."""
    return longest_episodes(test if test.steps.any() else train)


def program_horizon(judge: Judge, program: Program, truth: Transitions) -> Horizon:
    """The horizon of a program on recorded trajectories."""
    return horizon(truth, judge.roll_out(program, truth), judge.rules.observation)


def simulator_horizon(simulator: Simulator, truth: Transitions, tolerance: float | None) -> Horizon:
    """The horizon of the true simulator, restored from the first observation of each trajectory."""
    observations = np.full_like(truth.next_observations, np.nan)
    for rows in _episodes(truth):
        simulator.restore(truth.observations[rows[0]])
        for row in rows:
            observations[row] = simulator.step(truth.actions[row])[0]
    n = len(truth)
    said = Predictions(observations, np.zeros(n), np.zeros(n, np.bool_), np.full(n, OK, np.uint8))
    return horizon(truth, said, tolerance)


def horizon(truth: Transitions, said: Predictions, tolerance: float | None) -> Horizon:
    """The horizon of what was said, step after step. tolerance: relative and absolute at once, None for equality.

    The state after a terminal step does not matter, as in scoring.
    """
    episodes = _episodes(truth)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(said.observations - truth.next_observations) / (1.0 + np.abs(truth.next_observations))
    worst = np.where(said.status == OK, error.max(axis=1, initial=0.0), np.nan)
    worst[truth.terminated & (said.status == OK)] = 0.0
    right = [np.array([_leading(worst[rows] <= level * (tolerance or 0.0)) for rows in episodes]) for level in LEVELS]
    return Horizon([float(np.median(r)) for r in right], float(np.median([len(rows) for rows in episodes])))


def longest_episodes(truth: Transitions, count: int = TRAJECTORIES) -> Transitions:
    """The transitions of the longest episodes, of which the first ones where some are as long as others."""
    ids, lengths = np.unique(truth.episodes, return_counts=True)
    return truth.take(np.isin(truth.episodes, ids[np.argsort(-lengths, kind="stable")[:count]]))


def _episodes(truth: Transitions) -> list[Ints]:
    """The rows of each episode in order of time."""
    order = np.lexsort((truth.steps, truth.episodes))
    return np.split(order, np.flatnonzero(np.diff(truth.episodes[order])) + 1)


def _leading(right: Bools) -> int:
    """How many are true before the first that is not."""
    return int(np.argmin(np.r_[right, False]))
