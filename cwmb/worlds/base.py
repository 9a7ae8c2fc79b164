"""What the families share: a bare Gymnasium environment behind the interface of cwmb.worlds.simulator."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import load_env_creator

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.types import Floats, Space
from cwmb.worlds.constants import Constant, Values, constants
from cwmb.worlds.simulator import Snapshot


class GymnasiumSimulator:
    """A Gymnasium environment without wrappers; its time limit is counted here.

    The environment is built from the registry's entry point instead of with ``gymnasium.make``: no checker and no
    passive wrapper costs time on each of the millions of steps of an oracle, and nothing advises to run another
    version than the one that the benchmark is defined on.

    state_attributes: the attributes of the environment that its next steps depend on.
    variant: the class that has all constants as attributes, which worlds of other suites are made with.
    """

    state_attributes: ClassVar[Sequence[str]] = ()
    variant: ClassVar[Any] = None

    def __init__(self, spec: EnvironmentSpec) -> None:
        registered = gymnasium.spec(spec.gymnasium_id)
        entry_point = registered.entry_point if spec.world is None else self.variant or registered.entry_point
        self.env: Any = self._build(entry_point, {**registered.kwargs, **spec.kwargs})
        if spec.world is not None:
            self._apply(constants(spec.id), spec.world.constants)
        self.observation_space = _space(self.env.observation_space)
        self.action_space = _space(self.env.action_space)
        self.time_limit = registered.max_episode_steps
        self._elapsed = 0
        self.reset(seed=0)

    def _build(self, entry_point: Any, kwargs: dict[str, Any]) -> Any:
        creator = entry_point if callable(entry_point) else load_env_creator(entry_point)
        return creator(**kwargs)

    def _apply(self, varying: Sequence[Constant], values: Values) -> None:
        """Put a world's constants into the environment."""
        for constant in varying:
            setattr(self.env, constant.field, values[constant.name])
        self.env.configure()

    def reset(self, seed: int | None = None) -> Floats:
        """Start an episode as ``gymnasium``'s reset does; returns the first observation [D]."""
        self._elapsed = 0
        observation, _ = self.env.reset(seed=seed)
        return _row(observation)

    def step(self, action: Floats) -> tuple[Floats, float, bool, bool]:
        """Returns (observation [D], reward, terminated, truncated) after an action [A]."""
        observation, reward, terminated, _, _ = self.env.step(self._action(action))
        self._elapsed += 1
        truncated = self.time_limit is not None and self._elapsed >= self.time_limit
        return _row(observation), float(reward), bool(terminated), truncated

    def restore(self, observation: Floats) -> None:
        """Put the environment into the state that an observation [D] tells; its time limit starts anew."""
        self._elapsed = 0
        self._restore(np.asarray(observation, dtype=np.float64))

    def _restore(self, observation: Floats) -> None:
        raise NotImplementedError

    def snapshot(self) -> Snapshot:
        """Everything that the next steps depend on, the generator excepted."""
        return self._elapsed, {name: copy.copy(getattr(self.env, name)) for name in self.state_attributes}

    def load(self, snapshot: Snapshot, rng: np.random.Generator | None = None) -> None:
        """Return to a snapshot; rng matters to stochastic environments only."""
        self._elapsed, attributes = snapshot
        for name, value in attributes.items():
            setattr(self.env, name, copy.copy(value))

    def returns(self, snapshot: Snapshot, actions: Floats) -> Floats:
        """Sums of rewards [K] of K open-loop plans [K, H, A] from the snapshot, each ended at termination.

        In a stochastic environment each plan meets a fresh draw of the hidden state and of what follows. The state
        of the simulator afterwards is unspecified.
        """
        return open_loop_returns(lambda: self.load(snapshot, self.env.np_random), self.step, actions)

    def _action(self, row: Floats) -> Any:
        if self.action_space.kind == "discrete":
            return int(row[0])
        return np.asarray(row, dtype=self.action_space.dtype)


def open_loop_returns(
    begin: Callable[[], None], step: Callable[[Floats], tuple[Floats, float, bool, bool]], actions: Floats
) -> Floats:
    """Sums of rewards [K] of plans [K, H, A], each ended at termination. begin: goes to where every plan starts."""
    totals = np.zeros(len(actions))
    for k, plan in enumerate(actions):
        begin()
        for action in plan:
            _, reward, terminated, _ = step(action)
            totals[k] += reward
            if terminated:
                break
    return totals


def _row(observation: Any) -> Floats:
    """A fresh float64 row [D] of an int, a tuple of ints or an array."""
    return np.array(observation, dtype=np.float64).reshape(-1)


def _space(space: spaces.Space[Any]) -> Space:
    """The benchmark's description of a Gymnasium space."""
    if isinstance(space, spaces.Box):
        low, high = (tuple(bound.astype(np.float64).ravel().tolist()) for bound in (space.low, space.high))
        return Space("box", low, high, str(space.dtype))
    if isinstance(space, spaces.Discrete):
        return Space("discrete", (float(space.start),), (float(space.start + space.n - 1),), "int64")
    if isinstance(space, spaces.Tuple):
        parts = [_space(part) for part in space.spaces]
        return Space("tuple", sum((p.low for p in parts), ()), sum((p.high for p in parts), ()), "int64")
    raise TypeError(f"no encoding for {space}")


def gymnasium_space(space: Space) -> spaces.Space[Any]:
    """Gymnasium's space of the benchmark's description."""
    if space.kind == "box":
        dtype = np.dtype(space.dtype)
        return spaces.Box(np.array(space.low, dtype), np.array(space.high, dtype), dtype=dtype.type)
    if space.kind == "board":
        return spaces.MultiDiscrete([int(high) + 1 for high in space.high])
    parts = [
        spaces.Discrete(int(high - low) + 1, start=int(low)) for low, high in zip(space.low, space.high, strict=True)
    ]
    return parts[0] if space.kind == "discrete" else spaces.Tuple(parts)
