"""How well predictions agree with the truth: pure functions over arrays.

For a transition (s, a, r, s', terminated) the state part S is the share of observation elements that match, the reward
part R and the done part D are 0 or 1. A transition counts (S + R + D) / 3, a terminal one (R + D) / 2 since its next
state does not matter. NaN never matches. Of a board S is 0 or 1, and which actions are valid is a fourth part like it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise, zip_longest
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import ScoringRules
from cwmb.judging.precision import DIGITS, Scale, digits, precision
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
    the weight that the transitions which end an episode have in total, where there are any; malformed_raises: whether
    an observation of the wrong shape or kind costs as much as an exception; parts: see EnvironmentSpec.
    """

    observation: float | None
    reward: float | Literal["float32"]
    time_limit_is_done: bool
    by_reward: bool
    ends: float = 0.0
    malformed_raises: bool = False
    parts: tuple[int, ...] = ()


PAPER_TOLERANCE = 1e-5
SHOWN_ELEMENTS = 20  # of those that are wrong in a large observation


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
        malformed_raises=scoring.malformed == "everything",
        parts=tuple(spec.parts),
    )


@dataclass(frozen=True, eq=False)
class Marks:
    """Which parts of N predictions are right.

    elements: bool [N, D]; reward, done, terminal: bool [N]; ran: bool [N], whether the program answered at all; formed:
    bool [N], whether its observation was one; parts: sizes of those parts of an observation that are right as wholes.
    """

    elements: Bools
    reward: Bools
    done: Bools
    terminal: Bools
    ran: Bools
    formed: Bools
    parts: tuple[int, ...] = ()

    @property
    def wholes(self) -> Floats:
        """The observation's marks [N, P]: the share of matching elements, or whether each part matches as a whole."""
        if not self.parts:
            return np.asarray(self.elements.mean(axis=1, keepdims=True))
        return np.stack(
            [part.all(axis=1) for part in np.split(self.elements, np.cumsum(self.parts)[:-1], axis=1)], axis=1
        ).astype(np.float64)

    @property
    def state(self) -> Floats:
        """The mark of the state [N]: that of the observation, or of its first part."""
        return np.asarray(self.wholes[:, 0])

    @property
    def right(self) -> Bools:
        """Whether all parts that count are right [N]."""
        return self.reward & self.done & (self.terminal | self.elements.all(axis=1))

    @property
    def score(self) -> Floats:
        """Score of each transition [N]."""
        rest = self.reward.astype(np.float64) + self.done
        wholes = self.wholes
        return np.where(self.terminal, rest / 2, (wholes.sum(axis=1) + rest) / (wholes.shape[1] + 2))

    def excused(self, determined: Bools) -> Marks:
        """The marks with all right that is not determined [N, D + 2], as long as it was said in due form."""
        return replace(
            self,
            elements=self.elements | (~determined[:, :-2] & self.formed[:, None]),
            reward=self.reward | (~determined[:, -2] & self.ran),
            done=self.done | (~determined[:, -1] & self.ran),
        )


def compare(truth: Transitions, predicted: Predictions, rules: Rules) -> Marks:
    """Mark every part of every prediction."""
    shaped = predicted.status == OK
    answered = shaped if rules.malformed_raises else shaped | (predicted.status == BAD_OBSERVATION)
    terminal = _done(truth, rules)
    elements = ~beyond(predicted.observations, truth.next_observations, rules.observation)
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
        formed=shaped,
        parts=rules.parts,
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
        determined=float(marks.excused(truth.determined).right.mean()),
        precision=None if nearly is None else average(nearly) if counts else 0.0,
        valid=_valid(marks, going_on),
    )


def _valid(marks: Marks, going_on: Bools) -> float | None:
    if len(marks.parts) < 2:
        return None
    return float(marks.wholes[going_on, 1].mean()) if going_on.any() else 1.0


def mistakes(
    truth: Transitions,
    predicted: Predictions,
    marks: Marks,
    counted: Marks,
    index: Ints,
    blocks: Sequence[int] = (),
    graded: Scale | None = None,
) -> tuple[Mistake, ...]:
    """The transitions at ``index`` as feedback.

    counted: the marks of what is told to be wrong, which may excuse some of what differs; blocks: sizes of the parts of
    a large observation, of which the first two are its state; graded: to tell how many digits are right.
    """
    scale = change(truth)
    found = []
    for i in index:
        wrong = [] if marks.terminal[i] else np.flatnonzero(~counted.elements[i]).tolist()
        differs, tells = ([*m.elements[i], m.reward[i], m.done[i]] for m in (marks, counted))
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(predicted.observations[i] - truth.next_observations[i]) / scale
        found.append(
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
                wrong_elements=wrong,
                reward_wrong=not counted.reward[i],
                done_wrong=not counted.done[i],
                shown=telling(wrong, np.nan_to_num(error, nan=np.inf), blocks),
                undetermined=np.flatnonzero(~np.array(differs) & np.array(tells)).tolist(),
                state=sum(blocks[:2]) if blocks else len(scale),
                malformed=_malformed(predicted, int(i)),
                digits=_digits(truth, predicted, int(i), graded) if graded else [],
            )
        )
    return tuple(found)


def _digits(truth: Transitions, predicted: Predictions, i: int, scale: Scale) -> list[float | None]:
    """Right digits of the elements of a prediction and of its reward, where they are told by a scale."""
    said, true = (
        np.append(observations[i], rewards[i])
        for observations, rewards in (
            (predicted.observations, predicted.rewards),
            (truth.next_observations, truth.rewards),
        )
    )
    of = np.append(scale.observation, scale.reward)
    with np.errstate(invalid="ignore", over="ignore"):
        right = digits(said - true, of) * DIGITS
    return [round(float(d), 1) if s > 0 else None for d, s in zip(right, of, strict=True)]


def varied(order: Ints, counted: Marks, actions: Floats, count: int) -> Ints:
    """Up to ``count`` of the wrong transitions [K]: the first, then those that show most that none before did.

    That is, those in which most other parts are wrong, and of these the one whose action is farthest from the others';
    where nothing new is wrong and the action was shown before, there is no more to be said.
    """
    wrong = ~np.column_stack([counted.elements | counted.terminal[:, None], counted.reward, counted.done])
    scaled = actions / np.where(actions.std(axis=0) > 0, actions.std(axis=0), 1.0)
    taken = [int(i) for i in order[:1]]
    while taken and len(taken) < min(count, len(order)):
        fresh = (wrong[order] & ~wrong[taken].any(axis=0)).sum(axis=1)
        apart = np.min([np.abs(scaled[order] - scaled[i]).sum(axis=1) for i in taken], axis=0)
        best = int(np.lexsort((apart, fresh))[-1])
        if fresh[best] == 0 and apart[best] == 0:
            break
        taken.append(int(order[best]))
    return np.array(taken, dtype=np.int64)


def telling(wrong: Sequence[int], error: Floats, blocks: Sequence[int] = ()) -> list[int]:
    """Those of many wrong elements that say most: the worst of each block in turn, by their error [D]."""
    bounds = np.cumsum([0, *(blocks or [len(error)])])
    ranked = sorted(wrong, key=lambda i: (-error[i], i))
    queues = [[i for i in ranked if start <= i < stop] for start, stop in pairwise(bounds)]
    in_turn = [i for rank in zip_longest(*queues) for i in rank if i is not None]
    return sorted(in_turn[:SHOWN_ELEMENTS])


def _malformed(predicted: Predictions, i: int) -> str:
    """What is wrong with the form of an observation: known of the first one that was."""
    if predicted.status[i] != BAD_OBSERVATION:
        return ""
    failure = predicted.failure
    if failure is None or failure.kind != "bad_observation":
        return "the observation has the wrong shape or type"
    where = "" if failure.transition == i else f" (so it was in transition {failure.transition})"
    return failure.message + where


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


def change(truth: Transitions) -> Floats:
    """How far each element of the observation moves in a step [D], root mean square; 1 where it never does."""
    scale: Floats = np.sqrt(((truth.next_observations - truth.observations) ** 2).mean(axis=0))
    return np.where(scale > 0, scale, 1.0)


def beyond(said: Floats, true: Floats, tolerance: float | None) -> Bools:
    """Where observations [N, D] lie outside of a tolerance, relative and absolute at once (None: are not equal)."""
    return ~(said == true) if tolerance is None else ~_close(said, true, tolerance)


def _close(a: Floats, b: Floats, tolerance: float) -> Bools:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.abs(a - b) <= tolerance + tolerance * np.abs(b))


def reward_classes(truth: Transitions, rules: Rules) -> Ints | None:
    """The class of each transition's reward [N], all of which weigh the same; None where every transition does."""
    if not rules.by_reward:
        return None
    rewards = truth.rewards.astype(np.float32) if rules.reward == "float32" else truth.rewards
    return np.asarray(np.unique(rewards, return_inverse=True)[1], dtype=np.int64)


def weights(truth: Transitions, terminal: Bools, rules: Rules) -> Floats:
    """What each transition counts in the accuracy [N], in sum 1."""
    classes = reward_classes(truth, rules)
    if classes is None:
        return np.full(len(truth), 1 / len(truth))
    counts = np.bincount(classes)
    raised = _raised(classes, counts, terminal, rules.ends)
    chosen = 1 / counts[classes] if raised is None else raised
    return np.asarray(chosen / chosen.sum())


def _mean(score: Floats, classes: Ints | None, terminal: Bools, ends: float) -> float:
    """Plain mean, or mean of the classes' means. Of ones it is exactly 1.

    Where the terminal ones have less than the share ``ends`` of the weight, they get it, at the cost of the others of
    their class: it matters whether a program knows the end, however few ways there are to reach it.
    """
    if classes is None:
        return float(score.mean())
    counts = np.bincount(classes)
    raised = _raised(classes, counts, terminal, ends)
    if raised is None:
        return float((np.bincount(classes, weights=score) / counts).mean())
    return float((raised * score).sum() / raised.sum())


def _raised(classes: Ints, counts: Ints, terminal: Bools, ends: float) -> Floats | None:
    """The weights [N] where those of the terminal ones have to be raised."""
    rate = np.bincount(classes, weights=terminal) / counts
    if not 0 < rate.mean() < ends:
        return None
    raised = np.minimum(rate * ends / rate.mean(), 1.0)
    with np.errstate(invalid="ignore"):  # a class of terminal ones alone has no others
        of_end, of_other = raised / rate, (1 - raised) / (1 - rate)
    return np.asarray(np.where(terminal, of_end[classes], of_other[classes]) / counts[classes])
