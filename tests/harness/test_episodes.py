import numpy as np
import pytest

from cwmb.baselines import Returns
from cwmb.harness.episodes import normalise, summary


def test_the_standard_error_is_that_of_the_sample() -> None:
    assert summary([1.0, 2.0, 3.0]) == (2.0, pytest.approx(1 / np.sqrt(3)))
    assert summary([5.0]) == (5.0, 0.0)


def test_random_is_zero_and_oracle_is_one() -> None:
    random, oracle = Returns(10.0, 0.5, 1000), Returns(110.0, 2.0, 10)
    assert normalise(10.0, 0.0, random, oracle) == (0.0, pytest.approx(0.005))
    assert normalise(110.0, 2.0, random, oracle)[0] == 1.0


def test_the_error_includes_both_baselines() -> None:
    """Against the spread of the ratio when all three means are drawn anew."""
    random, oracle = Returns(10.0, 0.5, 1000), Returns(110.0, 2.0, 10)
    _, error = normalise(60.0, 3.0, random, oracle)
    rng = np.random.default_rng(0)
    p, r, o = rng.normal(60, 3, 10**5), rng.normal(10, 0.5, 10**5), rng.normal(110, 2, 10**5)
    assert error == pytest.approx(((p - r) / (o - r)).std(), rel=0.02)


def test_it_is_undefined_where_the_oracle_does_not_clearly_beat_random() -> None:
    assert normalise(0.0, 0.0, Returns(0.0, 1.0, 10), Returns(2.8, 1.0, 10)) == (None, None)
    assert normalise(0.0, 0.0, Returns(0.0, 1.0, 10), Returns(2.9, 1.0, 10))[0] == 0.0
