"""MuJoCo: plans in threads, and what makes a current version behave as the paper's."""

from __future__ import annotations

import numpy as np
import pytest

from cwmb.benchmark.catalog import environment
from cwmb.worlds import make
from cwmb.worlds.base import GymnasiumSimulator


def plans(sim, samples: int, horizon: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low, high = np.array(sim.action_space.low), np.array(sim.action_space.high)
    return rng.uniform(low, high, size=(samples, horizon, len(low))).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("name", ["Hopper-v4", "Ant-v4", "HumanoidStandup-v4"])
def test_returns_do_not_depend_on_the_number_of_threads(name: str) -> None:
    sim = make(environment(name))
    sim.reset(seed=1)
    for action in plans(sim, 1, 5)[0]:
        sim.step(action)
    snapshot, tries = sim.snapshot(), plans(sim, 7, 30)
    results = []
    for threads in (1, 2, 5):
        sim.threads = threads
        results.append(sim.returns(snapshot, tries))
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])
    assert np.array_equal(results[0], GymnasiumSimulator.returns(sim, snapshot, tries))


def test_planning_leaves_the_episode_alone() -> None:
    sim = make(environment("Humanoid-v4"))
    sim.reset(seed=1)
    action = plans(sim, 1, 1)[0, 0]
    sim.step(action)
    snapshot = sim.snapshot()
    sim.returns(snapshot, plans(sim, 4, 10))
    observation, reward, *_ = sim.step(action)
    sim.load(snapshot)
    expected, expected_reward, *_ = sim.step(action)
    assert np.array_equal(observation, expected)
    assert reward == expected_reward


def test_a_plan_ends_with_the_fall() -> None:
    sim = make(environment("Hopper-v4"))
    sim.reset(seed=0)
    snapshot = sim.snapshot()
    plan = np.full((1, 200, 3), 1.0)
    long, longer = sim.returns(snapshot, plan[:, :100]), sim.returns(snapshot, plan)
    assert long == longer


def test_slide_weights_count_the_armature() -> None:
    model = make(environment("Pusher-v4")).env.model
    thing = model.body("object").id
    weight = 1 / (model.body_mass[thing] + 0.04)
    assert model.dof_invweight0[-4:-2] == pytest.approx([weight, weight])
    assert model.body_invweight0[thing, 0] == pytest.approx(2 * weight / 3)


def test_bodies_that_also_turn_keep_their_weights() -> None:
    import mujoco

    sim = make(environment("InvertedPendulum-v4"))
    stock = mujoco.MjModel.from_xml_path(sim.env.fullpath)
    assert np.array_equal(sim.env.model.dof_invweight0, stock.dof_invweight0)


@pytest.mark.parametrize("name", ["Reacher-v4", "Pusher-v4"])
def test_the_reward_is_that_of_the_positions_shown(name: str) -> None:
    sim = make(environment(name))
    sim.reset(seed=0)
    actions = plans(sim, 1, 20)[0]
    for action in actions:
        observation, *_ = sim.step(action)
        snapshot = sim.snapshot()
        expected = sim.step(action)[1]
        sim.restore(observation)
        assert sim.step(action)[1] == pytest.approx(expected, rel=1e-12)
        sim.load(snapshot)
