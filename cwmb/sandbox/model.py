"""The program as a world model for a planner. Runs in the child.

Everything passes by value: a program may keep and change what it is given, and goes on changing what it has returned.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import isfinite
from typing import Any

import numpy as np

from cwmb.planners import SimulationFailed
from cwmb.sandbox.values import Floats, decoder, encoder, real, truth, unpack


class CandidateModel:
    """A program set on the state that is planned from (see cwmb.planners.Model).

    steps, failed_steps: counted since the last begin().
    """

    def __init__(self, environment: Any, observation_kind: str, observation_size: int, discrete: bool) -> None:
        self._set_state, self._step = environment.set_state, environment.step
        self._decode = decoder(observation_kind)
        self._encode = encoder(observation_kind, observation_size)
        self._is_box = observation_kind == "box"
        self._discrete = discrete
        self._row = np.empty(observation_size)
        self._zeros = np.zeros(observation_size)
        self._root = np.zeros(observation_size)
        self.steps = self.failed_steps = 0

    def begin(self, observation: Floats) -> None:
        """Plan from this observation [D] from now on."""
        self._root = observation
        self.steps = self.failed_steps = 0

    def reset(self) -> None:
        """Go to the state that is planned from. Raises SimulationFailed."""
        try:
            self._set_state(self._decode(self._root))
        except BaseException as error:
            self._fail(error)

    def step(self, action: Any) -> tuple[Hashable, float, bool]:
        """Take an action; see cwmb.planners.Model. Raises SimulationFailed."""
        self.steps += 1
        try:
            returned = self._step(int(action) if self._discrete else np.array(action, dtype=np.float64))
            observation, reward, done = unpack(returned)
            row = self._row
            self._encode(observation, row)
            reward, done = real(reward, "reward"), truth(done)
            # A product with zeros is 0 unless an element is infinite or NaN.
            if not isfinite(reward) or (self._is_box and self._zeros.dot(row) != 0.0):
                raise FloatingPointError("a reward or an observation is not finite")
        except BaseException as error:
            self._fail(error)
        # + 0.0 makes one key of 0.0 and -0.0.
        return (row + 0.0).tobytes(), reward, done

    def returns(self, plans: Floats) -> Floats:
        """Sums of rewards [K] of plans [K, H, A]; see cwmb.planners.Model."""
        plans = np.array(plans, dtype=np.float64)  # the program gets views of this copy
        totals = np.empty(len(plans))
        for k, plan in enumerate(plans):
            actions = [int(a[0]) for a in plan] if self._discrete else plan
            totals[k] = self._return(actions)
        return totals

    def _return(self, actions: Any) -> float:
        """The sum of rewards of one plan, -inf if a step fails. The innermost loop of shooting planners."""
        step, encode, row = self._step, self._encode, self._row
        finite_test = self._zeros.dot if self._is_box else None
        total, taken = 0.0, 0
        try:
            self._set_state(self._decode(self._root))
            for action in actions:
                taken += 1
                returned = step(action)
                if type(returned) is not tuple or len(returned) != 3:
                    unpack(returned)
                observation, reward, done = returned
                encode(observation, row)
                if type(reward) is not float:
                    reward = real(reward, "reward")
                if not isfinite(reward) or (finite_test is not None and finite_test(row) != 0.0):
                    raise FloatingPointError("a reward or an observation is not finite")
                total += reward
                if done is True or (done is not False and truth(done)):
                    break
        except BaseException:
            self.failed_steps += 1
            total = -np.inf
        self.steps += taken
        return total

    def _fail(self, error: BaseException) -> None:
        self.failed_steps += 1
        raise SimulationFailed(type(error).__name__) from None
