"""States that natural starts seldom or never reach: in front of walls, limits, clips and the ends of episodes.

Each function draws one, as an observation [D], from a generator. A few steps are recorded from it with random actions,
so that a model with a wrong limit is told apart from one with the right limit. Constants are the environments' own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cwmb.types import Floats

Edge = Callable[[np.random.Generator], Floats]


def _sign(rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0]))


def cart_leaves_track(rng: np.random.Generator) -> Floats:
    """CartPole: the cart close to 2.4 from the middle, moving outwards."""
    side = _sign(rng)
    return np.array([side * rng.uniform(2.34, 2.4), side * rng.uniform(1.0, 2.0), *rng.uniform(-0.1, 0.1, 2)])


def pole_falls(rng: np.random.Generator) -> Floats:
    """CartPole: the pole close to 12 degrees, falling."""
    side = _sign(rng)
    return np.array([*rng.uniform(-1.0, 1.0, 2), side * rng.uniform(0.18, 0.2094), side * rng.uniform(0.3, 1.5)])


def car_hits_wall(rng: np.random.Generator) -> Floats:
    """MountainCar: in front of the left wall at -1.2, moving left."""
    return np.array([rng.uniform(-1.2, -1.14), rng.uniform(-0.07, -0.02)])


def car_reaches_goal(rng: np.random.Generator) -> Floats:
    """MountainCar: in front of the goal at 0.5, moving right."""
    return np.array([rng.uniform(0.42, 0.5), rng.uniform(0.01, 0.07)])


def car_at_full_speed(rng: np.random.Generator) -> Floats:
    """MountainCar: almost at the speed limit of 0.07, downhill."""
    side = _sign(rng)
    position = rng.uniform(-1.1, -0.8) if side > 0 else rng.uniform(-0.2, 0.3)
    return np.array([position, side * rng.uniform(0.067, 0.07)])


def _links(first: float, second: float, *velocities: float) -> Floats:
    return np.array([np.cos(first), np.sin(first), np.cos(second), np.sin(second), *velocities])


def acrobot_first_link_races(rng: np.random.Generator) -> Floats:
    """Acrobot: the first link almost at its speed limit of 4 pi."""
    speed = _sign(rng) * rng.uniform(0.9, 1.0) * 4 * np.pi
    return _links(*rng.uniform(-np.pi, np.pi, 2), speed, rng.uniform(-4, 4))


def acrobot_second_link_races(rng: np.random.Generator) -> Floats:
    """Acrobot: the second link almost at its speed limit of 9 pi."""
    speed = _sign(rng) * rng.uniform(0.9, 1.0) * 9 * np.pi
    return _links(*rng.uniform(-np.pi, np.pi, 2), rng.uniform(-4, 4), speed)


def acrobot_near_goal(rng: np.random.Generator) -> Floats:
    """Acrobot: below the line, swinging up to it."""
    side = _sign(rng)
    return _links(side * rng.uniform(1.8, 2.2), side * rng.uniform(-0.3, 0.3), side * rng.uniform(1, 4), side)


def taxi_anywhere(rng: np.random.Generator) -> Floats:
    """Taxi: any taxi position, passenger (4: on board) and destination; few of the 400 states follow from one reset."""
    passenger, destination = rng.integers(5), rng.integers(4)
    while passenger == destination:
        passenger = rng.integers(5)
    return np.array([float(((rng.integers(5) * 5 + rng.integers(5)) * 5 + passenger) * 4 + destination)])


def pendulum_races(rng: np.random.Generator) -> Floats:
    """Pendulum: almost at the speed limit of 8."""
    angle, speed = rng.uniform(-np.pi, np.pi), _sign(rng) * rng.uniform(7.0, 8.0)
    return np.array([np.cos(angle), np.sin(angle), speed])


def reacher_joint_stops(rng: np.random.Generator) -> Floats:
    """Reacher: the elbow close to its stop at 3 rad, moving towards it."""
    side = _sign(rng)
    shoulder, elbow = rng.uniform(-np.pi, np.pi), side * rng.uniform(2.6, 2.95)
    target = rng.uniform(-0.13, 0.13, 2)
    tip = np.array([0.1 * np.cos(shoulder) + 0.11 * np.cos(shoulder + elbow),
                    0.1 * np.sin(shoulder) + 0.11 * np.sin(shoulder + elbow)])  # fmt: skip
    angles = [np.cos(shoulder), np.cos(elbow), np.sin(shoulder), np.sin(elbow)]
    return np.array([*angles, *target, rng.uniform(-5, 5), side * rng.uniform(2, 10), *(tip - target), 0.0])


def cart_hits_stop(rng: np.random.Generator) -> Floats:
    """InvertedPendulum: the cart close to the end of its rail at 1, moving outwards."""
    side = _sign(rng)
    return np.array([side * rng.uniform(0.93, 0.99), rng.uniform(-0.1, 0.1), side * rng.uniform(0.5, 2.0), 0.0])


def double_cart_hits_stop(rng: np.random.Generator) -> Floats:
    """InvertedDoublePendulum: the cart close to the end of its rail at 1, moving outwards."""
    side = _sign(rng)
    first, second = rng.uniform(-0.1, 0.1, 2)
    angles = [np.sin(first), np.sin(second), np.cos(first), np.cos(second)]
    return np.array([side * rng.uniform(0.9, 0.97), *angles, side * rng.uniform(0.5, 2.0), *np.zeros(5)])


def double_poles_race(rng: np.random.Generator) -> Floats:
    """InvertedDoublePendulum: the upper pole turning almost at 10 rad/s, above which the observation clips."""
    first, second = rng.uniform(-0.3, 0.3, 2)
    angles = [np.sin(first), np.sin(second), np.cos(first), np.cos(second)]
    speeds = _sign(rng) * np.array([0.0, rng.uniform(-6.0, -3.0), rng.uniform(9.0, 10.0)])
    return np.array([rng.uniform(-0.5, 0.5), *angles, *speeds, *np.zeros(3)])


def hopper_joints_race(rng: np.random.Generator) -> Floats:
    """Hopper: in the air, a joint turning almost at 10 rad/s, above which the observation clips."""
    posture = [rng.uniform(1.3, 1.4), rng.uniform(-0.05, 0.05), *rng.uniform(-0.8, -0.4, 2), rng.uniform(-0.2, 0.2)]
    speeds = rng.uniform(-1.0, 1.0, 6)
    speeds[rng.integers(3, 6)] = _sign(rng) * rng.uniform(9.0, 10.0)
    return np.array([*posture, *speeds])


def swimmer_joint_stops(rng: np.random.Generator) -> Floats:
    """Swimmer: a joint close to its stop at 100 degrees, moving towards it."""
    angles, speeds = rng.uniform(-1.0, 1.0, 2), rng.uniform(-1.0, 1.0, 2)
    joint, side = rng.integers(2), _sign(rng)
    angles[joint], speeds[joint] = side * rng.uniform(1.6, 1.74), side * rng.uniform(2.0, 6.0)
    return np.array([rng.uniform(-np.pi, np.pi), *angles, *rng.uniform(-1.0, 1.0, 3), *speeds])


EDGES: dict[str, tuple[Edge, ...]] = {
    "CartPole-v1": (cart_leaves_track, pole_falls),
    "MountainCar-v0": (car_hits_wall, car_reaches_goal, car_at_full_speed),
    "Acrobot-v1": (acrobot_first_link_races, acrobot_second_link_races, acrobot_near_goal),
    "Taxi-v3": (taxi_anywhere,),
    "Pendulum-v1": (pendulum_races,),
    "Reacher-v4": (reacher_joint_stops,),
    "InvertedPendulum-v4": (cart_hits_stop,),
    "InvertedDoublePendulum-v4": (double_cart_hits_stop, double_poles_race),
    "Hopper-v4": (hopper_joints_race,),
    "Swimmer-v4": (swimmer_joint_stops,),
}
