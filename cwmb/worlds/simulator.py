"""What every environment family offers: the real environment, and the means to put it into a given state."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from cwmb.types import Floats, Space

Snapshot = Any  # opaque to everyone but the simulator that made it


class Simulator(Protocol):
    """A real environment in the benchmark's encoding: observations and actions are float64 rows (see cwmb.types).

    Made by ``cwmb.worlds.make(spec)``. Actions are cast to the action space's dtype before they are applied.
    """

    observation_space: Space
    action_space: Space

    def reset(self, seed: int | None = None) -> Floats:
        """Start an episode; returns the first observation [D]."""
        ...

    def step(self, action: Floats) -> tuple[Floats, float, bool, bool]:
        """Returns (observation [D], reward, terminated, truncated); truncated is the environment's own time limit."""
        ...

    def restore(self, observation: Floats) -> None:
        """Put the simulator into the state that an observation [D] tells, as well as it can be known."""
        ...

    def snapshot(self) -> Snapshot:
        """Everything that the next steps depend on, generators excepted: exact to the last bit."""
        ...

    def load(self, snapshot: Snapshot, rng: np.random.Generator | None = None) -> None:
        """Return to a snapshot. A stochastic environment draws its hidden state and its further randomness from rng."""
        ...

    def returns(self, snapshot: Snapshot, actions: Floats) -> Floats:
        """Sums of rewards [K] of K open-loop plans, actions [K, H, A], each from the snapshot, ended at termination.

        The time limit does not end a plan. Native and threaded where the family allows it.
        """
        ...
