"""Mechanisms that differ: the catalogue, one alteration at a time, in the real environment and in the reference."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from cwmb.benchmark.catalog import EnvironmentSpec, World, environment
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import suite
from cwmb.benchmark.trajectories import transitions
from cwmb.collect.determined import restored
from cwmb.collect.worlds import COST
from cwmb.judging.bounds import modal_predictions
from cwmb.judging.scoring import evaluate, persistence, rules, skill
from cwmb.reference import program_of
from cwmb.types import OK, Predictions, Program, Transitions
from cwmb.worlds import make, mechanisms
from cwmb.worlds.alterations import LATER, alterable, alterations, drawn, given, unaltered
from cwmb.worlds.constants import defaults
from cwmb.worlds.simulator import Simulator

ROWS = 100
SLOW = ("Humanoid-v4", "HumanoidStandup-v4", "Ant-v4")  # whose reference takes milliseconds a step
SLOW_ROWS = 12
# How far the reference may be from the simulator: the solver stops early; an object is touched; of several likeliest
# outcomes (cards of equal chance) each takes another.
NEARLY = {"Humanoid-v4": 0.01, "HumanoidStandup-v4": 0.01, "Pusher-v4": 0.02, "Blackjack-v1": 0.12}
ALL = [(name, alteration) for name in alterable() for alteration in alterations(name)]


def altered(name: str, *chosen: str, seed: int = 0) -> EnvironmentSpec:
    """The original's constants with some alterations."""
    rng = np.random.default_rng(seed)
    values = {alteration: alterations(name)[alteration].drawn(rng) for alteration in chosen}
    spec = replace(environment(name), world=World("altered", 0, defaults(name), values))
    brings = any(alterations(name)[alteration].rewards for alteration in chosen)
    return replace(spec, reward_values=None) if brings else spec


@cache
def some(name: str) -> Transitions:
    data = transitions(environment(name), "test")
    if name == "Pusher-v4":  # whose reference leaves the object where it is
        data = data.take((data.next_observations[:, 17:20] == data.observations[:, 17:20]).all(axis=1))
    return data.take(np.linspace(0, len(data) - 1, SLOW_ROWS if name in SLOW else ROWS).astype(int))


def said_by(simulator: Simulator, spec: EnvironmentSpec) -> Predictions:
    """What a simulator does, or does most likely."""
    data = some(spec.id)
    return modal_predictions(simulator, data, spec) if spec.stochastic else restored(simulator, data)


def truth(spec: EnvironmentSpec) -> Transitions:
    """What an altered environment does from states of the original, all of it determined."""
    said, data = said_by(make(spec), spec), some(spec.id)
    outcome = {"next_observations": said.observations, "rewards": said.rewards, "terminated": said.done}
    return replace(data, determined=np.ones_like(data.determined), **outcome)


def predicted(program: Program, spec: EnvironmentSpec) -> Predictions:
    namespace: dict[str, Any] = {}
    exec(compile(program.source, "program.py", "exec"), namespace)
    model, real, rows = namespace["Environment"](), make(spec), []
    for observation, action in zip(some(spec.id).observations, some(spec.id).actions, strict=True):
        model.set_state(real.observation_space.decode(observation))
        row, reward, done = model.step(real.action_space.decode(action))
        rows.append((np.atleast_1d(np.asarray(row, dtype=float)), reward, done))
    observations, rewards, done = (np.array(part) for part in zip(*rows, strict=True))
    return Predictions(observations, rewards, done, np.full(len(rewards), OK, dtype=np.uint8))


@pytest.mark.parametrize(("name", "alteration"), ALL)
def test_reference_and_environment_agree_and_a_program_without_it_loses(name: str, alteration: str) -> None:
    spec = altered(name, alteration)
    data, standard = truth(spec), rules(spec, protocol("standard").scoring)
    accuracy = evaluate(data, predicted(program_of(spec), spec), standard).accuracy
    assert accuracy == pytest.approx(1.0, abs=NEARLY.get(name, 1e-12))
    floor = evaluate(data, persistence(data, data, standard), standard).accuracy
    without = evaluate(data, said_by(make(unaltered(spec)), spec), standard).accuracy
    found = skill(without, floor, 1.0)
    assert found is not None
    assert found <= 1 - COST


@pytest.mark.parametrize("name", alterable())
def test_there_are_eight_of_each(name: str) -> None:
    assert len(alterations(name)) >= 8
    for alteration in alterations(name).values():
        function = getattr(mechanisms, alteration.function)
        named = {k for k, p in inspect.signature(function).parameters.items() if p.kind == p.KEYWORD_ONLY}
        assert named == {*alteration.range, *alteration.fixed, *alteration.world}
        values = alteration.drawn(np.random.default_rng(0))
        assert all(low <= abs(values[k]) <= high or low <= values[k] <= high
                   for k, (low, high) in alteration.range.items())  # fmt: skip


@pytest.mark.parametrize("name", alterable())
def test_a_draw_composes_two_or_three_different_ones(name: str) -> None:
    counts, sizes = suite("altered").alterations, set()
    for seed in range(20):
        found = drawn(name, counts, np.random.default_rng(seed))
        assert found == drawn(name, counts, np.random.default_rng(seed))
        sizes.add(len(found))
        assert len({alterations(name)[k].function for k in found}) == len(found)
    assert sizes == {2, 3}


def test_what_acts_before_the_step_comes_first() -> None:
    order = [change.__name__ for change, _ in given(altered("Taxi-v3", "toll", "rows", "belt"))]
    assert order == ["act_rows", "then_belt", "then_toll"]
    assert [name.startswith(LATER) for name in order] == [False, True, True]


@pytest.mark.parametrize("name", [name for name in alterable() if name != "Blackjack-v1"])  # whose cards are drawn
def test_plans_snapshots_and_episodes_are_those_of_steps(name: str) -> None:
    chosen = list(drawn(name, (3, 3), np.random.default_rng(1)))
    real, rng = make(altered(name, *chosen)), np.random.default_rng(0)
    real.reset(3)
    here, space = real.snapshot(), real.action_space
    plans = rng.uniform(space.low, space.high, (3, 25, space.size))
    plans = plans.round() if space.kind == "discrete" else plans.astype(space.dtype).astype(np.float64)
    totals = []
    for plan in plans:
        real.load(here)
        total, seen = 0.0, []
        for action in plan:
            row, reward, terminated, _ = real.step(action)
            seen.append(row)
            total += reward
            if terminated:
                break
        totals.append(total)
        real.restore(seen[-2] if len(seen) > 1 else here[1])
        again, *_ = real.step(plan[len(seen) - 1])
        assert np.array_equal(again, seen[-1])
    assert np.array_equal(real.returns(here, plans), totals)


def test_an_altered_episode_is_cut_off_when_the_original_is() -> None:
    real = make(altered("Pendulum-v1", "drag"))
    real.reset(0)
    cut = [real.step(np.zeros(1))[3] for _ in range(200)]
    assert cut == [False] * 199 + [True]
