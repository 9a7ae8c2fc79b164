from dataclasses import replace

import numpy as np
import pytest

from cwmb.benchmark.baselines import Returns
from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.protocols import PlannerSpec, protocol, protocol_names
from cwmb.harness.episodes import normalise, planner, planner_spec, summary
from cwmb.types import Space


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


@pytest.mark.parametrize("name", protocol_names())
def test_every_protocol_has_a_planner_for_every_environment(name: str) -> None:
    rules = protocol(name)
    spaces = {
        "discrete": Space("discrete", (0.0,), (3.0,), "int64"),
        "continuous": Space("box", (-1.0, -2.0), (1.0, 2.0), "float32"),
    }
    for identifier in environment_ids():
        spec = environment(identifier)
        planner(planner_spec(spec, rules), spaces[spec.group])
    named = set(rules.discrete.environments) | set(rules.continuous.environments)
    assert named <= set(environment_ids())


def test_a_protocol_may_change_parameters_in_some_environments() -> None:
    changed = PlannerSpec("icem", {"horizon": 30, "samples": 64}, {"Reacher-v4": {"samples": 128}})
    rules = replace(protocol("standard"), continuous=changed)
    assert planner_spec(environment("Reacher-v4"), rules).parameters == {"horizon": 30, "samples": 128}
    assert planner_spec(environment("Hopper-v4"), rules).parameters == {"horizon": 30, "samples": 64}
