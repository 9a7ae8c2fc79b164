"""Reference programs that learn: what hidden keeps back can be found out from the training data."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cwmb.benchmark.baselines import of_environment
from cwmb.benchmark.catalog import World, environment
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import shipped
from cwmb.benchmark.trajectories import transitions
from cwmb.judging.judge import Judge
from cwmb.judging.scoring import skill
from cwmb.reference import learner_of, program
from cwmb.reference.learning import FITS, SHARED, learning
from cwmb.sandbox import Sandbox
from cwmb.worlds.constants import constants, varying

WORLDS = shipped("hidden")
CHEAP = [name for name in WORLDS.ids if not name.endswith("-v4")]
QUICK_ROBOTS = ["InvertedPendulum-v4", "InvertedDoublePendulum-v4", "Swimmer-v4"]
ROBOTS = [name for name in WORLDS.ids if name.endswith("-v4") and name not in QUICK_ROBOTS]  # half a minute at most


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1, planners={}) as sandbox:
        yield sandbox


def search() -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec((FITS / f"{SHARED}.py").read_text(), namespace)
    return namespace


def finds_out(sandbox: Sandbox, name: str) -> None:
    spec = WORLDS.environment(name)
    learner, judge = learner_of(spec), Judge.of(sandbox, protocol("standard"), spec)
    bounds = of_environment(spec, "quick").test
    assert learner is not None
    assert bounds is not None
    fitted = judge.fitted(learner)
    assert fitted.failure is None
    assert 0 < fitted.seconds < 60
    accuracy = judge.score(learner, transitions(spec, "test")).evaluation.accuracy
    found = skill(accuracy, bounds.floor, bounds.ceiling)
    print(f"{name}: {fitted.seconds:.1f} s, accuracy {accuracy:.4f}, skill {found}")
    assert found is not None
    assert found >= 0.95


@pytest.mark.parametrize("name", [*CHEAP, *QUICK_ROBOTS])
def test_it_finds_a_world_out_from_its_training_data(sandbox: Sandbox, name: str) -> None:
    finds_out(sandbox, name)


@pytest.mark.torture
@pytest.mark.parametrize("name", ROBOTS)
def test_it_finds_a_robot_out(sandbox: Sandbox, name: str) -> None:
    finds_out(sandbox, name)


def test_every_environment_has_one() -> None:
    assert list(learning()) == sorted(varying())


@pytest.mark.parametrize("name", ["Ant-v4", "Humanoid-v4", "Hopper-v4"])
def test_inverse_weights_follow_from_masses_as_in_the_model(name: str) -> None:
    drawn = World("hidden", 0, {c.name: c.default for c in constants(name)})
    learner = learner_of(replace(environment(name), world=drawn, fit=True))
    assert learner is not None
    namespace: dict[str, Any] = {}
    exec(learner.source, namespace)
    robot = namespace["ROBOT"]
    found = namespace["weighed"](robot)
    hinged = [joint.kind == "hinge" for joint in found.joints]
    assert [body.weight for body in found.bodies] == pytest.approx([body[8] for body in robot.bodies], rel=1e-9)
    weights = [[joint[10] for joint, hinge in zip(r.joints, hinged, strict=True) if hinge] for r in (found, robot)]
    assert weights[0] == pytest.approx(weights[1], rel=1e-9)


@pytest.mark.parametrize("name", CHEAP)
def test_it_is_the_reference_program_and_knows_no_more_than_the_description(name: str) -> None:
    spec = WORLDS.environment(name)
    assert spec.world is not None
    learner = learner_of(spec)
    assert learner is not None
    other = replace(
        spec,
        world=replace(
            spec.world,
            constants={
                **spec.world.constants,
                **{c.name: c.default for c in constants(name) if c.hidden},
            },
        ),
    )
    assert learner_of(other) == learner

    def methods(source: str) -> list[str]:
        (own,) = [n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == "Environment"]
        return [ast.dump(n) for n in own.body if isinstance(n, ast.FunctionDef)]

    assert methods(learner.source) == methods(program(name).source)


def test_there_is_none_where_mechanisms_are_unknown() -> None:
    spec = shipped("altered").environment("CartPole-v1")
    assert spec.fit
    assert learner_of(spec) is None
    assert spec.world is not None
    assert learner_of(replace(spec, world=replace(spec.world, alterations={}))) is not None


def test_there_is_none_where_programs_may_not_learn() -> None:
    assert learner_of(shipped("varied").environment("CartPole-v1")) is None
    assert learner_of(shipped("cwmb18").environment("CartPole-v1")) is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.1234, 0.1262, 0.125), (2.38, 2.43, 2.4), (0.08599999, 0.08600001, 0.086), (-1.0600001, -1.0599999, -1.06)],
)
def test_the_roundest_number_of_a_range(low: float, high: float, expected: float) -> None:
    assert search()["roundest"](low, high) == expected


def test_limits_lie_between_what_goes_on_and_what_ends() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.uniform(0, 3, (2000, 2))
    done = (sizes > [2.4, 1.3]).any(axis=1)
    assert search()["limits"](sizes, done) == [pytest.approx(2.4, abs=0.01), pytest.approx(1.3, abs=0.01)]


def test_least_squares_come_to_the_least_even_where_parameters_depend_on_each_other() -> None:
    x = np.linspace(0, 2, 30)
    y = 3 * np.exp(-1.5 * x)
    found, left = search()["least_squares"](lambda p: p[0] * p[2] * np.exp(-p[1] * x) - y, [1.0, 1.0, 1.0])
    assert left < 1e-16
    assert found[0] * found[2] == pytest.approx(3)
    assert found[1] == pytest.approx(1.5)
