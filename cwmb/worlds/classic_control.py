"""Gymnasium's classic control environments: the state is the observation, but for angles and float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cwmb.types import Floats
from cwmb.worlds import variants
from cwmb.worlds.base import GymnasiumSimulator
from cwmb.worlds.simulator import Snapshot

WEIGHTS = ("angle_weight", "velocity_weight", "torque_weight")  # of Pendulum's reward


class CartPole(GymnasiumSimulator):
    """CartPole: the observation is the state."""

    variant = variants.CartPole
    state_attributes = ("state", "steps_beyond_terminated")

    def _restore(self, observation: Floats) -> None:
        self.env.state = observation.copy()
        self.env.steps_beyond_terminated = None


class MountainCar(GymnasiumSimulator):
    """MountainCar: the observation is the state."""

    variant = variants.MountainCar
    state_attributes = ("state",)

    def _restore(self, observation: Floats) -> None:
        self.env.state = observation.copy()


class Acrobot(GymnasiumSimulator):
    """Acrobot: the observation is (cos θ1, sin θ1, cos θ2, sin θ2, θ1', θ2')."""

    variant = variants.Acrobot
    state_attributes = ("state",)

    def _restore(self, observation: Floats) -> None:
        cos1, sin1, cos2, sin2, *velocities = observation
        self.env.state = np.array([np.arctan2(sin1, cos1), np.arctan2(sin2, cos2), *velocities])


class Pendulum(GymnasiumSimulator):
    """Pendulum: the observation is (cos θ, sin θ, θ')."""

    variant = variants.Pendulum
    state_attributes = ("state",)

    def _restore(self, observation: Floats) -> None:
        cos, sin, velocity = observation
        self.env.state = np.array([np.arctan2(sin, cos), velocity])

    def returns(self, snapshot: Snapshot, actions: Floats) -> Floats:
        """Sums of rewards [K] of K open-loop plans [K, H, 1], all plans at once, equal to stepping to the last bit."""
        self.load(snapshot)
        env, weights = self.env, [getattr(self.env, name, getattr(variants.Pendulum, name)) for name in WEIGHTS]
        angle, velocity = (np.full(len(actions), x) for x in env.state)
        torques = np.clip(np.asarray(actions, dtype=np.float32)[..., 0], -env.max_torque, env.max_torque)
        totals = np.zeros(len(actions))
        for torque in torques.T:
            deviation = (angle + np.pi) % (2 * np.pi) - np.pi
            squares = map(_squares, (deviation, velocity, torque))
            totals -= sum(weight * square for weight, square in zip(weights, squares, strict=True))
            gravity, push = 3 * env.g / (2 * env.l) * np.sin(angle), 3.0 / (env.m * env.l**2) * torque
            velocity = np.clip(velocity + (gravity + push) * env.dt, -env.max_speed, env.max_speed)
            angle = angle + velocity * env.dt
        return totals


def _squares(values: NDArray[Any]) -> NDArray[Any]:
    """Squares number by number: numpy's power of a single number may round otherwise than that of an array."""
    return np.array([value**2 for value in values], dtype=values.dtype)
