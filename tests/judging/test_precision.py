"""Precision: exactness is 1, doing nothing near 0, each digit a fifth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from test_scoring import STANDARD, perfect, transitions

from cwmb.judging.precision import DIGITS, Scale, digits, scale
from cwmb.judging.scoring import evaluate, persistence
from cwmb.types import NOT_RUN, OK, RAISED, Failure, Predictions, Transitions

scales = st.floats(1e-6, 1e6)
errors = st.floats(-1e9, 1e9, allow_nan=False)


def of(truth: Transitions, said: Predictions, **changes: object) -> float:
    usual = scale(truth, discrete_observation=False, discrete_reward=False)
    found = evaluate(truth, said, replace(STANDARD, **changes), scale=usual).precision
    assert found is not None
    return found


@given(scales, st.integers(0, DIGITS))
def test_each_digit_is_a_fifth(unit: float, right: int) -> None:
    assert digits(unit * 10.0**-right, unit) == pytest.approx(right / DIGITS)


@given(errors, errors, scales)
def test_a_larger_error_never_has_more_digits(a: float, b: float, unit: float) -> None:
    few, many = digits([max(abs(a), abs(b)), min(abs(a), abs(b))], [unit, unit])
    assert 0 <= few <= many <= 1


@given(scales)
def test_no_error_is_exact_and_no_number_has_no_digits(unit: float) -> None:
    said = digits([0.0, np.nan, np.inf, -np.inf], [unit] * 4)
    assert said.tolist() == [1.0, 0.0, 0.0, 0.0]


@given(st.integers(1, 200), st.integers(1, 376), st.booleans())
def test_a_perfect_program_is_exact(n: int, dimensions: int, by_reward: bool) -> None:
    truth = transitions(n, dimensions, rewards=np.arange(n) % 7 * 1.0, terminated=np.arange(n) % 5 == 4)
    assert of(truth, perfect(truth), by_reward=by_reward) == 1.0


@given(st.integers(0, 2**32 - 1), st.integers(50, 300), st.integers(1, 20))
def test_that_nothing_changes_is_near_zero(seed: int, n: int, dimensions: int) -> None:
    rng = np.random.default_rng(seed)
    truth = transitions(n, dimensions, rewards=rng.normal(size=n))
    truth = replace(truth, next_observations=truth.observations + rng.normal(size=truth.observations.shape))
    assert of(truth, persistence(truth, truth, STANDARD)) < 0.15


@given(arrays(np.float64, (6, 3), elements=st.floats(-1, 1)), st.integers(-20, 20))
def test_units_do_not_matter(error: np.ndarray, power: int) -> None:
    factor = 2.0**power
    truth = transitions(6)
    large = replace(truth, observations=truth.observations * factor, next_observations=truth.next_observations * factor)
    said = perfect(truth, observations=truth.next_observations + error)
    assert of(large, perfect(large, observations=said.observations * factor)) == pytest.approx(of(truth, said))


def test_state_and_reward_count_half_and_a_terminal_state_not_at_all() -> None:
    truth = transitions(2, terminated=np.array([False, True]))
    far = truth.next_observations + 1e9
    assert of(truth, perfect(truth, observations=far)) == pytest.approx((0.5 + 1) / 2)
    assert of(truth, perfect(truth, rewards=truth.rewards + 1e9)) == pytest.approx((0.5 + 0) / 2)
    assert of(truth, perfect(truth, done=~truth.terminated)) == 1.0  # which has no digits


def test_what_is_discrete_or_constant_must_match() -> None:
    truth = transitions(3, 2)
    truth.next_observations[:, 0] = truth.observations[:, 0]
    said = perfect(truth, observations=truth.next_observations + [0.01, 0.0])
    assert of(truth, said) == pytest.approx((1 + 0.5) / 2)
    whole = Scale(np.zeros(2), 0.0)
    nearly = perfect(truth, observations=truth.next_observations + [0.0, 0.01], rewards=truth.rewards + 0.01)
    assert evaluate(truth, nearly, STANDARD, scale=whole).precision == pytest.approx((0.5 + 0) / 2)


@given(st.floats(-100, 100), st.integers(2, 50))
def test_a_constant_reward_has_no_scale(reward: float, n: int) -> None:
    found = scale(transitions(n, rewards=np.full(n, reward)), discrete_observation=False, discrete_reward=False)
    assert found.reward == 0.0


def test_the_scale_is_that_of_training_data() -> None:
    change = np.array([[3.0, 0.0], [-4.0, 0.0]])
    truth = transitions(2, 2, rewards=np.array([1.0, 5.0]))
    truth = replace(truth, next_observations=truth.observations + change)
    found = scale(truth, discrete_observation=False, discrete_reward=False)
    assert found.observation == pytest.approx([np.sqrt(12.5), 0.0])
    assert found.reward == pytest.approx(2.0)
    discrete = scale(truth, discrete_observation=True, discrete_reward=True)
    assert (discrete.observation.tolist(), discrete.reward) == ([0.0, 0.0], 0.0)


def test_rewards_that_are_classes_weigh_the_same() -> None:
    truth = transitions(4, rewards=np.array([0.0, 0.0, 0.0, 1.0]))
    said = perfect(truth, rewards=np.array([0.0, 0.0, 0.0, 9.0]))
    assert of(truth, said) == pytest.approx((3 + 0.5) / 4)
    assert of(truth, said, by_reward=True) == pytest.approx((1 + 0.5) / 2)


@given(st.sampled_from([RAISED, NOT_RUN]), st.sampled_from(["exception", "timeout"]))
def test_out_of_time_is_not_out_of_score_but_an_exception_is(status: int, kind: str) -> None:
    assume((status, kind) != (NOT_RUN, "exception"))
    truth = transitions(4)
    late = kind == "timeout" and status == NOT_RUN
    said = perfect(truth, status=np.array([OK, OK, OK, status], dtype=np.uint8), done=np.zeros(4, dtype=bool))
    said = replace(said, failure=Failure(kind, "", transition=3))  # type: ignore[arg-type]
    usual = scale(truth, discrete_observation=False, discrete_reward=False)
    found = evaluate(truth, said, STANDARD, scale=usual)
    assert found.accuracy == (0.75 if late else 0.0)
    assert found.precision == (0.75 if late else 0.0)
    assert found.ran == 0.75
    assert found.raised
