"""What needs no model: the nearest recorded transition, and a linear regression."""

from __future__ import annotations

import numpy as np
import pytest

from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import shipped
from cwmb.benchmark.trajectories import spaces, transitions
from cwmb.judging.naive import linear, lookup
from cwmb.judging.scoring import Rules, evaluate, rules
from cwmb.types import Space, Transitions

LINE = Space("box", (-np.inf,), (np.inf,), "float64")
PUSH = Space("box", (-1.0,), (1.0,), "float32")
CELL = Space("discrete", (0.0,), (9.0,), "int64")
TWO = Space("discrete", (0.0,), (1.0,), "int64")
NEAR = Rules(observation=1e-5, reward=1e-5, time_limit_is_done=False, by_reward=False)
EXACT = Rules(observation=None, reward=1e-5, time_limit_is_done=False, by_reward=True)


def data(before: list[float], actions: list[float], after: list[float], rewards: list[float], done: list[bool]):
    n = len(before)
    return Transitions(
        observations=np.array(before)[:, None],
        actions=np.array(actions)[:, None],
        rewards=np.array(rewards),
        next_observations=np.array(after)[:, None],
        terminated=np.array(done),
        truncated=np.zeros(n, dtype=bool),
        episodes=np.arange(n),
        steps=np.zeros(n, dtype=np.int64),
        determined=np.ones((n, 3), dtype=bool),
    )


def test_lookup_changes_a_vector_as_its_neighbour_did() -> None:
    train = data([0.0, 10.0], [0.5, 0.5], [1.0, 12.0], [5.0, 6.0], [False, False])
    truth = data([1.0, 9.0], [0.5, 0.5], [0.0, 0.0], [0.0, 0.0], [False, False])
    said = lookup(truth, train, (LINE, PUSH), NEAR)
    assert said.observations[:, 0].tolist() == [2.0, 11.0]
    assert said.rewards.tolist() == [5.0, 6.0]


def test_lookup_says_what_a_number_became_most_often_and_nothing_changes_where_it_was_never_met() -> None:
    train = data([3, 3, 3, 3], [1, 1, 1, 0], [4, 4, 7, 2], [1, 1, 2, 1], [False, False, True, False])
    truth = data([3, 3, 5], [1, 0, 1], [0, 0, 0], [0, 0, 0], [False] * 3)
    said = lookup(truth, train, (CELL, TWO), EXACT)
    assert said.observations[:, 0].tolist() == [4, 2, 5]
    assert said.rewards.tolist() == [1, 1, 1]
    assert not said.done.any()


def test_linear_is_exact_where_the_world_is() -> None:
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=50), rng.uniform(-1, 1, 50)
    world = data(x, u, 0.9 * x + 0.2 * u + 0.1, 2 * x - u, [False] * 50)
    said = linear(world, world, (LINE, PUSH), NEAR)
    assert evaluate(world, said, NEAR).accuracy == 1.0


def test_a_table_alone_is_far_in_the_original_discrete_environments_and_not_in_drawn_ones() -> None:
    def accuracy(suite: str, name: str) -> float:
        spec = shipped(suite).environment(name)
        rule, train, test = rules(spec, protocol("standard").scoring), *(transitions(spec, s) for s in SPLITS)
        return evaluate(test, lookup(test, train, spaces(spec), rule), rule).accuracy

    assert accuracy("cwmb18", "CliffWalking-v0") > 0.95
    assert accuracy("hidden", "CliffWalking-v0") < 0.8


SPLITS = ("train", "test")


@pytest.mark.parametrize("how", [lookup, linear])
def test_nothing_of_the_truth_but_observations_and_actions_is_used(how) -> None:
    spec = shipped("hidden").environment("CartPole-v1")
    rule, train, test = rules(spec, protocol("standard").scoring), transitions(spec, "train"), transitions(spec, "test")
    blind = Transitions(
        **{
            **vars(test),
            "rewards": np.zeros(len(test)),
            "next_observations": np.zeros_like(test.observations),
            "terminated": np.zeros(len(test), dtype=bool),
        }
    )
    one, other = how(test, train, spaces(spec), rule), how(blind, train, spaces(spec), rule)
    assert np.array_equal(one.observations, other.observations)
    assert np.array_equal(one.rewards, other.rewards)
    assert np.array_equal(one.done, other.done)
