"""Precision: how nearly right predictions are, in decimal digits.

Accuracy gives an approximation nothing. Here each element of the observation and the reward counts the digits in which
it is right, from 0 to DIGITS as a share: an error as large as what usually happens in a step has none, a tenth of that
has one. It stands beside accuracy and is averaged like it, but for done, which has no digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from cwmb.types import Floats, Predictions, Transitions

if TYPE_CHECKING:
    from cwmb.judging.scoring import Marks

DIGITS = 5


@dataclass(frozen=True, eq=False)
class Scale:
    """What an error is held against; 0 where only a match counts, since the values are discrete or constant.

    observation [D]: root mean square of each element's change in a step; reward: its standard deviation.
    """

    observation: Floats
    reward: float


def scale(train: Transitions, *, discrete_observation: bool, discrete_reward: bool) -> Scale:
    """The scale of the training transitions."""
    change = train.next_observations - train.observations
    observation = np.sqrt(np.mean(change**2, axis=0))
    constant = discrete_reward or np.ptp(train.rewards) == 0.0  # their deviation may be a rounding error
    return Scale(
        observation=np.zeros_like(observation) if discrete_observation else observation,
        reward=0.0 if constant else float(train.rewards.std()),
    )


def digits(error: ArrayLike, scale: ArrayLike) -> Floats:
    """Right digits as shares of DIGITS, for errors and positive scales of one shape. Of NaN there are none."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        right = -np.log10(np.abs(error) / np.asarray(scale, dtype=np.float64))
    return np.asarray(np.clip(np.nan_to_num(right, nan=0.0, posinf=DIGITS), 0.0, DIGITS) / DIGITS)


def precision(truth: Transitions, predicted: Predictions, marks: Marks, scale: Scale) -> Floats:
    """Precision of each transition [N]: the mean of its state's and its reward's, of a terminal one the reward's.

    0 where the program did not answer.
    """
    elements = marks.elements.astype(np.float64)
    graded = scale.observation > 0
    error = predicted.observations[:, graded] - truth.next_observations[:, graded]
    elements[:, graded] = digits(error, scale.observation[graded])
    reward = marks.reward.astype(np.float64)
    if scale.reward > 0:
        reward = digits(predicted.rewards - truth.rewards, scale.reward)
    return np.where(marks.ran, np.where(marks.terminal, reward, (elements.mean(axis=1) + reward) / 2), 0.0)
