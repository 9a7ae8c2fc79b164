"""Which transitions the audit draws, and what it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmb.judging.audit import draw, verdict
from cwmb.seeds import Purpose, unforeseen
from cwmb.types import BAD_OBSERVATION, NOT_RUN, OK, Failure, Ints, Predictions, Transitions


def walks(lengths: list[int], states: int) -> Transitions:
    """Random walks over a few states."""
    rng = np.random.default_rng(0)
    n = sum(lengths)
    return Transitions(
        observations=rng.integers(states, size=(n, 1)).astype(float),
        actions=rng.integers(3, size=(n, 1)).astype(float),
        rewards=np.zeros(n),
        next_observations=np.zeros((n, 1)),
        terminated=np.zeros(n, bool),
        truncated=np.zeros(n, bool),
        episodes=np.repeat(np.arange(len(lengths)), lengths),
        steps=np.concatenate([np.arange(k) for k in lengths]),
        determined=np.ones(n, bool),
    )


def drawn(truth: Transitions, classes: Ints | None, terminal: np.ndarray, count: int, seed: int = 0) -> Ints:
    return draw(truth, classes, terminal, np.ones(len(truth), bool), count, np.random.default_rng(seed))


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 200), st.integers(0, 2**32), st.data())
def test_no_row_of_an_audit_tells_the_answer_to_another(
    lengths: list[int], states: int, seed: int, data: st.DataObject
) -> None:
    truth = walks(lengths, states)
    ran = np.array(data.draw(st.lists(st.booleans(), min_size=len(truth), max_size=len(truth))))
    index = draw(truth, None, truth.terminated, ran, 20, np.random.default_rng(seed))
    assert ran[index].all()
    assert bool(len(index)) == bool(ran.any())
    assert len(index) <= 20
    places = {(int(truth.episodes[i]), int(truth.steps[i])) for i in index}
    assert len(places) == len(index)
    assert not [(e, s) for e, s in places if (e, s + 1) in places]
    assert len({(float(truth.observations[i, 0]), float(truth.actions[i, 0])) for i in index}) == len(index)


def test_each_kind_is_audited_for_itself() -> None:
    truth = walks([50] * 40, 10**6)
    terminal = np.zeros(2000, bool)
    terminal[::50] = True
    classes = np.where(np.isin(np.arange(2000) % 200, [0, 99]), 1, 0)  # a hundredth of the rows, and half of the score
    index = drawn(truth, classes, terminal, 20)
    kinds, counts = np.unique(2 * classes[index] + terminal[index], return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {0: 20, 1: 20, 2: 10, 3: 10}
    assert (np.diff(index) < 0).any(), "in no order"


def test_many_kinds_of_reward_are_drawn_by_weight() -> None:
    """As many classes as rows, but for one that is common: it weighs no more than each of the others."""
    truth = walks([1] * 400, 10**9)
    classes = np.maximum(np.arange(400) - 300, 0)
    common = [(classes[drawn(truth, classes, truth.terminated, 20, seed)] == 0).sum() for seed in range(200)]
    assert np.mean(common) < 1
    assert len(drawn(truth, classes, truth.terminated, 20)) == 20


def test_every_row_of_a_kind_is_as_likely() -> None:
    truth = walks([20] * 5, 10**9)
    counts = np.zeros(100)
    for seed in range(2000):
        counts[drawn(truth, None, truth.terminated, 5, seed)] += 1
    assert counts.sum() == 2000 * 5
    assert abs(counts / 100 - 1).max() < 0.5


def test_the_draw_follows_from_the_seed_and_every_letter_of_the_program() -> None:
    def first(seed: int, source: str) -> list[int]:
        rng = unforeseen(seed, "CartPole-v1", Purpose.AUDIT, source)
        return draw(truth, None, truth.terminated, np.ones(700, bool), 20, rng).tolist()

    truth = walks([7] * 100, 10**9)
    assert first(0, "class Environment: ...") == first(0, "class Environment: ...")
    others = [first(0, f"class Environment: ...  # {i}") for i in range(50)] + [first(1, "class Environment: ...")]
    assert len({tuple(o) for o in [*others, first(0, "class Environment: ...")]}) == 52
    first(0, "\ud800")


def predictions(values: list[float], status: int = OK) -> Predictions:
    n = len(values)
    return Predictions(np.array(values)[:, None], np.zeros(n), np.zeros(n, bool), np.full(n, status, np.uint8))


def test_the_verdict() -> None:
    index = np.array([7, 3, 5])
    said = predictions([1.0, np.nan, 3.0])
    assert verdict(index, said, predictions([1.0, np.nan, 3.0])) is None
    failure = verdict(index, said, predictions([1.5, np.nan, 4.0]))
    assert failure is not None
    assert (failure.kind, failure.transition) == ("stateful", 5)
    worse = verdict(index, said, predictions([1.0, np.nan, 3.0], BAD_OBSERVATION))
    assert worse is not None
    assert worse.transition == 3


@pytest.mark.parametrize("failure", [Failure("timeout", "too slow"), None])
def test_a_program_that_does_not_get_through_its_audit_fails(failure: Failure | None) -> None:
    again = predictions([np.nan], NOT_RUN)
    again = Predictions(again.observations, again.rewards, again.done, again.status, failure)
    said = verdict(np.array([0]), predictions([1.0]), again)
    assert said is not None
    assert said.kind == ("timeout" if failure else "stateful")
