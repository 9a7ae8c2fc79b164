"""The program as a world model for a planner. Runs in the child.

Everything passes by value: a program may keep and change what it is given, and goes on changing what it has returned.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, MutableSequence, Sequence
from math import inf, isfinite
from typing import Any

import numpy as np

from cwmb.planners import SimulationFailed
from cwmb.sandbox.many import Differs, StepMany
from cwmb.sandbox.values import Floats, decoder, encoder, real, truth, unpack

_FEW = 24  # elements: to add up a list of so many is quicker than to call into numpy


def _finite(size: int) -> Callable[[Floats], bool]:
    zeros_dot = np.zeros(size).dot
    return lambda row: bool(zeros_dot(row) == 0.0)  # unless an element is infinite or NaN


class CandidateModel:
    """A program set on the state that is planned from (see cwmb.planners.Model).

    steps, failed_steps: counted since the last begin(); progress [1]: where the former is shown to the parent while it
    waits, whose patience depends on it; many: the program's own step_many, if it has one; again: whether the program is
    put into the state that it returned last before every step, as the published code steps it.
    """

    def __init__(
        self,
        environment: Any,
        observation_kind: str,
        observation_size: int,
        discrete: bool,
        progress: MutableSequence[int] | memoryview | None = None,
        many: StepMany | None = None,
        words: Sequence[str] = (),
        again: bool = False,
    ) -> None:
        self._many, self._again = many, again
        self._progress = [0] if progress is None else progress
        self._set_state, self._step = environment.set_state, environment.step
        self._decode = decoder(observation_kind, words)
        self._encode = encoder(observation_kind, observation_size, words)
        self._is_box = observation_kind == "box"
        self._few, self._is_finite = observation_size <= _FEW, _finite(observation_size)
        self._discrete = discrete
        self._row = np.empty(observation_size)
        self._form = self._row.dtype, self._row.shape
        self._root = self._last = np.zeros(observation_size)
        self.steps = self.failed_steps = 0

    def begin(self, observation: Floats) -> None:
        """Plan from this observation [D] from now on."""
        self._root = observation
        self.steps = self.failed_steps = self._progress[0] = 0

    def reset(self) -> None:
        """Go to the state that is planned from. Raises SimulationFailed."""
        self._last = self._root
        if self._again:
            return
        try:
            self._set_state(self._decode(self._root))
        except BaseException as error:
            self._fail(error)

    def step(self, action: Any) -> tuple[Hashable, float, bool]:
        """Take an action; see cwmb.planners.Model. Raises SimulationFailed."""
        self.steps = self._progress[0] = self.steps + 1
        row = self._row
        try:
            if self._again:
                self._set_state(self._decode(self._last))
            returned = self._step(int(action) if self._discrete else np.array(action, dtype=np.float64))
            if type(returned) is not tuple or len(returned) != 3:
                unpack(returned)
            observation, reward, done = returned
            if (
                self._is_box
                and type(observation) is np.ndarray
                and (observation.dtype, observation.shape) == self._form
            ):
                row = observation
            else:
                self._encode(observation, row)
            self._last = row
            if type(reward) is not float:
                reward = real(reward, "reward")
            if type(done) is not bool:
                done = truth(done)
            key = tuple(row.tolist())  # 0.0 and -0.0 are one key
            if not isfinite(reward) or not (isfinite(sum(key)) or np.isfinite(row).all()):
                raise FloatingPointError("a reward or an observation is not finite")
        except BaseException as error:
            self._fail(error)
        return key, reward, done

    def rollout(self, actions: Sequence[int]) -> list[float]:
        """Take actions until one is done or fails; see cwmb.planners.Model."""
        return self._walk(actions)[0]

    def returns(self, plans: Floats) -> Floats:
        """Sums of rewards [K] of plans [K, H, A]; see cwmb.planners.Model."""
        plans = np.array(plans, dtype=np.float64)  # the program gets views of this copy
        if self._many is not None and self._many.refused is None:
            try:
                return self._returns_at_once(self._many, plans)
            except Differs as error:
                self._many.refused = str(error)
        totals = np.empty(len(plans))
        for k, plan in enumerate(plans):
            totals[k] = self._return([int(a[0]) for a in plan] if self._discrete else plan)
        return totals

    def _returns_at_once(self, many: StepMany, plans: Floats) -> Floats:
        """The same by way of step_many, step after step of all plans that go on. Raises Differs."""
        totals = np.zeros(len(plans))
        going_on, observations = np.arange(len(plans)), np.tile(self._root, (len(plans), 1))
        steps, failed, drawn = self.steps, 0, many.drawn_step(plans.shape[1])
        for h in range(plans.shape[1]):
            observations, rewards, done = many.step(observations, plans[going_on, h], compare=h == drawn)
            steps = self._progress[0] = steps + len(going_on)
            fails = ~(np.isfinite(rewards) & np.isfinite(observations).all(axis=1))
            totals[going_on] += np.where(fails, -inf, rewards)
            failed += int(fails.sum())
            left = ~(fails | done)
            going_on, observations = going_on[left], observations[left]
            if not len(going_on):
                break
        self.steps, self.failed_steps = steps, self.failed_steps + failed
        return totals

    def _return(self, actions: Any) -> float:
        """The sum of rewards of one plan, -inf if a step fails."""
        try:
            self.reset()
        except SimulationFailed:
            return -inf
        rewards, failed = self._walk(actions)
        total = 0.0
        for reward in rewards:
            total += reward
        return -inf if failed else total

    def _walk(self, actions: Iterable[Any]) -> tuple[list[float], bool]:
        """The rewards of actions until one is done or fails, and whether one failed: the innermost loop of planning.

        What is usual is accepted here without a call; all else goes the long way, through the functions of values.py.
        """
        set_state, step, decode, encode = self._set_state, self._step, self._decode, self._encode
        again, last, row, is_box = self._again, self._last, self._row, self._is_box
        few, is_finite = self._few, self._is_finite
        array, float64, shape = np.ndarray, row.dtype, row.shape
        rewards: list[float] = []
        steps, progress, failed = self.steps, self._progress, False
        try:
            for action in actions:
                steps = progress[0] = steps + 1
                if again:
                    set_state(decode(last))
                returned = step(action)
                if type(returned) is not tuple or len(returned) != 3:
                    unpack(returned)
                observation, reward, done = returned
                if not is_box:
                    encode(observation, row)
                    last = row
                else:
                    if type(observation) is not array or observation.dtype is not float64 or observation.shape != shape:
                        encode(observation, row)
                        observation = row
                    if not (few and isfinite(sum(observation.tolist()))) and not is_finite(observation):
                        raise FloatingPointError("an observation is not finite")
                    last = observation
                if type(reward) is not float:
                    reward = real(reward, "reward")
                if type(done) is not bool:
                    done = truth(done)
                if not isfinite(reward):
                    raise FloatingPointError("a reward is not finite")
                rewards.append(reward)
                if done:
                    break
        except BaseException:
            self.failed_steps += 1
            failed = True
        if again:
            row[:], self._last = last, row
        self.steps = steps
        return rewards, failed

    def _fail(self, error: BaseException) -> None:
        self.failed_steps += 1
        raise SimulationFailed(type(error).__name__) from None
