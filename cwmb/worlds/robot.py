"""The constants of a MuJoCo environment, as the reference programs hold them.

``python -m cwmb.reference.ship`` brings ``cwmb/reference/robots/*.json`` up to date; a test compares them with the
compiled models. A simulator whose model was changed gives a changed robot, from which a changed program is assembled.
"""

from __future__ import annotations

import math
from typing import Any

import mujoco

from cwmb.worlds.facts import colliding_pairs, refuse_what_is_not_explained

# What an environment's class decides, and what it means where a class has no such attribute.
_ANYTHING = (-math.inf, math.inf)
_TASK: dict[str, Any] = {
    "forward_reward_weight": 1.0,
    "ctrl_cost_weight": 0.1,
    "healthy_reward": 0.0,
    "reward_scale": 1.0,
    "healthy_z_range": _ANYTHING,
    "healthy_angle_range": _ANYTHING,
    "healthy_state_range": _ANYTHING,
}
# What only its code says: leading positions that are not seen, and the speed at which seen velocities are clipped.
_UNSEEN = {"Ant": 2, "Humanoid": 2, "HumanoidStandup": 2, "Swimmer": 2}
_MAX_SPEED = {"Hopper": 10.0, "Walker2d": 10.0}
_STANDS_UP = {"stands_up": True, "healthy_reward": 1.0, "impact_cost_weight": 0.5e-6, "max_impact_cost": 10.0}


def robot(env: Any) -> dict[str, Any]:
    """The constants of an environment of Gymnasium (unwrapped): its compiled model, and what its class adds.

    Raises:
        CwmbError: the model uses something that the reference programs don't know.
    """
    model = env.model
    refuse_what_is_not_explained(model)
    pairs = [sorted(pair, key=lambda geom: int(model.geom_type[geom])) for pair in colliding_pairs(model)]
    used = sorted({geom for pair in pairs for geom in pair})
    return {
        "timestep": _number(model.opt.timestep),
        "frame_skip": int(env.frame_skip),
        "integrator": mujoco.mjtIntegrator(model.opt.integrator).name.removeprefix("mjINT_"),
        "gravity": _vector(model.opt.gravity),
        "density": _number(model.opt.density),
        "viscosity": _number(model.opt.viscosity),
        "bodies": [_body(model, body) for body in range(1, model.nbody)],
        "joints": [_joint(model, joint) for joint in range(model.njnt)],
        "motors": [_motor(model, motor) for motor in range(model.nu)],
        "geoms": [_geom(model, geom) for geom in used],
        "pairs": [[used.index(one), used.index(other)] for one, other in pairs],
        "task": _task(env),
    }


def _task(env: Any) -> dict[str, Any]:
    kind = type(env).__name__.removesuffix("Env")
    return {
        **{name: _plain(getattr(env, f"_{name}", default)) for name, default in _TASK.items()},
        "terminates": bool(getattr(env, "_terminate_when_unhealthy", False)),
        "max_speed": _MAX_SPEED.get(kind, math.inf),
        "unseen": _UNSEEN.get(kind, 1),
        **(_STANDS_UP if kind == "HumanoidStandup" else {"stands_up": False}),
    }


def _body(model: Any, body: int) -> list[Any]:
    return [
        model.body(body).name,
        int(model.body_parentid[body]) - 1,
        _vector(model.body_pos[body]),
        _vector(model.body_quat[body]),
        _number(model.body_mass[body]),
        _vector(model.body_ipos[body]),
        _vector(model.body_inertia[body]),
        _vector(model.body_iquat[body]),
        _number(model.body_invweight0[body, 0]),
    ]


def _joint(model: Any, joint: int) -> list[Any]:
    dof, kind = model.jnt_dofadr[joint], mujoco.mjtJoint(model.jnt_type[joint])
    return [
        model.joint(joint).name,
        int(model.jnt_bodyid[joint]) - 1,
        kind.name.removeprefix("mjJNT_").lower(),
        _vector(model.jnt_axis[joint]),
        _vector(model.jnt_pos[joint]),
        0.0 if kind == mujoco.mjtJoint.mjJNT_FREE else _number(model.qpos0[model.jnt_qposadr[joint]]),
        _vector(model.jnt_range[joint]) if model.jnt_limited[joint] else None,
        _number(model.jnt_stiffness[joint]),
        _number(model.dof_damping[dof]),
        _number(model.dof_armature[dof]),
        _number(model.dof_invweight0[dof]),
        _number(model.jnt_margin[joint]),
        _vector(model.jnt_solref[joint]),
        _vector(model.jnt_solimp[joint][:4]),
    ]


def _motor(model: Any, motor: int) -> list[Any]:
    low, high = _vector(model.actuator_ctrlrange[motor])
    return [int(model.actuator_trnid[motor, 0]), _number(model.actuator_gear[motor, 0]), low, high]


def _geom(model: Any, geom: int) -> list[Any]:
    kind = mujoco.mjtGeom(model.geom_type[geom]).name.removeprefix("mjGEOM_").lower()
    radius, half_length, _ = _vector(model.geom_size[geom])
    return [
        model.geom(geom).name,
        int(model.geom_bodyid[geom]) - 1,
        kind,
        0.0 if kind == "plane" else radius,
        half_length if kind in ("capsule", "cylinder") else 0.0,
        _vector(model.geom_pos[geom]),
        _vector(model.geom_quat[geom]),
        _number(model.geom_friction[geom, 0]),
        int(model.geom_condim[geom]),
        _number(model.geom_margin[geom]),
        _vector(model.geom_solref[geom]),
        _vector(model.geom_solimp[geom][:4]),
    ]


def _number(value: float) -> float:
    """All digits: rolled for a hundred steps, a program that has only the eight of the texts leaves the truth."""
    return float(value) if abs(value) > 1e-14 else 0.0


def _vector(values: Any) -> list[float]:
    return [_number(value) for value in values]


def _plain(value: Any) -> Any:
    return list(map(float, value)) if isinstance(value, tuple | list) else float(value)
