"""Spaces, transitions and honest programs for the tests."""

import numpy as np

from cwmb.benchmark.protocols import Limits
from cwmb.types import Program, Space, Transitions

QUICK = Limits(load_seconds=0.25, step_seconds=0.0025, memory_bytes=128 << 20)


def box(size: int) -> Space:
    return Space("box", (-np.inf,) * size, (np.inf,) * size, "float64")


def bounded(size: int) -> Space:
    return Space("box", (-1.0,) * size, (1.0,) * size, "float32")


def discrete(n: int) -> Space:
    return Space("discrete", (0.0,), (n - 1.0,), "int64")


def integers(*highs: int) -> Space:
    return Space("tuple", (0.0,) * len(highs), tuple(float(h) for h in highs), "int64")


def transitions(
    observations: object, actions: object = None, *, episodes: object = None, steps: object = None, answers: float = 0.0
) -> Transitions:
    """Transitions of which only the inputs matter. Without episodes: two of them, alternating."""
    observations = np.array(observations, dtype=np.float64)
    n = len(observations)
    actions = np.zeros((n, 1)) if actions is None else np.array(actions, dtype=np.float64)
    return Transitions(
        observations=observations,
        actions=actions,
        rewards=np.full(n, answers),
        next_observations=np.full(observations.shape, answers),
        terminated=np.zeros(n, bool),
        truncated=np.zeros(n, bool),
        episodes=np.arange(n) % 2 if episodes is None else np.array(episodes),
        steps=np.arange(n) // 2 if steps is None else np.array(steps),
        determined=np.ones((n, observations.shape[1] + 2), bool),
    )


# Adds one to a vector of any size.
HONEST = Program(
    """
import numpy as np


class Environment:
    def set_state(self, observation):
        self.state = observation

    def step(self, action):
        self.state = self.state + 1.0
        return self.state, 1.0, False
"""
)
