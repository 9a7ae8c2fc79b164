from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cwmb.judging.scoring import Rules, change, compare, evaluate, mistakes, persistence, skill, telling, weights
from cwmb.types import BAD_OBSERVATION, NOT_RUN, OK, RAISED, Failure, Predictions, Transitions

STANDARD = Rules(observation=1e-5, reward=1e-5, time_limit_is_done=False, by_reward=False)
PAPER = Rules(observation=1e-5, reward="float32", time_limit_is_done=True, by_reward=True)

finite = st.floats(-1e6, 1e6, allow_nan=False)


def transitions(n: int = 4, dimensions: int = 3, **changes: np.ndarray) -> Transitions:
    rng = np.random.default_rng(n)
    columns: dict[str, np.ndarray] = {
        "observations": rng.normal(size=(n, dimensions)),
        "actions": rng.normal(size=(n, 1)),
        "rewards": rng.normal(size=n),
        "next_observations": rng.normal(size=(n, dimensions)),
        "terminated": np.zeros(n, dtype=bool),
        "truncated": np.zeros(n, dtype=bool),
        "episodes": np.zeros(n, dtype=np.int64),
        "steps": np.arange(n),
        "determined": np.ones((n, dimensions + 2), dtype=bool),
    }
    return Transitions(**{**columns, **changes})


def perfect(truth: Transitions, **changes: np.ndarray) -> Predictions:
    said = {
        "observations": truth.next_observations.copy(),
        "rewards": truth.rewards.copy(),
        "done": truth.terminated.copy(),
        "status": np.full(len(truth), OK, dtype=np.uint8),
    }
    return Predictions(**{**said, **changes})


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 376), st.booleans())
def test_a_perfect_program_scores_exactly_one(n: int, dimensions: int, by_reward: bool) -> None:
    truth = transitions(n, dimensions, rewards=np.arange(n) % 7 * 1.0, terminated=np.arange(n) % 5 == 4)
    evaluation = evaluate(truth, perfect(truth), replace(STANDARD, by_reward=by_reward))
    assert evaluation.accuracy == evaluation.exact == evaluation.state == 1.0
    assert evaluation.perfect


def test_a_part_of_each_kind_counts_a_third() -> None:
    truth = transitions(1)
    wrong_state = perfect(truth, observations=truth.next_observations + [[0, 1, 0]])
    assert evaluate(truth, wrong_state, STANDARD).accuracy == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert evaluate(truth, perfect(truth, rewards=truth.rewards + 1), STANDARD).accuracy == pytest.approx(2 / 3)
    assert evaluate(truth, perfect(truth, done=~truth.terminated), STANDARD).accuracy == pytest.approx(2 / 3)


def test_the_next_state_of_a_terminal_transition_does_not_count() -> None:
    truth = transitions(1, terminated=np.array([True]))
    said = perfect(truth, observations=np.full((1, 3), np.nan))
    assert evaluate(truth, said, STANDARD).accuracy == 1.0
    assert evaluate(truth, replace(said, done=np.array([False])), STANDARD).accuracy == 0.5


def test_nan_never_matches_even_nan() -> None:
    nan = np.full((1, 3), np.nan)
    truth = transitions(1, next_observations=nan, rewards=np.array([np.nan]))
    evaluation = evaluate(truth, perfect(truth), STANDARD)
    assert (evaluation.state, evaluation.reward) == (0.0, 0.0)


def test_an_observation_of_the_wrong_shape_costs_the_state_part_only() -> None:
    truth = transitions(2)
    said = perfect(truth, status=np.array([OK, BAD_OBSERVATION], dtype=np.uint8))
    evaluation = evaluate(truth, said, STANDARD)
    assert (evaluation.state, evaluation.reward, evaluation.done, evaluation.ran) == (0.5, 1.0, 1.0, 1.0)
    assert evaluation.accuracy == pytest.approx((1 + 2 / 3) / 2)


def test_where_the_wrong_shape_costs_everything_it_calls_for_a_fix() -> None:
    truth = transitions(2)
    failure = Failure("bad_observation", "the observation is None")
    said = perfect(truth, status=np.array([OK, BAD_OBSERVATION], dtype=np.uint8))
    mild = evaluate(truth, replace(said, failure=failure), STANDARD)
    fatal = evaluate(truth, replace(said, failure=failure), replace(STANDARD, malformed_raises=True))
    assert (mild.raised, fatal.raised) == (False, True)
    assert (fatal.accuracy, fatal.ran, fatal.reward, fatal.failure) == (0.0, 0.5, 0.5, failure)


@pytest.mark.parametrize("status", [RAISED, NOT_RUN])
def test_an_exception_anywhere_scores_zero_and_the_rest_is_reported(status: int) -> None:
    truth = transitions(4)
    said = perfect(truth, status=np.array([OK, OK, OK, status], dtype=np.uint8))
    evaluation = evaluate(truth, said, STANDARD)
    assert (evaluation.accuracy, evaluation.ran, evaluation.reward) == (0.0, 0.75, 0.75)


def test_every_distinct_reward_weighs_the_same_where_rewards_are_classes() -> None:
    truth = transitions(4, rewards=np.array([0.0, 0.0, 0.0, 1.0]))
    said = perfect(truth, rewards=np.zeros(4))
    assert evaluate(truth, said, STANDARD).accuracy == pytest.approx((3 + 2 / 3) / 4)
    assert evaluate(truth, said, replace(STANDARD, by_reward=True)).accuracy == pytest.approx((1 + 2 / 3) / 2)


def test_rare_ends_weigh_a_tenth_where_rewards_are_classes() -> None:
    rewards = np.array([-1.0] * 90 + [-100.0] * 10)
    truth = transitions(100, rewards=rewards, terminated=np.arange(100) == 0)
    never = perfect(truth, done=np.zeros(100, dtype=bool))
    rules = replace(STANDARD, by_reward=True, ends=0.1)
    assert evaluate(truth, perfect(truth), rules).accuracy == 1.0
    assert evaluate(truth, never, rules).accuracy == pytest.approx(1 - 0.1 / 2)
    assert evaluate(truth, never, replace(rules, ends=0.0)).accuracy == pytest.approx(1 - 1 / 90 / 4)
    assert evaluate(truth, never, replace(rules, by_reward=False)).accuracy == pytest.approx(1 - 1 / 200)
    # Each reward value still weighs the same: what one class gets wrong costs half.
    cheap = perfect(truth, rewards=np.full(100, -1.0))
    assert evaluate(truth, cheap, rules).accuracy == pytest.approx(1 - 1 / 3 / 2)


@given(st.lists(st.sampled_from([-1.0, 0.0, 7.0]), min_size=2, max_size=30), st.data())
def test_the_weight_of_ends_is_at_least_their_share(values: list[float], data: st.DataObject) -> None:
    n = len(values)
    ended = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    truth = transitions(n, rewards=np.array(values), terminated=ended)
    rules = replace(STANDARD, by_reward=True, ends=0.1)
    assert evaluate(truth, perfect(truth), rules).accuracy == 1.0
    lost = 1 - evaluate(truth, perfect(truth, done=np.zeros(n, dtype=bool)), rules).accuracy
    assert lost >= 0.05 - 1e-9 if ended.any() else lost == 0


@given(st.lists(st.sampled_from([0.0, 1.0, -100.0]), min_size=1, max_size=60), st.booleans(), st.data())
def test_accuracy_is_the_weighted_mean_of_the_scores(values: list[float], by_reward: bool, data: st.DataObject) -> None:
    truth = transitions(len(values), rewards=np.array(values))
    ends = data.draw(arrays(bool, len(values)))
    truth = replace(truth, terminated=ends)
    rules = replace(STANDARD, by_reward=by_reward, ends=0.1)
    said = replace(perfect(truth), done=np.zeros(len(values), bool))
    marks = compare(truth, said, rules)
    weight = weights(truth, marks.terminal, rules)
    assert weight.sum() == pytest.approx(1.0)
    assert (weight * marks.score).sum() == pytest.approx(evaluate(truth, said, rules).accuracy)


def test_the_published_rule_compares_rewards_with_their_float32() -> None:
    truth = transitions(2, rewards=np.array([0.1, 0.5]))
    exact = evaluate(truth, perfect(truth), PAPER)
    rounded = evaluate(truth, perfect(truth, rewards=np.float64(np.float32([0.1, 0.5]))), PAPER)
    assert (exact.reward, rounded.reward) == (0.5, 1.0)


def test_the_published_rule_takes_a_time_limit_for_done() -> None:
    truth = transitions(1, truncated=np.array([True]))
    assert evaluate(truth, perfect(truth), PAPER).done == 0.0
    assert evaluate(truth, perfect(truth), STANDARD).done == 1.0


@given(arrays(np.float64, (5, 2), elements=finite), st.floats(1e-8, 1e-2))
def test_the_tolerance_is_relative_and_absolute(values: np.ndarray, tolerance: float) -> None:
    truth = transitions(5, 2, next_observations=values)
    rules = replace(STANDARD, observation=tolerance)
    allowed = tolerance + tolerance * np.abs(values)
    assert compare(truth, perfect(truth, observations=values + 0.9 * allowed), rules).elements.all()
    assert not compare(truth, perfect(truth, observations=values + 1.1 * allowed + 1e-9), rules).elements.any()


def test_discrete_observations_match_exactly() -> None:
    truth = transitions(1, 1, next_observations=np.array([[1e6]]))
    said = perfect(truth, observations=np.array([[1e6 + 1]]))
    assert evaluate(truth, said, replace(STANDARD, observation=None)).state == 0.0


def test_the_trivial_program_says_the_most_common_reward_and_the_smallest_of_ties() -> None:
    truth = transitions(4, rewards=np.array([2.0, 1.0, 1.0, 2.0]))
    said = persistence(truth, truth, STANDARD)
    assert (said.rewards == 1.0).all()
    assert (said.observations == truth.observations).all()
    assert not said.done.any()


def test_mistakes_name_the_wrong_fields() -> None:
    truth = transitions(2, terminated=np.array([False, True]))
    said = perfect(truth, observations=truth.next_observations + [[0, 1, 0]], rewards=truth.rewards + [0, 1])
    marks = compare(truth, said, STANDARD)
    first, second = mistakes(truth, said, marks, marks, np.array([0, 1]))
    assert (first.wrong_elements, first.reward_wrong, first.done_wrong) == ([1], False, False)
    assert (second.wrong_elements, second.reward_wrong, second.done_wrong) == ([], True, False)


def test_what_is_not_determined_is_excused_part_by_part_but_not_its_form() -> None:
    known = np.ones((3, 5), dtype=bool)
    known[:, [0, 3]] = False  # the first element and the reward
    truth = transitions(3, determined=known)
    off = perfect(truth, observations=truth.next_observations + [[1, 0, 0]], rewards=truth.rewards + 1)
    worse = replace(off, observations=off.observations + np.array([[0], [1], [0]]), done=np.array([0, 0, 1], bool))
    marks = compare(truth, worse, STANDARD)
    assert marks.excused(known).right.tolist() == [True, False, False]
    assert evaluate(truth, off, STANDARD).perfect
    assert evaluate(truth, off, STANDARD).exact == 0
    assert evaluate(truth, worse, STANDARD).determined == pytest.approx(1 / 3)
    first, second, third = mistakes(truth, worse, marks, marks.excused(known), np.arange(3))
    assert (first.undetermined, first.wrong_elements, first.reward_wrong) == ([0, 3], [], False)
    assert (second.undetermined, second.wrong_elements) == ([0, 3], [1, 2])
    assert (third.undetermined, third.wrong_elements, third.done_wrong) == ([0, 3], [], True)
    malformed = replace(off, status=np.full(3, BAD_OBSERVATION, dtype=np.uint8))
    assert not evaluate(truth, malformed, STANDARD).perfect
    silent = replace(off, status=np.full(3, NOT_RUN, dtype=np.uint8))
    assert evaluate(truth, silent, STANDARD).determined == 0


def test_a_mistake_of_the_wrong_form_says_which() -> None:
    truth = transitions(3)
    failure = Failure("bad_observation", "the observation is an array of float64 and shape (2,)", transition=1)
    said = perfect(truth, status=np.array([OK, BAD_OBSERVATION, BAD_OBSERVATION], dtype=np.uint8))
    marks = compare(truth, replace(said, failure=failure), STANDARD)
    found = mistakes(truth, replace(said, failure=failure), marks, marks, np.arange(3))
    assert [m.malformed for m in found] == ["", failure.message, f"{failure.message} (so it was in transition 1)"]
    later = mistakes(truth, said, marks, marks, np.array([1]))
    assert later[0].malformed == "the observation has the wrong shape or type"


def test_of_many_wrong_elements_the_worst_of_each_block_are_shown() -> None:
    # The third block is furthest off everywhere; the others are shown as well.
    error = np.concatenate([np.arange(10) / 10, np.arange(10) / 20, 100 + np.arange(80)])
    shown = telling(range(100), error, [10, 10, 80])
    assert shown == [*range(3, 10), *range(13, 20), *range(94, 100)]
    assert telling([2, 50, 99], error, [10, 10, 80]) == [2, 50, 99]
    assert telling(range(100), error) == list(range(80, 100))
    error[0] = np.inf
    assert 0 in telling(range(100), error, [10, 10, 80])


def test_errors_are_told_by_the_scale_on_which_an_element_moves() -> None:
    # Element 0 moves by thousandths and is off by as much, the others by thousands and are off by tens.
    truth = transitions(50, 30)
    moves = np.array([1e-3] + [1e3] * 29)
    truth = replace(truth, next_observations=truth.observations + moves * truth.next_observations)
    said = perfect(truth, observations=truth.next_observations + [[1e-3] + [10.0 + i for i in range(29)]])
    marks = compare(truth, said, STANDARD)
    (mistake,) = mistakes(truth, said, marks, marks, np.array([7]))
    assert len(mistake.wrong_elements) == 30
    assert mistake.shown[0] == 0
    assert len(mistake.shown) == 20
    assert np.allclose(change(truth)[[0, 1]], [1e-3, 1e3], rtol=0.5)


def test_skill_is_not_clipped_and_undefined_where_the_bounds_meet() -> None:
    assert skill(0.3, 0.4, 0.9) == pytest.approx(-0.2)
    assert skill(0.9, 0.4, 0.9) == 1.0
    assert skill(0.9, 0.88, 0.92) is None
