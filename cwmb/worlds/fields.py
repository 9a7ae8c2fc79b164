"""Where a world's constants go in a MuJoCo environment: the fields of its compiled model, and attributes of its class.

A field is named by a word and what it is of, such as ``mass torso`` or ``gear 2``; anything else is an attribute of
Gymnasium's class, of which ``low …`` and ``high …`` set one end of a range.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Put = Callable[[Any, str, float], None]


def put(env: Any, field: str, value: Any) -> None:
    """Put a constant where its field says. What MuJoCo derives from the model is left as it was."""
    kind, _, of = field.partition(" ")
    if kind in ("low", "high"):
        low, high = getattr(env, of)
        setattr(env, of, (value, high) if kind == "low" else (low, value))
    elif kind in FIELDS:
        FIELDS[kind](env.model, of, value)
    else:
        setattr(env, field, value)


def _gravity(model: Any, _: str, value: float) -> None:
    model.opt.gravity[2] = -value


def _option(name: str) -> Put:
    return lambda model, _, value: setattr(model.opt, name, value)


def _mass(model: Any, body: str, factor: float) -> None:
    """Mass and inertia of a body, or of all."""
    which = model.body(body).id if body else slice(None)
    model.body_mass[which] *= factor
    model.body_inertia[which] *= factor


def _length(model: Any, body: str, factor: float) -> None:
    """Stretch a body of one capsule along the axes of its frame, with all that is attached to it.

    Its radius and mass stay; the inertia is that of the longer capsule. Of bodies that touch nothing: what MuJoCo keeps
    for collisions is left as it was.
    """
    which = model.body(body).id
    (geom,) = [g for g in range(model.ngeom) if model.geom_bodyid[g] == which]
    radius, half_length, _ = model.geom_size[geom]
    along = int(np.argmin(model.body_inertia[which]))
    for axis in range(3):
        before, after = (_capsule(radius, half, axis == along) for half in (half_length, factor * half_length))
        model.body_inertia[which, axis] *= after / before
    model.body_ipos[which] *= factor
    model.geom_pos[geom] *= factor
    model.geom_size[geom, 1] *= factor
    model.body_pos[model.body_parentid == which] *= factor
    model.site_pos[model.site_bodyid == which] *= factor


def _capsule(radius: float, half_length: float, along: bool) -> float:
    """Moment of inertia, along its axis or across, of a capsule of mass 1 and uniform density about its centre."""
    length = 2 * half_length
    caps = 4 * radius / (4 * radius + 3 * length)  # share of the mass
    if along:
        return radius**2 * ((1 - caps) / 2 + caps * 2 / 5)
    shaft = (1 - caps) * (3 * radius**2 + length**2) / 12
    return shaft + caps * (2 * radius**2 / 5 + length**2 / 4 + 3 * length * radius / 8)


def _gear(model: Any, motor: str, value: float) -> None:
    model.actuator_gear[int(motor), 0] = value


def _all(name: str) -> Put:
    """A factor on a whole array of the model."""

    def scale(model: Any, _: str, factor: float) -> None:
        getattr(model, name)[:] *= factor

    return scale


def _friction(model: Any, _: str, factor: float) -> None:
    """Sliding friction of all geoms."""
    model.geom_friction[:, 0] *= factor


FIELDS: dict[str, Put] = {
    "gravity": _gravity,
    "timestep": _option("timestep"),
    "density": _option("density"),
    "viscosity": _option("viscosity"),
    "mass": _mass,
    "length": _length,
    "gear": _gear,
    "gears": _all("actuator_gear"),
    "damping": _all("dof_damping"),
    "stiffness": _all("jnt_stiffness"),
    "armature": _all("dof_armature"),
    "friction": _friction,
}
