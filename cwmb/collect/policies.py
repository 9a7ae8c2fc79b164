"""The strong policies that recordings are graded by, written for the six environments with discrete actions.

Each is a function from an observation [D] to an action; mixed with random actions (see cwmb.collect.recipes) they give
behaviour from random to strong.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cwmb.types import Floats
from cwmb.worlds.simulator import Simulator

Controller = Callable[[Floats], int]


def balance(observation: Floats) -> int:
    """CartPole: push towards the side that the pole is falling to, leaning back to the middle of the track."""
    x, velocity, angle, rate = observation
    return int(angle + 0.5 * rate + 0.03 * x + 0.08 * velocity > 0)


def swing(observation: Floats) -> int:
    """MountainCar: always push the way that the car is moving, so that every push adds energy."""
    return 2 if observation[1] >= 0 else 0


def pump(observation: Floats) -> int:
    """Acrobot: turn the second link the way that it is turning, so that the torque adds energy."""
    return 2 if observation[5] > 0 else 0


def basic_strategy(observation: Floats) -> int:
    """Blackjack without doubling and splitting: hit (1) or stick (0) after Thorp's table."""
    total, dealer, ace = observation
    if ace:
        return int(total <= 17 or (total == 18 and dealer in (9, 10)))
    if 2 <= dealer <= 6:
        return int(total <= (12 if dealer <= 3 else 11))
    return int(total <= 16)


def tabulate(simulator: Simulator) -> dict[tuple[int, int], tuple[int, float, bool]]:
    """Every valid state-action pair of a small deterministic environment: (state, action) -> (next, reward, done).

    A state is valid if an episode can be in it: those met in 1000 resets, and all that follow from them.
    """
    actions = range(int(simulator.action_space.high[0]) + 1)
    states = {int(simulator.reset(seed)[0]) for seed in range(1000)}
    frontier, table = sorted(states), {}
    while frontier:
        state = frontier.pop()
        for action in actions:
            simulator.restore(np.array([float(state)]))
            row, reward, done, _ = simulator.step(np.array([float(action)]))
            following = int(row[0])
            table[state, action] = following, reward, done
            if not done and following not in states:
                states.add(following)
                frontier.append(following)
    return dict(sorted(table.items()))


def value_iteration(simulator: Simulator, discount: float = 0.99, tolerance: float = 1e-9) -> Controller:
    """CliffWalking, Taxi: the optimal policy (ties: the lowest action)."""
    table = tabulate(simulator)
    values = dict.fromkeys((state for state, _ in table), 0.0)
    change = np.inf
    while change > tolerance:
        q: dict[int, list[float]] = {}
        for (state, _), (following, reward, done) in table.items():
            q.setdefault(state, []).append(reward + (0.0 if done else discount * values[following]))
        change = max(abs(max(q[state]) - values[state]) for state in values)
        values = {state: max(row) for state, row in q.items()}
    best = {state: int(np.argmax(row)) for state, row in q.items()}

    def optimal(observation: Floats) -> int:
        return best[int(observation[0])]

    return optimal


def best_of_random(simulator: Simulator, rng: np.random.Generator, plans: int = 200, horizon: int = 20) -> int:
    """Any other environment: the first action of the best of some random plans from where the simulator stands."""
    space = simulator.action_space
    here = simulator.snapshot()
    candidates = rng.integers(int(space.low[0]), int(space.high[0]) + 1, size=(plans, horizon, 1)).astype(np.float64)
    best = candidates[int(np.argmax(simulator.returns(here, candidates)))]
    simulator.load(here)
    return int(best[0, 0])
