"""The engine of the robots' reference programs against MuJoCo, and the programs that are assembled from it."""

from __future__ import annotations

import ast
import json
import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import mujoco
import numpy as np
import pytest

from cwmb import reference
from cwmb.benchmark import trajectories
from cwmb.benchmark.baselines import baselines
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import protocol
from cwmb.judging.bounds import restored_predictions
from cwmb.judging.judge import Judge
from cwmb.judging.scoring import evaluate, skill
from cwmb.reference.assembly import assemble, assembled, constants, written
from cwmb.sandbox import Sandbox
from cwmb.types import Transitions
from cwmb.worlds import make
from cwmb.worlds.robot import robot

# Of MuJoCo's solver, which stops early in the Humanoids, the programs compute the limit.
SKILL = {"Humanoid-v4": 0.99, "HumanoidStandup-v4": 0.98}


@cache
def simulator(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(environment(name))


def load(source: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(source, "program.py", "exec"), namespace)
    return namespace["Environment"]()


@cache
def some_transitions(name: str, count: int) -> Transitions:
    truth = trajectories.transitions(environment(name), "test")
    return truth.take(np.linspace(0, len(truth) - 1, count).astype(int))


def rounded(value: Any) -> Any:
    """Numbers as the texts give them, with eight digits, to which compiled models agree between machines."""
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return pytest.approx(value, rel=1e-7, abs=1e-12) if isinstance(value, float) else value


@pytest.mark.parametrize("name", assembled())
def test_the_shipped_constants_are_those_of_the_compiled_model(name: str) -> None:
    shipped, compiled = constants(name), robot(simulator(name).env)
    assert shipped.keys() == compiled.keys(), "run python -m cwmb.reference.ship"
    for part, values in compiled.items():
        assert shipped[part] == rounded(values), "run python -m cwmb.reference.ship"
    assert json.loads(written(compiled)) == compiled


@pytest.mark.parametrize("name", assembled())
def test_a_program_is_one_file_within_the_limit(name: str) -> None:
    source = reference.program(name).source
    assert len(source.encode()) <= protocol("standard").limits.source_bytes
    tree = ast.parse(source)
    assert "cwmb." not in source
    assert [node.name for node in tree.body if isinstance(node, ast.ClassDef)].count("Environment") == 1
    assert assemble(name, constants(name)).source == source


@pytest.mark.parametrize("name", assembled())
def test_it_is_at_the_ceiling(name: str) -> None:
    truth = some_transitions(name, 40)
    chosen = protocol("standard")
    wide = replace(chosen, limits=replace(chosen.limits, step_seconds=5.0))
    with Sandbox(workers=1) as sandbox:
        judge = Judge.of(sandbox, wide, environment(name))
        found = judge.score(reference.program(name), truth)[0]
    ceiling = evaluate(truth, restored_predictions(simulator(name), truth), judge.rules).accuracy
    assert found.failure is None
    bounds = baselines("standard").of(name).test
    assert bounds is not None
    reached = skill(found.accuracy, bounds.floor, ceiling)
    assert reached is not None
    assert reached >= SKILL.get(name, 1.0) - 1e-9


@pytest.mark.parametrize("name", assembled())
def test_mass_matrix_and_accelerations_are_mujocos(name: str) -> None:
    real, program = simulator(name), load(reference.program(name).source)
    model, data, body = real.env.model, real.env.data, program.body
    truth = some_transitions(name, 12)
    exact = "Humanoid" not in name
    for observation, action in zip(truth.observations, truth.actions, strict=True):
        real.restore(observation)
        data.ctrl[:] = action
        mujoco.mj_forward(model, data)
        dense = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, dense, data.qM)
        q, v = data.qpos[None].copy(), data.qvel[None].copy()
        acceleration, mass = body.forward(q, v, body.motors(action[None]), np.zeros_like(v))
        np.testing.assert_allclose(mass[0], dense, rtol=1e-6, atol=1e-6)
        largest = np.abs(data.qacc).max() + 1.0
        assert np.abs(acceleration[0] - data.qacc).max() / largest < (1e-5 if exact else 1e-2)


@pytest.mark.parametrize("name", ["Hopper-v4", "Ant-v4"])
def test_a_changed_model_gives_a_changed_program(name: str) -> None:
    """Other constants than the documented ones, from the compiled model to the file, are simulated right, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        real: Any = make(environment(name))
    model = real.env.model
    model.opt.gravity[2] *= 0.7
    model.dof_damping[6:] *= 1.5
    model.geom_friction[:, 0] *= 0.6
    model.actuator_gear[:, 0] *= 0.5
    model.body_mass[1:] *= 1.3
    model.body_inertia[1:] *= 1.3
    mujoco.mj_setConst(model, mujoco.MjData(model))
    program, original = load(assemble(name, robot(real.env)).source), load(reference.program(name).source)
    wrong, truth = 0.0, some_transitions(name, 12)
    for observation, action in zip(truth.observations, truth.actions, strict=True):
        real.restore(observation)
        after = real.step(action)[0]
        program.set_state(observation.copy())
        np.testing.assert_allclose(program.step(action.copy())[0], after, rtol=1e-5, atol=1e-5)
        original.set_state(observation.copy())
        wrong = max(wrong, float(np.abs(original.step(action.copy())[0] - after).max()))
    assert wrong > 0.01
