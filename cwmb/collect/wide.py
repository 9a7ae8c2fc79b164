"""States all over the range of a world, up to its limits: where the constants that natural starts seldom meet show.

Each function draws one, as an observation [D], from a generator and the world's constants.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cwmb.types import Floats
from cwmb.worlds.constants import Values

Wide = Callable[[np.random.Generator, Values], Floats]


def cart_pole(rng: np.random.Generator, c: Values) -> Floats:
    """Anywhere on the track, the pole anywhere within its limit; half of the time one of both is close to it."""
    x, angle = rng.uniform(-1, 1, 2)
    near = rng.integers(4)
    if near < 2:
        edge = rng.choice([-1, 1]) * rng.uniform(0.95, 1)
        x, angle = (edge, 0.5 * angle) if near else (0.5 * x, edge)
    return np.array([x * c["position_limit"], rng.uniform(-2, 2), angle * c["angle_limit"], rng.uniform(-2, 2)])


def mountain_car(rng: np.random.Generator, c: Values) -> Floats:
    """Anywhere between wall and flag, at any speed; mostly near wall, flag or the limit of the speed."""
    wall, goal, fast = c["wall"], c["goal"], c["max_speed"]
    position, speed = rng.uniform(wall, goal), rng.uniform(-fast, fast)
    near = rng.integers(6)
    if near == 0:
        position, speed = rng.uniform(wall, wall + 0.5 * fast), -abs(speed)
    elif near == 1:
        position, speed = rng.uniform(goal - 0.5 * fast, goal), abs(speed)
    elif near in (2, 4):
        position, speed = rng.uniform(goal - 2 * c["goal_velocity"], goal), rng.uniform(0, 2.5 * c["goal_velocity"])
    elif near == 3:
        speed = rng.choice([-1, 1]) * rng.uniform(0.95, 1) * fast
    return np.array([position, speed])


def acrobot(rng: np.random.Generator, c: Values) -> Floats:
    """Any angles at any speeds; mostly a link near its limit, or the tip near the goal."""
    first, second = rng.uniform(-np.pi, np.pi, 2)
    fast = np.array([c["max_velocity_1"], c["max_velocity_2"]])
    speeds = rng.uniform(-0.5, 0.5, 2) * fast
    near = rng.integers(4)
    if near < 2:
        speeds[near] = rng.choice([-1, 1]) * rng.uniform(0.9, 1) * fast[near]
    elif near == 2:
        while abs(-np.cos(first) - np.cos(first + second) - c["goal_height"]) > 0.15:
            first, second = rng.uniform(-np.pi, np.pi, 2)
        speeds *= 0.2
    return np.array([np.cos(first), np.sin(first), np.cos(second), np.sin(second), *speeds])


def pendulum(rng: np.random.Generator, c: Values) -> Floats:
    """Any angle at any speed; half of the time near the limit of the speed."""
    angle, share = rng.uniform(-np.pi, np.pi), rng.uniform(0.9, 1) if rng.random() < 0.5 else rng.random()
    return np.array([np.cos(angle), np.sin(angle), rng.choice([-1, 1]) * share * c["max_speed"]])


def reacher(rng: np.random.Generator, c: Values) -> Floats:
    """The elbow close to its stop at 3 rad, moving towards it, or anywhere; the target in reach."""
    shoulder, elbow = rng.uniform(-np.pi, np.pi), rng.uniform(-2.9, 2.9)
    speeds = rng.uniform(-5, 5, 2)
    if rng.random() < 0.5:
        side = rng.choice([-1, 1])
        elbow, speeds[1] = side * rng.uniform(2.6, 2.95), side * rng.uniform(2, 10)
    first, second = 0.1 * c["length_body0"], 0.11 * c["length_body1"]
    target = rng.uniform(-0.13, 0.13, 2)
    tip = first * np.array([np.cos(shoulder), np.sin(shoulder)])
    tip += second * np.array([np.cos(shoulder + elbow), np.sin(shoulder + elbow)])
    angles = [np.cos(shoulder), np.cos(elbow), np.sin(shoulder), np.sin(elbow)]
    return np.array([*angles, *target, *speeds, *(tip - target), 0.0])


WIDE: dict[str, Wide] = {
    "CartPole-v1": cart_pole,
    "MountainCar-v0": mountain_car,
    "Acrobot-v1": acrobot,
    "Pendulum-v1": pendulum,
    "Reacher-v4": reacher,
}
