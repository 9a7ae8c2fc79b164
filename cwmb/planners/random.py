"""The random policy: the floor of the normalised return."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cwmb.planners import Floats, Model


@dataclass(frozen=True)
class Random:
    """Draws every action uniformly from the action space, without looking at the model."""

    low: Floats
    high: Floats
    dtype: str

    @property
    def most_steps(self) -> int:
        """None are taken in the model."""
        return 0

    def plan(self, model: Model, rng: np.random.Generator) -> Floats:
        """The next action [1, A]."""
        if np.issubdtype(self.dtype, np.integer):
            first, last = self.low.astype(np.int64), self.high.astype(np.int64)
            return rng.integers(first, last, size=(1, len(first)), endpoint=True).astype(np.float64)
        return rng.uniform(self.low, self.high, size=(1, len(self.low))).astype(self.dtype).astype(np.float64)
