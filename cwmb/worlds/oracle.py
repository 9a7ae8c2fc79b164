"""The true environment as a world model, for the oracle."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from cwmb.planners import Stepwise
from cwmb.types import Floats
from cwmb.worlds.simulator import Simulator, Snapshot


class SimulatorModel(Stepwise):
    """A simulator set on a snapshot: what planners see of the true environment (cwmb.planners.Model).

    The time limit does not end a plan. A stochastic environment draws its hidden state and all that follows from rng,
    anew with every reset, so that the planner knows no more than a player. The simulator's state is used up: an episode
    that goes on in it has to load its own snapshot again, or plan in another simulator.
    """

    def __init__(self, simulator: Simulator, snapshot: Snapshot, rng: np.random.Generator) -> None:
        self._simulator, self._snapshot, self._rng = simulator, snapshot, rng

    def reset(self) -> None:
        """Go to the snapshot."""
        self._simulator.load(self._snapshot, self._rng)

    def step(self, action: Any) -> tuple[Hashable, float, bool]:
        """Take an action (an int or a row [A]); returns (the observation's bytes, reward, terminated)."""
        row = np.asarray(action, dtype=np.float64).reshape(-1)
        observation, reward, terminated, _ = self._simulator.step(row)
        return observation.tobytes(), reward, terminated

    def returns(self, plans: Floats) -> Floats:
        """Sums of rewards [K] of the open-loop plans [K, H, A], each from the snapshot, up to termination."""
        self.reset()  # hands rng over, from which a stochastic environment draws for every plan
        return self._simulator.returns(self._snapshot, plans)
