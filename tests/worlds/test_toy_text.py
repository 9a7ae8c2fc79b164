"""Tables and cards."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from cwmb.benchmark.catalog import environment
from cwmb.worlds import make

STICK, HIT = np.array([0.0]), np.array([1.0])


@pytest.mark.parametrize(("name", "states", "actions"), [("CliffWalking-v0", 48, 4), ("Taxi-v3", 500, 6)])
def test_reward_values_are_those_of_all_states_and_actions(name: str, states: int, actions: int) -> None:
    sim = make(environment(name))
    seen = set()
    for state in range(states):
        for action in range(actions):
            sim.restore(np.array([float(state)]))
            seen.add(sim.step(np.array([float(action)]))[1])
    assert seen == set(environment(name).reward_values)


@pytest.mark.parametrize("ace", [0, 1])
@pytest.mark.parametrize("dealer", [1, 10])
def test_a_restored_hand_is_the_one_observed(dealer: int, ace: int) -> None:
    sim = make(environment("Blackjack-v1"))
    for total in range(12 if ace else 4, 22):
        observation = np.array([total, dealer, ace], dtype=np.float64)
        sim.restore(observation)
        following, _, terminated, _ = sim.step(STICK)  # shows the hand as it is
        assert terminated
        assert np.array_equal(following, observation)


def test_a_restored_soft_21_may_be_a_natural_or_not() -> None:
    sim = make(environment("Blackjack-v1"))
    rewards = Counter()
    for _ in range(2000):
        sim.restore(np.array([21.0, 6.0, 1.0]))
        rewards[sim.step(STICK)[1]] += 1
    # A natural always wins against a six; a 21 that was drawn to meets another one with probability 0.097.
    assert rewards.keys() == {0.0, 1.0}
    assert rewards[0.0] / 2000 == pytest.approx(0.097 / 2, abs=0.02)


def sixteen_against_ten():
    """A game in which the player holds 16 and the dealer shows a ten."""
    sim = make(environment("Blackjack-v1"))
    for seed in range(1000):
        if np.array_equal(sim.reset(seed=seed), [16, 10, 0]):
            return sim, sim.snapshot()
    raise AssertionError("no such hand")


def test_a_planner_does_not_see_the_hole_card() -> None:
    sim, snapshot = sixteen_against_ten()
    rng = np.random.default_rng(0)
    rewards = Counter()
    for _ in range(2000):
        sim.load(snapshot, rng)
        rewards[sim.step(STICK)[1]] += 1
    # With 16 one wins only if the dealer busts: from a ten, after any hole card, with probability 0.2121
    # (infinite deck, dealer stands on all 17s).
    assert rewards.keys() == {-1.0, 1.0}
    assert rewards[1.0] / 2000 == pytest.approx(0.2121, abs=0.03)


def test_a_planner_knows_its_own_cards() -> None:
    sim, snapshot = sixteen_against_ten()
    for seed in range(50):
        sim.load(snapshot, np.random.default_rng(seed))
        (total, dealer, _), reward, terminated, _ = sim.step(HIT)
        assert 17 <= total <= 26
        assert dealer == 10
        assert terminated == (total > 21)
        assert reward == (-1.0 if terminated else 0.0)


def test_the_planners_generator_decides() -> None:
    sim, snapshot = sixteen_against_ten()

    def outcomes(seed: int) -> list[float]:
        rng = np.random.default_rng(seed)
        result = []
        for _ in range(30):
            sim.load(snapshot, rng)
            result.append(sim.step(STICK)[1])
        return result

    assert outcomes(1) == outcomes(1)
    assert outcomes(1) != outcomes(2)


def test_without_a_generator_the_game_is_the_true_one() -> None:
    sim, snapshot = sixteen_against_ten()
    hole = sim.env.dealer[1]
    sim.load(snapshot, np.random.default_rng(0))
    sim.load(snapshot)
    assert sim.env.dealer == [10, hole]
