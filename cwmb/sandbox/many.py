"""A program's own ``step_many``: many steps at once, which planners that shoot take where it says what ``step`` says.

``step_many(observations [K, D], actions [K, A])`` is optional and returns (observations [K, D], rewards [K], done [K]),
each row as ``set_state`` and ``step`` would say. It is compared with them on drawn rows, and not asked any more as soon
as it differs or fails. Runs in the child.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from cwmb.sandbox.values import Bools, Floats, Malformed, decoder, encoder, real, truth, unpack

FIRST_DRAWN, DRAWN = 16, 2  # rows compared at the first step of a process, and at one step of each further call
RELATIVE, ABSOLUTE = 1e-6, 1e-8  # how far the two may be apart: numpy adds up in another order


class Differs(Exception):
    """What is wrong with a program's step_many, in words."""


class StepMany:
    """The method of a program with observations and actions that are vectors.

    refused: why it is not used any more.
    """

    def __init__(self, environment: Any, observation_size: int, rng: np.random.Generator) -> None:
        """rng: draws the rows that are compared."""
        self._environment, self._many = environment, environment.step_many
        self._size, self._rng = observation_size, rng
        self._decode, self._encode = decoder("box"), encoder("box", observation_size)
        self._compared = False
        self.refused: str | None = None

    def drawn_step(self, horizon: int) -> int:
        """At which of the steps of a call rows are to be compared."""
        return int(self._rng.integers(horizon)) if self._compared else 0

    def step(self, observations: Floats, actions: Floats, compare: bool) -> tuple[Floats, Floats, Bools]:
        """Observations [K, D], rewards [K] and done [K] after actions [K, A]; a row that failed is not finite.

        Raises:
            Differs: it raised, returned something else, or something else than step() does on rows compared.
        """
        try:
            said = _checked(self._many(observations.copy(), actions.copy()), observations.shape)
        except Malformed as error:
            raise Differs(str(error)) from None
        except BaseException as error:
            raise Differs(f"it raised {type(error).__name__}") from None
        if compare:
            count = min(DRAWN if self._compared else FIRST_DRAWN, len(actions))
            for i in self._rng.choice(len(actions), count, replace=False):
                self._compare(observations[i], actions[i], said[0][i], float(said[1][i]), bool(said[2][i]))
            self._compared = True
        return said

    def _compare(self, observation: Floats, action: Floats, after: Floats, reward: float, done: bool) -> None:
        row = np.full(self._size, np.nan)
        try:
            self._environment.set_state(self._decode(observation))
            returned = unpack(self._environment.step(action.copy()))
            self._encode(returned[0], row)
            one_reward, one_done = real(returned[1], "reward"), truth(returned[2])
            fails = not (isfinite(one_reward) and np.isfinite(row).all())
        except BaseException:
            fails = True
        if fails or not (isfinite(reward) and np.isfinite(after).all()):
            if not fails:
                raise Differs("it says what is not finite where step says what is")
            if isfinite(reward) and np.isfinite(after).all():
                raise Differs("it says something where step fails")
            return
        wrong = np.flatnonzero(np.abs(after - row) > ABSOLUTE + RELATIVE * np.abs(row))
        if len(wrong):
            i = int(wrong[0])
            raise Differs(f"it says {after[i]:.9g} for observation[{i}] where step says {row[i]:.9g}")
        if abs(reward - one_reward) > ABSOLUTE + RELATIVE * abs(one_reward):
            raise Differs(f"it says {reward:.9g} for the reward where step says {one_reward:.9g}")
        if done != one_done:
            raise Differs(f"it says {done} for done where step says {one_done}")


def _checked(returned: Any, shape: tuple[int, ...]) -> tuple[Floats, Floats, Bools]:
    """What step_many returned, as arrays of our own. Raises Malformed."""
    if not isinstance(returned, tuple) or len(returned) != 3:
        raise Malformed("it returned something else than a tuple of observations, rewards and done flags")
    observations, rewards, done = (np.array(part) for part in returned)
    for name, array, wanted in (
        ("observations", observations, shape),
        ("rewards", rewards, shape[:1]),
        ("done flags", done, shape[:1]),
    ):
        if array.shape != wanted or array.dtype.kind not in "fiub":
            raise Malformed(f"its {name} are of {array.dtype} and shape {array.shape}, they should be of {wanted}")
    return observations.astype(np.float64), rewards.astype(np.float64), done.astype(np.bool_)
