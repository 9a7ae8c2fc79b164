"""Classic control: ends of episodes, and Pendulum's plans all at once."""

from __future__ import annotations

import numpy as np
import pytest

from cwmb.benchmark.catalog import environment
from cwmb.worlds import make
from cwmb.worlds.base import GymnasiumSimulator


def test_acrobots_last_step_costs_nothing() -> None:
    sim = make(environment("Acrobot-v1"))
    angle = np.pi - 0.1
    sim.restore(np.array([np.cos(angle), np.sin(angle), 1.0, 0.0, 0.0, 0.0]))
    _, reward, terminated, _ = sim.step(np.array([1.0]))
    assert terminated
    assert reward == 0.0
    assert reward in environment("Acrobot-v1").reward_values


@pytest.mark.parametrize(("name", "state"), [("CartPole-v1", [2.39, 3.0, 0.0, 0.0]), ("MountainCar-v0", [0.49, 0.05])])
def test_the_last_step_is_rewarded_like_the_others(name: str, state: list[float]) -> None:
    sim = make(environment(name))
    sim.restore(np.array(state))
    _, reward, terminated, _ = sim.step(np.array([1.0]))
    assert terminated
    assert [reward] == environment(name).reward_values


@pytest.mark.parametrize("seed", range(3))
def test_pendulums_plans_equal_stepping_to_the_last_bit(seed: int) -> None:
    sim = make(environment("Pendulum-v1"))
    sim.reset(seed=seed)
    snapshot = sim.snapshot()
    # Beyond the bounds too: the environment clips.
    plans = np.random.default_rng(seed).normal(0, 2, size=(20, 60, 1))
    assert np.array_equal(sim.returns(snapshot, plans), GymnasiumSimulator.returns(sim, snapshot, plans))
