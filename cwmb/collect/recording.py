"""Recording episodes in the real environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cwmb.types import Floats, Space, Transitions
from cwmb.worlds.simulator import Simulator

Policy = Callable[[Floats], Floats]  # from an observation [D] to an action [A]


@dataclass(frozen=True, eq=False)
class Recording:
    """What becomes one Minari episode: an episode, or (``table``) several short ones, row by row.

    provenance: what is stored beside it, plain values only; seed: of the episode's reset, where it is one episode.
    """

    transitions: Transitions
    provenance: Mapping[str, Any]
    seed: int | None = None
    table: bool = False


def play(simulator: Simulator, observation: Floats, policy: Policy, steps: int) -> Transitions:
    """An episode of at most ``steps`` steps from where the simulator stands and shows ``observation`` [D].

    The cut after ``steps`` steps is neither terminated nor truncated. ``determined`` is False throughout: it is found
    out afterwards.
    """
    observations, actions = [observation], []
    rewards: list[float] = []
    terminated = truncated = False
    while len(rewards) < steps and not (terminated or truncated):
        action = policy(observations[-1])
        observation, reward, terminated, truncated = simulator.step(action)
        observations.append(observation)
        actions.append(action)
        rewards.append(reward)
    n = len(rewards)
    last = np.arange(n) == n - 1
    return Transitions(
        observations=np.array(observations[:-1], dtype=np.float64),
        actions=np.array(actions, dtype=np.float64),
        rewards=np.array(rewards, dtype=np.float64),
        next_observations=np.array(observations[1:], dtype=np.float64),
        terminated=last & terminated,
        truncated=last & truncated,
        episodes=np.zeros(n, dtype=np.int64),
        steps=np.arange(n, dtype=np.int64),
        determined=np.zeros((n, len(observation) + 2), dtype=bool),
    )


def cast(row: Floats, space: Space) -> Floats:
    """The row as the space's dtype can hold it, in float64."""
    return np.asarray(row, dtype=np.float64).astype(space.dtype).astype(np.float64)


def random_action(space: Space, rng: np.random.Generator) -> Floats:
    """A uniform action [A]."""
    if space.kind == "box":
        return cast(rng.uniform(space.low, space.high), space)
    return rng.integers(np.array(space.low, int), np.array(space.high, int) + 1).astype(np.float64)
