import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cwmb.report.statistics import (
    bootstrap_interval,
    interquartile_mean,
    mean,
    probability_of_improvement,
)

quick = settings(deadline=None, max_examples=40)

VALUES = arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e3, 1e3))
STRATA = st.lists(arrays(np.float64, st.integers(2, 5), elements=st.floats(-1e3, 1e3)), min_size=1, max_size=6)


def test_interquartile_mean_of_known_values():
    assert interquartile_mean(np.array([100.0, 1.0, 2.0, -50.0])) == 1.5
    # six values: one and a half are dropped at each end, so the second and the fifth count half
    assert interquartile_mean(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 50.0])) == pytest.approx((0.5 + 2 + 3 + 2) / 3)
    assert interquartile_mean(np.array([7.0])) == 7.0


@quick
@given(VALUES, st.randoms())
def test_interquartile_mean_does_not_depend_on_the_order_and_lies_within(values, random):
    shuffled = np.array(random.sample(list(values), len(values)))
    result = interquartile_mean(values)
    assert interquartile_mean(shuffled) == result
    low, high = np.quantile(values, [0.25, 0.75], method="closest_observation")
    assert min(values.min(), low) - 1e-9 <= result <= max(values.max(), high) + 1e-9


@quick
@given(VALUES, st.floats(-100, 100), st.floats(0.1, 10))
def test_interquartile_mean_moves_and_scales_with_the_values(values, shift, scale):
    expected = interquartile_mean(values) * scale + shift
    assert interquartile_mean(values * scale + shift) == pytest.approx(expected, abs=1e-6)


@quick
@given(arrays(np.float64, st.integers(1, 10).map(lambda n: 4 * n), elements=st.floats(-1e3, 1e3)))
def test_interquartile_mean_is_the_mean_of_the_middle_half(values):
    n = len(values) // 4
    assert interquartile_mean(values) == pytest.approx(np.sort(values)[n : 3 * n].mean(), abs=1e-9)


def test_an_outlier_does_not_move_it():
    values = np.arange(18.0)
    assert interquartile_mean(np.append(values[:-1], 1e9)) == interquartile_mean(values)


@quick
@given(STRATA)
def test_interval_lies_within_what_resampling_can_give(strata):
    interval = bootstrap_interval(strata, resamples=50)
    assert interval.resampled == "seeds"
    lowest, highest = (np.mean([f(values) for values in strata]) for f in (np.min, np.max))
    assert lowest - 1e-9 <= interval.low <= interval.high <= highest + 1e-9


@quick
@given(STRATA)
def test_the_same_seed_gives_the_same_interval(strata):
    assert bootstrap_interval(strata, resamples=50) == bootstrap_interval(strata, resamples=50)


def test_interval_has_the_width_that_theory_gives():
    rng = np.random.default_rng(3)
    strata = [rng.normal(size=200) + shift for shift in (0.0, 100.0)]
    interval = bootstrap_interval(strata, resamples=2000)
    error = np.sqrt(sum(values.var() / len(values) for values in strata)) / 2
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.1)  # not blown up by the shift
    assert interval.low < np.mean([values.mean() for values in strata]) < interval.high


def test_resampled_means_do_not_depend_on_how_many_are_drawn_at_a_time(monkeypatch):
    strata = [np.array([0.0, 1.0, 2.0]), np.array([5.0, 7.0])]
    whole = bootstrap_interval(strata)
    monkeypatch.setattr("cwmb.report.statistics._CHUNK", 60)
    assert bootstrap_interval(strata) == whole


def test_unequal_numbers_of_seeds_are_resampled_each_from_its_own():
    strata = [np.array([1.0, 1.0]), np.array([3.0, 3.0, 3.0, 3.0, 3.0])]
    interval = bootstrap_interval(strata)
    assert (interval.low, interval.high) == (2.0, 2.0)


def test_with_single_seeds_the_environments_are_resampled():
    interval = bootstrap_interval([np.array([0.0]), np.array([1.0]), np.array([0.5, 0.5])])
    assert interval.resampled == "environments"
    assert interval.low < 0.5 < interval.high


def test_nothing_can_be_said_of_a_single_value():
    assert bootstrap_interval([]) is None
    assert bootstrap_interval([np.array([]), np.array([1.0])]) is None


def test_other_statistics_have_intervals_too():
    strata = [np.array([float(i), i + 0.5]) for i in range(8)]
    interval = bootstrap_interval(strata, interquartile_mean)
    assert interval.low <= interquartile_mean(np.array([values.mean() for values in strata])) <= interval.high
    assert interval != bootstrap_interval([s * 2 for s in strata], mean)


def test_probability_of_improvement():
    assert probability_of_improvement([np.array([1.0, 2.0]), np.array([0.1])]) == 1.0
    assert probability_of_improvement([np.array([1.0, -1.0, -1.0, -1.0]), np.array([0.0])]) == pytest.approx(0.375)
    assert probability_of_improvement([np.array([])]) is None


@quick
@given(STRATA)
def test_one_of_two_improves_on_the_other(strata):
    there, back = probability_of_improvement(strata), probability_of_improvement([-values for values in strata])
    assert there + back == pytest.approx(1.0)
