"""CEM, iCEM and the random planner."""

import itertools

import numpy as np
import pytest

from cwmb.planners import SimulationFailed, create
from cwmb.planners.cem import CEM
from cwmb.planners.icem import ICEM, coloured_noise
from cwmb.planners.random import Random

LOW, HIGH = np.array([-1.0, -2.0]), np.array([1.0, 2.0])
TARGET = np.array([0.4, -1.5])


def cem(**parameters):
    return create(
        CEM, LOW, HIGH, "float32", {"horizon": 6, "iterations": 20, "samples": 200, "elites": 20} | parameters
    )


def icem(**parameters):
    return create(ICEM, LOW, HIGH, "float32", {"horizon": 6, "execute": 2} | parameters)


class Quadratic:
    """The return is the negative squared distance from a target action at every step. Remembers what it was asked."""

    def __init__(self, target=TARGET, failing=0.0):
        self.target, self.failing = target, failing
        self.asked = []

    def returns(self, plans):
        self.asked.append(plans.copy())
        returns = -((plans - self.target) ** 2).sum(axis=(1, 2))
        returns[: round(self.failing * len(returns))] = -np.inf
        return returns


@pytest.mark.parametrize("planner", [cem(), icem(iterations=20)])
def test_the_optimum_of_a_quadratic_problem_is_found(planner):
    plan = planner.plan(Quadratic(), np.random.default_rng(0))
    assert plan == pytest.approx(np.tile(TARGET, (len(plan), 1)), abs=0.05)


@pytest.mark.parametrize("make", [cem, icem])
@pytest.mark.parametrize(("execute", "length"), [("all", 6), (1, 1), (4, 4), (9, 6)])
def test_as_many_actions_as_are_to_be_executed_come_back(make, execute, length):
    assert make(execute=execute).plan(Quadratic(), np.random.default_rng(0)).shape == (length, 2)


@pytest.mark.parametrize("make", [cem, icem])
def test_the_plan_is_the_best_sample_of_the_last_iteration(make):
    model = Quadratic()
    plan = make(execute="all").plan(model, np.random.default_rng(0))
    last = model.asked[-1]
    assert np.array_equal(plan, last[np.argmax(Quadratic().returns(last))])


@pytest.mark.parametrize("make", [cem, icem])
def test_plans_stay_within_bounds_and_dtype(make):
    model = Quadratic(target=np.array([5.0, 5.0]))
    plan = make().plan(model, np.random.default_rng(0))
    for plans in [*model.asked, plan]:
        assert (plans >= LOW).all()
        assert (plans <= HIGH).all()
        assert np.array_equal(plans, plans.astype(np.float32))
    assert (model.asked[-1] == HIGH).any()


@pytest.mark.parametrize("make", [cem, icem])
def test_the_same_seed_gives_the_same_plans(make):
    def plans(seed):
        planner, rng = make(), np.random.default_rng(seed)
        return np.concatenate([planner.plan(Quadratic(), rng) for _ in range(3)])

    assert np.array_equal(plans(0), plans(0))
    assert not np.array_equal(plans(0), plans(1))


@pytest.mark.parametrize("make", [cem, icem])
def test_failing_samples_are_no_elites(make):
    model = Quadratic(failing=0.95)
    plan = make(execute="all").plan(model, np.random.default_rng(0))
    last = model.asked[-1]
    dead = round(0.95 * len(last))
    assert any(np.array_equal(plan, alive) for alive in last[dead:])


@pytest.mark.parametrize("make", [cem, icem])
def test_if_every_sample_fails_there_is_no_plan_and_the_next_one_starts_afresh(make):
    planner = make()
    planner.plan(Quadratic(), np.random.default_rng(0))
    with pytest.raises(SimulationFailed):
        planner.plan(Quadratic(failing=1.0), np.random.default_rng(0))
    after, fresh = Quadratic(), Quadratic()
    planner.plan(after, np.random.default_rng(1))
    make().plan(fresh, np.random.default_rng(1))
    assert all(np.array_equal(a, b) for a, b in zip(after.asked, fresh.asked, strict=True))


@pytest.mark.parametrize("make", [cem, icem])
def test_returns_that_are_no_numbers_count_as_failed(make):
    class Broken(Quadratic):
        def returns(self, plans):
            return np.full(len(plans), np.nan)

    with pytest.raises(SimulationFailed):
        make().plan(Broken(), np.random.default_rng(0))


def test_cem_draws_as_the_paper_says():
    model = Quadratic()
    cem(horizon=50, samples=2000, elites=200).plan(model, np.random.default_rng(0))
    first, second = model.asked[:2]
    # The first samples: the middle of the range, half of the largest bound, clipped at two deviations.
    assert len(model.asked) == 20
    assert first.mean(axis=(0, 1)) == pytest.approx([0, 0], abs=0.01)
    assert np.abs(first).max(axis=(0, 1)).tolist() == [1, 2]
    assert np.quantile(first, 0.8413, axis=(0, 1)) == pytest.approx([0.5, 1.0], abs=0.01)
    # The second ones: mean and population deviation of the elites.
    elites = first[np.argsort(-Quadratic().returns(first))[:200]]
    assert second.mean(axis=0) == pytest.approx(elites.mean(axis=0), abs=0.2)
    assert second[:, :, 0].std(axis=0) == pytest.approx(elites[:, :, 0].std(axis=0), rel=0.12)


def test_cem_without_variance_stays_where_it_is():
    # A single elite has no deviation, and there is no floor: every later sample is that one.
    model = Quadratic()
    cem(elites=1, iterations=3).plan(model, np.random.default_rng(0))
    best = model.asked[0][np.argmax(Quadratic().returns(model.asked[0]))]
    assert (model.asked[1] == best).all()


def test_icem_samples_keeps_and_shifts():
    planner, rng = icem(iterations=3, samples=64, horizon=30), np.random.default_rng(0)
    first, second = Quadratic(), Quadratic()
    planner.plan(first, rng)
    assert [len(plans) for plans in first.asked] == [64, 51 + 3, 41 + 3]
    planner.plan(second, rng)
    assert [len(plans) for plans in second.asked] == [64 + 3, 51 + 3, 41 + 3]
    # 4,950 model steps a plan, the protocol's figure.
    assert sum(len(plans) for plans in second.asked) * 30 == 4950

    def best(plans, n):
        return plans[np.argsort(-Quadratic().returns(plans), kind="stable")[:n]]

    # Within a plan the best three stay as they are; from plan to plan without what has been executed.
    assert np.array_equal(first.asked[1][-3:], best(first.asked[0], 3))
    assert np.array_equal(second.asked[0][-3:, :-2], best(first.asked[2], 3)[:, 2:])
    assert np.array_equal(second.asked[0][-3:, -2:], second.asked[0][:3, -2:])


def test_icem_has_at_least_twice_as_many_samples_as_elites():
    model = Quadratic()
    icem(iterations=4, samples=30, decay=2.0, elites=10, keep_fraction=0.0).plan(model, np.random.default_rng(0))
    assert [len(plans) for plans in model.asked] == [30, 20, 20, 20]


def test_icem_continues_from_the_shifted_mean():
    planner, rng = icem(iterations=20, samples=1000), np.random.default_rng(0)
    target = np.linspace(-0.5, 0.5, 6)[:, None] * np.ones(2)
    planner.plan(Quadratic(target), rng)
    again = Quadratic(target)
    planner.plan(again, rng)
    shifted = np.concatenate([target[2:], target[-1:], target[-1:]])
    assert again.asked[0].mean(axis=0) == pytest.approx(shifted, abs=0.2)


def test_momentum_slows_the_mean():
    def second_mean(momentum):
        model = Quadratic()
        icem(momentum=momentum, samples=2000, elites=100, decay=1.0).plan(model, np.random.default_rng(0))
        return model.asked[1].mean(axis=(0, 1))

    assert second_mean(0.9) == pytest.approx(0.1 * second_mean(0.0), abs=0.05)


def test_momentum_slows_the_deviation():
    def deviations(momentum):
        model = Quadratic()
        planner = icem(momentum=momentum, samples=2000, elites=20, decay=1.0, keep_fraction=0.0)
        planner.plan(model, np.random.default_rng(0))
        first, second = model.asked[:2]
        elites = first[np.argsort(-Quadratic().returns(first), kind="stable")[:20]]
        return elites[..., 0].std(axis=0).mean(), second[..., 0].std(axis=0).mean()

    # The first deviation is half of the largest bound: 0.5 in the first dimension.
    elites, unslowed = deviations(0.0)
    assert unslowed == pytest.approx(elites, rel=0.05)
    assert deviations(0.6)[1] == pytest.approx(0.6 * 0.5 + 0.4 * elites, rel=0.05)


def test_the_mean_is_one_of_the_last_samples_and_of_no_others():
    model = Quadratic()
    icem(iterations=3, samples=64, decay=1.0, momentum=0.0, keep_fraction=0.0).plan(model, np.random.default_rng(0))
    for before, plans in itertools.pairwise(model.asked):
        elites = before[np.argsort(-Quadratic().returns(before), kind="stable")[:10]]
        mean = elites.mean(axis=0).astype(np.float32)
        assert [i for i, plan in enumerate(plans) if np.array_equal(plan, mean)] == [0] * (plans is model.asked[-1])


@pytest.mark.parametrize("horizon", [1, 2, 9, 30])
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_coloured_noise_has_unit_variance_and_the_right_spectrum(beta, horizon):
    noise = coloured_noise(beta, (4000, horizon, 2), np.random.default_rng(0))
    assert noise.shape == (4000, horizon, 2)
    assert noise.mean() == pytest.approx(0, abs=0.05)
    assert (noise**2).mean(axis=(0, 2)) == pytest.approx(np.ones(horizon), abs=0.08)
    power = (np.abs(np.fft.rfft(noise, axis=1)) ** 2).mean(axis=(0, 2))
    frequency = np.maximum(np.arange(len(power)), 1)
    assert power * frequency**beta == pytest.approx(np.full(len(power), power[0]), rel=0.1)


def test_noise_of_exponent_2_is_smooth():
    noise = coloured_noise(2.0, (500, 30, 1), np.random.default_rng(0))
    white = coloured_noise(0.0, (500, 30, 1), np.random.default_rng(0))
    assert np.abs(np.diff(noise, axis=1)).mean() < 0.5 * np.abs(np.diff(white, axis=1)).mean()


@pytest.mark.parametrize(
    ("planner", "parameters", "complaint"),
    [
        (CEM, {"sample": 3}, "planner CEM has no parameter 'sample'; there are: horizon, iterations, samples, elites"),
        (CEM, {"decay": 3}, "planner CEM has no parameter 'decay'"),
        (ICEM, {"memory": 3}, "planner ICEM has no parameter 'memory'"),
        (CEM, {"horizon": 0}, "cem: horizon must be at least 1, not 0"),
        (CEM, {"samples": 5, "elites": 6}, r"cem: elites must be at most samples \(5\), not 6"),
        (CEM, {"execute": 0}, 'cem: execute must be "all" or at least 1, not 0'),
        (ICEM, {"execute": "some"}, "icem: execute must be \"all\" or at least 1, not 'some'"),
        (ICEM, {"decay": 0.5}, "icem: decay must be at least 1, not 0.5"),
        (ICEM, {"keep_fraction": 1.5}, r"icem: keep_fraction must lie in \[0, 1\], not 1.5"),
        (ICEM, {"momentum": 1.0}, r"icem: momentum must lie in \[0, 1\), not 1.0"),
        (Random, {"samples": 1}, "planner Random has no parameter 'samples'; there are: none"),
    ],
)
def test_bad_parameters_are_named(planner, parameters, complaint):
    with pytest.raises(ValueError, match=complaint):
        create(planner, LOW, HIGH, "float32", parameters)


@pytest.mark.parametrize("planner", [CEM, ICEM])
def test_they_need_bounded_continuous_actions(planner):
    with pytest.raises(ValueError, match="needs continuous actions, not int64"):
        create(planner, [0.0], [3.0], "int64", {})
    with pytest.raises(ValueError, match="needs bounded actions"):
        create(planner, [-np.inf], [1.0], "float32", {})


def test_random_covers_the_action_space():
    rng = np.random.default_rng(0)
    discrete = create(Random, [2.0], [4.0], "int64", {})
    assert {discrete.plan(None, rng).item() for _ in range(100)} == {2.0, 3.0, 4.0}
    box = create(Random, LOW, HIGH, "float32", {})
    actions = np.concatenate([box.plan(None, rng) for _ in range(1000)])
    assert actions.mean(axis=0) == pytest.approx([0, 0], abs=0.15)
    assert (actions >= LOW).all()
    assert (actions <= HIGH).all()
    assert actions.std(axis=0) == pytest.approx((HIGH - LOW) / np.sqrt(12), rel=0.1)
