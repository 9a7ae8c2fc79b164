"""The texts of the description set ``complete``: up to date, and true of the pinned MuJoCo."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
import pytest

from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.data import data_path
from cwmb.benchmark.descriptions import description, description_sets
from cwmb.errors import CwmbError
from cwmb.worlds import make
from cwmb.worlds.facts import HEADING, colliding_pairs, model_facts

MUJOCO = tuple(name for name in environment_ids() if name.endswith("-v4"))


def test_the_set_covers_every_environment():
    assert "complete" in description_sets()
    assert {path.stem for path in data_path("descriptions", "complete").iterdir()} == set(environment_ids())
    for name in environment_ids():
        assert description(name, "complete").startswith(description(name) + "\n## Details\n")


@pytest.mark.parametrize("name", MUJOCO)
def test_the_committed_text_is_what_the_model_says(name):
    text = description(name, "complete")
    assert text.startswith(description(name) + "\n## Details\n")
    _, heading, generated = text.partition(HEADING)
    assert heading + generated == model_facts(make(environment(name)).env.model), (
        "out of date: run python -m cwmb.worlds.facts"
    )


WORLD = """
<mujoco>
  <worldbody>
    <geom name="floor" type="plane" size="1 1 1"/>
    <body name="arm">
      <joint name="a" type="hinge" axis="0 1 0" {joint}/>
      <geom name="one" type="sphere" size=".1"/>
      <geom name="two" type="sphere" size=".1" pos=".3 0 0"/>
      <body name="hand" pos="1 0 0">
        <joint name="b" type="slide" axis="1 0 0"/>
        <geom name="three" type="sphere" size=".1"/>
        <body pos="1 0 0"><joint name="c"/><geom name="four" type="sphere" size=".1"/></body>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="a" gear="7" ctrlrange="-1 1"/></actuator>
</mujoco>
"""


def test_parents_and_siblings_do_not_collide():
    model = mujoco.MjModel.from_xml_string(WORLD.format(joint=""))
    named = {tuple(model.geom(g).name for g in pair) for pair in colliding_pairs(model)}
    assert named == {("floor", x) for x in ("one", "two", "three", "four")} | {("one", "four"), ("two", "four")}


def test_equal_columns_become_a_sentence_and_nameless_things_a_number():
    text = model_facts(mujoco.MjModel.from_xml_string(WORLD.format(joint='damping="2"')))
    assert "| #3 | hand | (1, 0, 0) |" in text
    assert "| 0 | a | 7 | (-1, 1) |" in text
    assert "The same for all: Reference 0; Range -; Stiffness 0; Armature 0;" in text


@pytest.mark.parametrize("joint", ['frictionloss="1"', 'stiffness="1" springref="1"'])
def test_a_model_beyond_the_explanation_is_refused(joint):
    with pytest.raises(CwmbError, match=r"does not explain models with (dry friction|a spring at rest)"):
        model_facts(mujoco.MjModel.from_xml_string(WORLD.format(joint=joint)))


# --- the formulas of the text, written out ------------------------------------------------------------------------


def jacobian(model: Any, data: Any) -> np.ndarray:
    rows = np.zeros((data.nefc, model.nv))
    if mujoco.mj_isSparse(model):
        mujoco.mju_sparse2dense(rows, data.efc_J, data.efc_J_rownnz, data.efc_J_rowadr, data.efc_J_colind)
    else:
        rows[:] = data.efc_J.reshape(data.nefc, model.nv)
    return rows


def constraint(model: Any, data: Any, row: int, velocity: float) -> tuple[float, float]:
    """aref and R of a constraint, as the text has them."""
    index, r = data.efc_id[row], data.efc_pos[row]
    if data.efc_type[row] == mujoco.mjtConstraint.mjCNSTR_LIMIT_JOINT:
        weight = model.dof_invweight0[model.jnt_dofadr[index]]
        margin, solref, solimp = model.jnt_margin[index], model.jnt_solref[index], model.jnt_solimp[index]
    else:
        geoms = list(data.contact[index].geom)
        weight = model.body_invweight0[model.geom_bodyid[geoms], 0].sum()
        mu = model.geom_friction[geoms, 0].max()
        margin = model.geom_margin[geoms].max()
        solref, solimp = model.geom_solref[geoms[0]], model.geom_solimp[geoms[0]]
        if model.geom_condim[geoms].max() == 3:
            weight *= 2 * mu**2 * (1 + mu**2)
    dmin, dmax, width, midpoint, _ = solimp
    dmin, t, damping_ratio = max(dmin, 1e-4), max(solref[0], 2 * model.opt.timestep), solref[1]
    x = min(1, abs(r - margin) / width)
    y = x**2 / midpoint if x <= midpoint else 1 - (1 - x) ** 2 / (1 - midpoint)
    d = dmin + y * (dmax - dmin)
    aref = -2 / (dmax * t) * velocity - d / (dmax * t * damping_ratio) ** 2 * (r - margin)
    return aref, (1 - d) / d * weight


def fluid_forces(model: Any, data: Any) -> np.ndarray:
    forces = np.zeros(model.nv)
    rho, mu = model.opt.density, model.opt.viscosity
    for body in range(1, model.nbody):
        inertia = model.body_inertia[body]
        b = np.sqrt(6 * np.maximum(inertia.sum() - 2 * inertia, 0) / model.body_mass[body])
        moving, turning = np.zeros((3, model.nv)), np.zeros((3, model.nv))
        mujoco.mj_jacBodyCom(model, data, moving, turning, body)
        axes = data.ximat[body].reshape(3, 3)
        u, w = axes.T @ moving @ data.qvel, axes.T @ turning @ data.qvel
        j, k, d = np.roll(b, -1), np.roll(b, -2), b.mean()
        force = -3 * np.pi * d * mu * u - rho / 2 * j * k * np.abs(u) * u
        torque = -np.pi * d**3 * mu * w - rho / 64 * b * (j**4 + k**4) * np.abs(w) * w
        forces += moving.T @ axes @ force + turning.T @ axes @ torque
    return forces


def free_acceleration(model: Any, data: Any, mass: np.ndarray) -> np.ndarray:
    forces = -model.dof_damping * data.qvel - data.qfrc_bias
    for joint in range(model.njnt):
        dof = model.jnt_dofadr[joint]
        forces[dof] -= model.jnt_stiffness[joint] * data.qpos[model.jnt_qposadr[joint]]
    for motor in range(model.nu):
        control = np.clip(data.ctrl[motor], *model.actuator_ctrlrange[motor])
        forces[model.jnt_dofadr[model.actuator_trnid[motor, 0]]] += model.actuator_gear[motor, 0] * control
    if model.opt.density:
        forces += fluid_forces(model, data)
    return np.linalg.solve(mass, forces)


@pytest.mark.parametrize("name", MUJOCO)
def test_the_formulas_give_the_acceleration_and_the_frame(name):
    simulator = make(environment(name))
    model, data = simulator.env.model, simulator.env.data
    rng = np.random.default_rng(0)
    h, digits = model.opt.timestep, 1e-2 if name.startswith("Humanoid") else 1e-8  # two: the solver stops early
    seen = 0
    simulator.reset(seed=0)
    for _ in range(60):
        *_, terminated, _ = simulator.step(rng.uniform(simulator.action_space.low, simulator.action_space.high))
        if terminated:
            simulator.reset()
        mujoco.mj_forward(model, data)
        mass = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, mass, data.qM)
        a0 = free_acceleration(model, data, mass)
        np.testing.assert_allclose(a0, data.qacc_smooth, rtol=1e-6, atol=1e-6)
        rows, force = jacobian(model, data), np.zeros(model.nv)
        for row, j in enumerate(rows):
            aref, regulariser = constraint(model, data, row, j @ data.qvel)
            force += j * max(0.0, (aref - j @ data.qacc) / regulariser)
            seen += 1
        scale = 1 + np.abs(force).max()
        np.testing.assert_allclose(mass @ (data.qacc - a0) / scale, force / scale, atol=digits)
        if model.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER:
            damped = np.linalg.solve(mass + h * np.diag(model.dof_damping), mass @ data.qacc)
            velocity = data.qvel + h * damped
            position = data.qpos + h * velocity
            mujoco.mj_step(model, data)
            np.testing.assert_allclose(data.qvel, velocity, atol=1e-8)
            np.testing.assert_allclose(data.qpos, position, atol=1e-8)
    if name not in ("InvertedPendulum-v4", "InvertedDoublePendulum-v4", "Reacher-v4", "Swimmer-v4"):
        assert seen > 0  # the check of the constraints is not empty


@pytest.mark.parametrize("name", ["Hopper-v4", "Walker2d-v4", "InvertedDoublePendulum-v4"])
def test_velocities_that_are_clipped(name):
    simulator = make(environment(name))
    data, first = simulator.env.data, {"InvertedDoublePendulum-v4": 5}.get(name, simulator.env.model.nq - 1)
    rng = np.random.default_rng(0)
    greatest = 0.0
    for step in range(300):  # on beyond termination: a fallen robot flails
        if step % 20 == 0:
            action = rng.choice([-1.0, 1.0], simulator.action_space.size)
        observation, *_ = simulator.step(action)
        velocities = observation[first : first + len(data.qvel)]
        np.testing.assert_array_equal(velocities, np.clip(data.qvel, -10, 10))
        greatest = max(greatest, np.abs(data.qvel).max())
    assert greatest > 10


@pytest.mark.parametrize("name", ["Humanoid-v4", "HumanoidStandup-v4"])
def test_what_the_blocks_of_a_humanoid_hold(name):
    simulator = make(environment(name))
    model, data = simulator.env.model, simulator.env.data
    for _ in range(20):
        simulator.step(np.full(17, 0.3))
    mujoco.mj_forward(model, data)
    mujoco.mj_rnePostConstraint(model, data)
    centre = model.body_mass @ data.xipos / model.body_mass.sum()
    for body in range(1, model.nbody):
        mass, arm = model.body_mass[body], data.xipos[body] - centre
        axes = data.ximat[body].reshape(3, 3)
        inertia = axes @ np.diag(model.body_inertia[body]) @ axes.T
        inertia += mass * (arm @ arm * np.eye(3) - np.outer(arm, arm))
        xx, yy, zz, xy, xz, yz = inertia[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
        np.testing.assert_allclose(data.cinert[body], [xx, yy, zz, xy, xz, yz, *(mass * arm), mass], atol=1e-9)
        moving, turning = np.zeros((3, model.nv)), np.zeros((3, model.nv))
        mujoco.mj_jac(model, data, moving, turning, centre, body)
        np.testing.assert_allclose(data.cvel[body], [*(turning @ data.qvel), *(moving @ data.qvel)], atol=1e-9)
    external = np.zeros((model.nbody, 6))
    for index, contact in enumerate(data.contact):
        local = np.zeros(6)
        mujoco.mj_contactForce(model, data, index, local)
        force = contact.frame.reshape(3, 3).T @ local[:3]
        for sign, geom in ((-1, contact.geom[0]), (1, contact.geom[1])):
            external[model.geom_bodyid[geom]] += sign * np.r_[np.cross(contact.pos - centre, force), force]
    assert np.abs(external[1:]).max() > 1
    np.testing.assert_allclose(data.cfrc_ext[1:], external[1:], atol=1e-8)
    np.testing.assert_allclose(data.qfrc_actuator[6:].sum(), (model.actuator_gear[:, 0] * data.ctrl).sum(), rtol=1e-12)
