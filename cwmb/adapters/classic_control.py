"""Gymnasium's classic control environments: the state is the observation, but for angles and float32."""

from __future__ import annotations

import numpy as np

from cwmb.adapters.base import GymnasiumSimulator
from cwmb.types import Floats


class CartPole(GymnasiumSimulator):
    """CartPole: the observation is the state."""

    state_attributes = ("state", "steps_beyond_terminated")

    def _restore(self, observation: Floats) -> None:
        self.env.state = observation.copy()
        self.env.steps_beyond_terminated = None


class MountainCar(GymnasiumSimulator):
    """MountainCar: the observation is the state."""

    state_attributes = ("state",)

    def _restore(self, observation: Floats) -> None:
        self.env.state = observation.copy()


class Acrobot(GymnasiumSimulator):
    """Acrobot: the observation is (cos θ1, sin θ1, cos θ2, sin θ2, θ1', θ2')."""

    state_attributes = ("state",)

    def _restore(self, observation: Floats) -> None:
        cos1, sin1, cos2, sin2, *velocities = observation
        self.env.state = np.array([np.arctan2(sin1, cos1), np.arctan2(sin2, cos2), *velocities])


class Pendulum(GymnasiumSimulator):
    """Pendulum: the observation is (cos θ, sin θ, θ')."""

    state_attributes = ("state",)

    def _restore(self, observation: Floats) -> None:
        cos, sin, velocity = observation
        self.env.state = np.array([np.arctan2(sin, cos), velocity])
