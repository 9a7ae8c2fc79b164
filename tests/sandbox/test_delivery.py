"""In which order and in what pieces transitions reach a program."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmb.sandbox.delivery import MAX_BYTES, MAX_ROWS, Delivery, episodes_in_turn, in_time_order, one_by_one
from cwmb.types import Program, Transitions

from .worlds import transitions

PROGRAM = Program("class Environment: ...")
lengths = st.lists(st.integers(1, 12), min_size=1, max_size=90)


def episodes(lengths: list[int], width: int = 2) -> Transitions:
    """Episodes of these lengths; the observation says which episode and step it is."""
    episode = np.repeat(np.arange(len(lengths)), lengths)
    step = np.concatenate([np.arange(n) for n in lengths])
    rows = np.zeros((len(step), width))
    rows[:, 0], rows[:, 1] = episode, step
    return transitions(rows, episodes=episode, steps=step)


def pieces(delivery: Delivery) -> list[np.ndarray]:
    assert sum(delivery.sizes) == len(delivery)
    return np.split(delivery.rows, np.cumsum(delivery.sizes)[:-1])


@settings(deadline=None)
@given(lengths, st.sampled_from([2, 300, 3000]))
def test_no_successor_comes_in_the_same_message_or_an_earlier_one(lengths: list[int], width: int) -> None:
    data = episodes(lengths, width)
    delivery = in_time_order(data, PROGRAM, 0)
    assert sorted(delivery.order.tolist()) == list(range(len(data)))
    assert np.array_equal(delivery.rows[:, :width], data.observations[delivery.order])
    steps = [set(piece[:, 1]) for piece in pieces(delivery)]
    assert all(len(step) == 1 for step in steps)
    assert all(max(a) <= max(b) for a, b in pairwise(steps))
    for size in delivery.sizes:
        assert 1 <= size <= MAX_ROWS
        assert size == 1 or size * delivery.rows[0].nbytes <= MAX_BYTES


@settings(deadline=None)
@given(lengths, st.data())
def test_a_program_gets_the_same_up_to_a_row_whether_or_not_its_episode_goes_on(
    lengths: list[int], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(lengths) - 1), label="episode")
    kept = data.draw(st.integers(1, lengths[cut]), label="its length")
    full = in_time_order(episodes(lengths), PROGRAM, 0)
    shorter = in_time_order(episodes([*lengths[:cut], kept, *lengths[cut + 1 :]]), PROGRAM, 0)
    known = [piece.tobytes() for piece in pieces(shorter) if piece[0, 1] < kept]
    assert known == [piece.tobytes() for piece in pieces(full) if piece[0, 1] < kept]


def test_the_order_within_a_step_tells_nothing_and_is_unforeseen() -> None:
    data = episodes([1] * 60)
    orders = [in_time_order(data, Program(f"# {i}"), 0).order.tolist() for i in range(200)]
    assert len(set(map(tuple, orders))) == 200
    assert orders[0] == in_time_order(data, Program("# 0"), 0).order.tolist()
    assert orders[0] != in_time_order(data, Program("# 0"), 1).order.tolist()
    mean_place = np.argsort(orders, axis=1).mean(axis=0)
    assert np.abs(mean_place - 29.5).max() < 5  # four standard errors


def test_a_row_is_an_observation_and_an_action() -> None:
    data = transitions([[0.5, -1.0]], [[0.25]])
    assert in_time_order(data, PROGRAM, 0).rows.tolist() == [[0.5, -1.0, 0.25]]
    assert one_by_one(data, np.array([0, 0])).rows.tolist() == [[0.5, -1.0, 0.25]] * 2
    assert one_by_one(data, np.array([0, 0])).sizes == [1, 1]


def test_of_whole_episodes_only_the_first_observation_is_shown() -> None:
    delivery = episodes_in_turn(episodes([3, 1, 70]))
    shown = ~np.isnan(delivery.rows[:, 0])
    assert np.flatnonzero(shown).tolist() == [0, 3, 4]
    assert delivery.sizes == [64, 10]


@pytest.mark.parametrize("deliver", [lambda t: in_time_order(t, PROGRAM, 0), episodes_in_turn])
def test_nothing_to_deliver(deliver: object) -> None:
    delivery = deliver(transitions(np.zeros((0, 3))))  # type: ignore[operator]
    assert (len(delivery), delivery.sizes, delivery.rows.shape) == (0, [], (0, 4))
