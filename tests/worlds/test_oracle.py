"""The true environment as a world model."""

from __future__ import annotations

import numpy as np
import pytest

from cwmb.benchmark.catalog import environment
from cwmb.worlds import make
from cwmb.worlds.oracle import SimulatorModel


def test_it_plans_from_the_snapshot_again_and_again() -> None:
    sim = make(environment("CartPole-v1"))
    sim.reset(seed=3)
    sim.step(np.array([1.0]))
    model = SimulatorModel(sim, sim.snapshot(), np.random.default_rng(0))
    expected = sim.step(np.array([0.0]))
    for _ in range(3):
        model.reset()
        assert model.step(0) == (expected[0].tobytes(), expected[1], expected[2])


def test_the_time_limit_does_not_end_a_plan() -> None:
    sim = make(environment("MountainCar-v0"))
    sim.reset(seed=0)
    for _ in range(199):
        sim.step(np.array([1.0]))
    model = SimulatorModel(sim, sim.snapshot(), np.random.default_rng(0))
    model.reset()
    assert not any(model.step(1)[2] for _ in range(5))


@pytest.mark.parametrize("name", ["Hopper-v4", "Pendulum-v1"])
def test_returns_agree_with_steps(name: str) -> None:
    sim = make(environment(name))
    sim.reset(seed=0)
    model = SimulatorModel(sim, sim.snapshot(), np.random.default_rng(0))
    plans = np.random.default_rng(1).uniform(-1, 1, size=(3, 20, sim.action_space.size)).astype(np.float32)
    totals = []
    for plan in plans:
        model.reset()
        total = 0.0
        for action in plan:
            _, reward, done = model.step(action)
            total += reward
            if done:
                break
        totals.append(total)
    assert model.returns(plans).tolist() == totals


def test_a_stochastic_environment_is_drawn_anew_with_every_reset() -> None:
    sim = make(environment("Blackjack-v1"))
    sim.restore(np.array([16.0, 10.0, 0.0]))
    snapshot = sim.snapshot()

    def rewards(seed: int) -> list[float]:
        model = SimulatorModel(sim, snapshot, np.random.default_rng(seed))
        result = []
        for _ in range(40):
            model.reset()
            result.append(model.step(0)[1])
        return result

    first = rewards(0)
    assert len(set(first)) > 1
    assert first == rewards(0)
    plans = np.zeros((40, 1, 1))
    returns = SimulatorModel(sim, snapshot, np.random.default_rng(0)).returns(plans)
    assert len(set(returns)) > 1
    assert np.array_equal(returns, SimulatorModel(sim, snapshot, np.random.default_rng(0)).returns(plans))
