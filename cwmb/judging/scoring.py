"""How well predictions agree with the truth: pure functions over arrays.

For a transition (s, a, r, s', terminated) the state part S is the share of observation elements that match, the reward
part R and the done part D are 0 or 1. A transition counts (S + R + D) / 3, a terminal one (R + D) / 2 since its next
state does not matter. NaN never matches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import ScoringRules
from cwmb.judging.precision import Scale, precision
from cwmb.types import (
    BAD_OBSERVATION,
    NOT_RUN,
    OK,
    Bools,
    Evaluation,
    Floats,
    Ints,
    Mistake,
    Predictions,
    Transitions,
)


@dataclass(frozen=True)
class Rules:
    """A protocol's scoring rules, made concrete for one environment.

    observation: rtol and atol at once, None for exact equality; reward: the same, or ``float32`` for exact equality
    with the recorded reward rounded to float32 (the published code's rule); time_limit_is_done: whether truncation
    counts as done; by_reward: whether every distinct reward value weighs the same in total; ends: the least share of
    the weight that the transitions which end an episode have in total, where there are any.
    """

    observation: float | None
    reward: float | Literal["float32"]
    time_limit_is_done: bool
    by_reward: bool
    ends: float = 0.0


PAPER_TOLERANCE = 1e-5


def rules(spec: EnvironmentSpec, scoring: ScoringRules) -> Rules:
    """The rules that a protocol applies to an environment (PROTOCOL ``standard`` or ``paper``)."""
    exact = spec.tolerances.observation is None
    return Rules(
        observation=None
        if exact
        else (PAPER_TOLERANCE if scoring.observation == "paper" else spec.tolerances.observation),
        reward="float32" if scoring.reward == "paper" else spec.tolerances.reward,
        time_limit_is_done=scoring.done == "terminated_or_truncated",
        by_reward=scoring.weighting == "every_reward" or spec.reward_values is not None,
        ends=0.0 if spec.reward_values is None else scoring.ends,
    )


@dataclass(frozen=True, eq=False)
class Marks:
    """Which parts of N predictions are right.

    elements: bool [N, D]; reward, done, terminal: bool [N]; ran: bool [N], whether the program answered at all.
    """

    elements: Bools
    reward: Bools
    done: Bools
    terminal: Bools
    ran: Bools

    @property
    def state(self) -> Floats:
        """Share of matching observation elements [N]."""
        return np.asarray(self.elements.mean(axis=1))

    @property
    def right(self) -> Bools:
        """Whether all parts that count are right [N]."""
        return self.reward & self.done & (self.terminal | self.elements.all(axis=1))

    @property
    def score(self) -> Floats:
        """Score of each transition [N]."""
        rest = self.reward.astype(np.float64) + self.done
        return np.where(self.terminal, rest / 2, (self.state + rest) / 3)


def compare(truth: Transitions, predicted: Predictions, rules: Rules) -> Marks:
    """Mark every part of every prediction."""
    answered = (predicted.status == OK) | (predicted.status == BAD_OBSERVATION)
    shaped = predicted.status == OK
    terminal = _done(truth, rules)
    if rules.observation is None:
        elements = predicted.observations == truth.next_observations
    else:
        elements = _close(predicted.observations, truth.next_observations, rules.observation)
    if rules.reward == "float32":
        reward = predicted.rewards == truth.rewards.astype(np.float32).astype(np.float64)
    else:
        reward = _close(predicted.rewards, truth.rewards, rules.reward)
    return Marks(
        elements=elements & shaped[:, None],
        reward=reward & answered,
        done=(predicted.done == terminal) & answered,
        terminal=terminal,
        ran=answered,
    )


def evaluate(
    truth: Transitions, predicted: Predictions, rules: Rules, marks: Marks | None = None, scale: Scale | None = None
) -> Evaluation:
    """The evaluation of a program's predictions, without mistakes drawn for feedback. scale: for the precision.

    A program that raised on any transition, or said nothing for another reason than that its time was up, has accuracy
    and precision 0; its parts are still reported. What it had no time for counts as wrong.
    """
    marks = compare(truth, predicted, rules) if marks is None else marks
    n = len(truth)
    going_on = ~marks.terminal
    counts = marks.ran.all() or _only_late(predicted, marks)
    average = partial(_mean, classes=reward_classes(truth, rules), terminal=marks.terminal, ends=rules.ends)
    nearly = None if scale is None else precision(truth, predicted, marks, scale)
    return Evaluation(
        accuracy=average(marks.score) if counts else 0.0,
        state=float(marks.state[going_on].mean()) if going_on.any() else 1.0,
        reward=float(marks.reward.mean()),
        done=float(marks.done.mean()),
        exact=float(marks.right.mean()),
        ran=float(marks.ran.mean()),
        n=n,
        failure=predicted.failure,
        precision=None if nearly is None else average(nearly) if counts else 0.0,
    )


def mistakes(truth: Transitions, predicted: Predictions, marks: Marks, index: Ints) -> tuple[Mistake, ...]:
    """The transitions at ``index`` as feedback."""
    return tuple(
        Mistake(
            index=int(i),
            observation=truth.observations[i].tolist(),
            action=truth.actions[i].tolist(),
            next_observation=truth.next_observations[i].tolist(),
            reward=float(truth.rewards[i]),
            done=bool(marks.terminal[i]),
            predicted_observation=predicted.observations[i].tolist(),
            predicted_reward=float(predicted.rewards[i]),
            predicted_done=bool(predicted.done[i]),
            wrong_elements=[] if marks.terminal[i] else np.flatnonzero(~marks.elements[i]).tolist(),
            reward_wrong=not marks.reward[i],
            done_wrong=not marks.done[i],
        )
        for i in index
    )


def persistence(truth: Transitions, train: Transitions, rules: Rules) -> Predictions:
    """The trivial program: nothing changes, the most common training reward (ties: the smallest), never done."""
    recorded = train.rewards.astype(np.float32).astype(np.float64) if rules.reward == "float32" else train.rewards
    n = len(truth)
    return Predictions(
        observations=truth.observations.copy(),
        rewards=np.full(n, most_common(recorded)),
        done=np.zeros(n, dtype=bool),
        status=np.full(n, OK, dtype=np.uint8),
    )


def most_common(values: ArrayLike) -> float:
    """The most common of some numbers [N]; of several the smallest."""
    found, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    return float(found[counts.argmax()])


def skill(accuracy: float, floor: float, ceiling: float) -> float | None:
    """Where an accuracy lies between floor (0) and ceiling (1); not clipped, None where they are closer than 0.05."""
    return None if ceiling - floor < 0.05 else (accuracy - floor) / (ceiling - floor)


def _only_late(predicted: Predictions, marks: Marks) -> bool:
    """Whether all that a program did not answer is what it had no time for."""
    unanswered = predicted.status[~marks.ran]
    late = predicted.failure is not None and predicted.failure.kind == "timeout"
    return late and bool((unanswered == NOT_RUN).all())


def _done(truth: Transitions, rules: Rules) -> Bools:
    return truth.terminated | truth.truncated if rules.time_limit_is_done else truth.terminated


def _close(a: Floats, b: Floats, tolerance: float) -> Bools:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.abs(a - b) <= tolerance + tolerance * np.abs(b))


def reward_classes(truth: Transitions, rules: Rules) -> Ints | None:
    """The class of each transition's reward [N], all of which weigh the same; None where every transition does."""
    if not rules.by_reward:
        return None
    rewards = truth.rewards.astype(np.float32) if rules.reward == "float32" else truth.rewards
    return np.asarray(np.unique(rewards, return_inverse=True)[1], dtype=np.int64)


def _mean(score: Floats, classes: Ints | None, terminal: Bools, ends: float) -> float:
    """Plain mean, or mean of the classes' means. Of ones it is exactly 1.

    Where the terminal ones have less than the share ``ends`` of the weight, they get it, at the cost of the others of
    their class: it matters whether a program knows the end, however few ways there are to reach it.
    """
    if classes is None:
        return float(score.mean())
    counts = np.bincount(classes)
    rate = np.bincount(classes, weights=terminal) / counts
    if not 0 < rate.mean() < ends:
        return float((np.bincount(classes, weights=score) / counts).mean())
    raised = np.minimum(rate * ends / rate.mean(), 1.0)
    with np.errstate(invalid="ignore"):  # a class of terminal ones alone has no others
        of_end, of_other = raised / rate, (1 - raised) / (1 - rate)
    weights = np.where(terminal, of_end[classes], of_other[classes]) / counts[classes]
    return float((weights * score).sum() / weights.sum())
