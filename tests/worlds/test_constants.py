"""What varies from world to world: the files, the drawing, and the real environments with other constants."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cwmb.benchmark.catalog import EnvironmentSpec, World, environment, environment_ids
from cwmb.benchmark.trajectories import transitions
from cwmb.collect.determined import restored
from cwmb.collect.worlds import effects
from cwmb.types import Transitions
from cwmb.worlds import make
from cwmb.worlds.constants import AWAY, Values, constants, defaults, drawn, reward_values, varying
from cwmb.worlds.simulator import Simulator

DETERMINISTIC = [name for name in varying() if name != "Blackjack-v1"]
MUJOCO = [name for name in varying() if name.endswith("-v4")]
ROWS = 120


def world(name: str, values: Values) -> EnvironmentSpec:
    return replace(environment(name), world=World("test", 0, dict(values)))


@cache
def simulator(spec_id: str) -> Simulator:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(environment(spec_id))


def some(name: str) -> Transitions:
    data = transitions(environment(name), "train")
    return data.take(np.linspace(0, len(data) - 1, ROWS).astype(int))


def test_every_environment_has_constants_that_vary() -> None:
    assert set(varying()) == set(environment_ids())


@pytest.mark.parametrize("name", varying())
def test_a_draw_lies_in_the_range_and_away_from_the_original(name: str) -> None:
    for seed in range(20):
        values = drawn(name, np.random.default_rng(seed))
        assert list(values) == [c.name for c in constants(name)]
        for c in constants(name):
            value = values[c.name]
            if c.range is not None:
                assert c.range[0] <= value <= c.range[1]
                assert abs(value - c.default) > AWAY * abs(c.default)
                assert float(f"{value:.3g}") == value
            assert isinstance(value, type(c.default))


@pytest.mark.parametrize("name", varying())
def test_the_same_seed_draws_the_same(name: str) -> None:
    assert drawn(name, np.random.default_rng(5)) == drawn(name, np.random.default_rng(5))


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_the_original_s_constants_give_the_original_to_the_last_bit(name: str) -> None:
    data = some(name)
    original, same = restored(simulator(name), data), restored(make(world(name, defaults(name))), data)
    assert np.array_equal(original.observations, same.observations)
    assert np.array_equal(original.rewards, same.rewards)
    assert np.array_equal(original.done, same.done)


def test_blackjack_with_the_original_s_constants_deals_and_pays_the_same() -> None:
    original, same = simulator("Blackjack-v1"), make(world("Blackjack-v1", defaults("Blackjack-v1")))
    rng = np.random.default_rng(0)
    for seed in range(300):
        first = original.reset(seed)
        assert np.array_equal(first, same.reset(seed))
        action = rng.integers(2, size=1).astype(np.float64)
        for real in (original, same):
            real.load(real.snapshot(), np.random.default_rng(seed))
        a, b = original.step(action), same.step(action)
        assert np.array_equal(a[0], b[0])
        assert a[1:] == b[1:]


@pytest.mark.parametrize("name", MUJOCO)
def test_each_constant_of_a_robot_alone_changes_transitions(name: str) -> None:
    """Of the others the shipped worlds are tested, whose data visit limits and ends (tests/collect/test_worlds.py)."""
    found = effects(world(name, defaults(name)), some(name))
    ends = {
        c.name for c in constants(name) if c.field.startswith(("low ", "high "))
    }  # seldom near in the original's data
    assert {constant for constant, rows in found.items() if not rows.any()} <= ends


@pytest.mark.parametrize("name", ["CartPole-v1", "MountainCar-v0", "Acrobot-v1", "CliffWalking-v0", "Taxi-v3"])
def test_a_reward_s_constant_changes_rewards_and_nothing_else(name: str) -> None:
    data, values = some(name), defaults(name)
    before = restored(make(world(name, values)), data)
    for c in constants(name):
        if c.reward:
            after = restored(make(world(name, {**values, c.name: c.default - 0.5})), data)
            assert np.array_equal(before.observations, after.observations)
            assert np.array_equal(before.done, after.done)
            changed = before.rewards != after.rewards
            assert np.array_equal(after.rewards[changed], before.rewards[changed] - 0.5)
    assert set(reward_values(name, values) or ()) == set(environment(name).reward_values or ())


@pytest.mark.parametrize("name", [*MUJOCO, "Pendulum-v1"])
def test_the_fast_path_of_a_drawn_world_is_exact(name: str) -> None:
    real = make(world(name, drawn(name, np.random.default_rng(1))))
    real.reset(3)
    here, rng = real.snapshot(), np.random.default_rng(0)
    space = real.action_space
    plans = rng.uniform(space.low, space.high, (3, 12, space.size)).astype(space.dtype).astype(np.float64)
    totals = []
    for plan in plans:
        real.load(here)
        total = 0.0
        for action in plan:
            _, reward, terminated, _ = real.step(action)
            total += reward
            if terminated:
                break
        totals.append(total)
    assert np.array_equal(real.returns(here, plans), totals)


def test_a_world_s_space_does_not_tell_its_limits() -> None:
    for name in ("CartPole-v1", "MountainCar-v0", "Acrobot-v1", "Pendulum-v1"):
        space = make(world(name, drawn(name, np.random.default_rng(0)))).observation_space
        assert set(space.high) == {np.inf}
