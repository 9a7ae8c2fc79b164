"""Where a world's constants go in a MuJoCo environment: the fields of its compiled model, and attributes of its class.

A field is named by a word and what it is of, such as ``mass torso`` or ``gear 2``; anything else is an attribute of
Gymnasium's class, of which ``low …`` and ``high …`` set one end of a range.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
    "gear": _gear,
    "damping": _all("dof_damping"),
    "stiffness": _all("jnt_stiffness"),
    "armature": _all("dof_armature"),
    "friction": _friction,
}
