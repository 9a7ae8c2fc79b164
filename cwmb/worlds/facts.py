"""A compiled MuJoCo model in words and tables: what a program needs to know to compute the same motion.

``python -m cwmb.worlds.facts`` brings the generated part of ``descriptions/complete/*.md`` up to date, everything
from the heading ``## Physical model`` on; a test compares them. What has no such heading is written by hand alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any

import mujoco
import numpy as np

from cwmb.benchmark.data import data_path
from cwmb.errors import CwmbError

HEADING = "## Physical model\n"

Column = tuple[str, Sequence[str]]  # a heading and one cell per row

_NOTATION = """\
q are the positions of the joints, v their velocities, h the timestep. With the same control signal,
{integrator} of length h is made for each frame of a step.

**Frames of reference.** Positions and orientations of a body are given in the frame of its parent; those of
joints, geoms, sites and inertias in the frame of their own body. Quaternions are (w, x, y, z). A slide moves
its body by q - reference along the axis; a hinge turns it by q - reference about the axis through the anchor;
several joints of one body act in the order of the table, each in the frame as the ones before have moved it."""

_FREE = """\
The joint `root` is free: its q are x, y, z in the world and the orientation as a unit quaternion, its v the
linear velocity along the axes of the world and the angular velocity about the axes of the *body*. The
orientation is integrated as quaternion * (cos(|w| h / 2), w / |w| * sin(|w| h / 2)) with the angular velocity
w, and the quaternion of an observation is normalised before use."""

_ACCELERATION = """\
**Acceleration without constraints.** M(q) a0 = motors + passive - c(q, v), where M is the mass matrix in the
coordinates of the joints, with each joint's armature added to its diagonal, and c holds the Coriolis,
centrifugal and gravity forces. A motor exerts gear * control on its joint, the control clipped to its range.
Passive forces on a joint: {passive}."""

_FLUID = """\
**Fluid.** Each body also feels the fluid (density rho, viscosity mu), as a box would whose sides b follow from
the principal moments of inertia I. With the axes i, j, k of its inertial frame, and in that frame the velocity
u and the angular velocity w of its centre of mass, the force and the torque along axis i, acting at the centre
of mass, are

    b_i = sqrt(6 (I_j + I_k - I_i) / mass),  d = (b_i + b_j + b_k) / 3
    force_i  = -3 pi d mu u_i - rho / 2 * b_j * b_k * |u_i| * u_i
    torque_i = -pi d**3 mu w_i - rho / 64 * b_i * (b_j**4 + b_k**4) * |w_i| * w_i"""

_CONSTRAINTS = """\
**Constraints.** {kinds} Each has a row J of the Jacobian, a distance r and a regulariser R:

    x    = min(1, |r - margin| / width)
    y    = x**2 / midpoint if x <= midpoint else 1 - (1 - x)**2 / (1 - midpoint)
    d    = dmin + y (dmax - dmin), with dmin raised to 0.0001 where it is less
    aref = -2 / (dmax T) * (J v) - d / (dmax T damping_ratio)**2 * (r - margin)
    R    = (1 - d) / d * A

T is a time constant, raised to 2 h where it is less; the table of joints or geoms gives it and the other
parameters.

With the constraints, the acceleration a minimises

    (a - a0)' M (a - a0) / 2  +  the sum over the constraints of min(0, J a - aref)**2 / (2 R)

In other words, M (a - a0) = J' f with the forces f = max(0, aref - J a) / R."""

_SWEEPS = """\
The solver stops after its sweeps over the constraints, so that f meets this only to about three digits."""

_LIMITS = """\
A joint with a range is limited: r = q - lower end with J = +1, and r = upper end - q with J = -1, each active
when r < margin; A is the joint's inverse weight."""

_CONTACTS = """\
Geoms touch where their distance r (negative when they overlap) is less than the margin, the greater one of
the two geoms'. The normal points from the first geom to the second, and the contact point lies midway between
the two surfaces. A capsule touches a plane with each of the two spheres at its ends; a first tangent then is
the capsule's axis projected onto the plane, otherwise it is the y axis of the world (the z axis where the
normal is nearer than 60 degrees to y), made orthogonal to the normal. The second tangent is orthogonal to
both. Let Jn, J1, J2 be the Jacobians of the relative velocity of the second geom's body to the first's along
normal and tangents, w the sum of both bodies' inverse weights and mu the greater one of the sliding friction
coefficients. A pair with contact dimension 3 (the greater one of the two) gives four rows,

    Jn + mu J1,  Jn - mu J1,  Jn + mu J2,  Jn - mu J2,  each with A = 2 mu**2 (1 + mu**2) w

and a pair with contact dimension 1 gives the row Jn with A = w."""

_EULER = """\
**Integration.** Semi-implicit Euler with implicit damping: a' = (M + h D)^-1 M a, where D is the diagonal
matrix of the dampings; then v becomes v + h a', and q becomes q + h v with the new v."""

_RK4 = """\
**Integration.** Classical Runge-Kutta of fourth order over the pair (q, v), with the constraints found anew
at each of the four stages. With v_i and a_i, the velocity and the acceleration of stage i:

    stage 1 is at q, v                       stage 3 is at q + h/2 v_2, v + h/2 a_2
    stage 2 is at q + h/2 v_1, v + h/2 a_1   stage 4 is at q + h v_3, v + h a_3
    q becomes q + h (v_1 + 2 v_2 + 2 v_3 + v_4) / 6,  v becomes v + h (a_1 + 2 a_2 + 2 a_3 + a_4) / 6"""

_STALE = """\
**What is left behind.** Positions of bodies and sites, forces and everything else that is derived from q and
v keep the values of the last evaluation, {when} of a step's last frame. They do not belong to the
final q and v."""


def model_facts(model: Any) -> str:
    """How a frame of a compiled model (``mujoco.MjModel``) is simulated, and all its constants, in Markdown.

    Raises:
        CwmbError: the model uses something that the text does not explain.
    """
    refuse_what_is_not_explained(model)
    euler = model.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER
    pairs = colliding_pairs(model)
    limited = bool(model.jnt_limited.any())
    parts = [_NOTATION.format(integrator="an Euler step" if euler else "a Runge-Kutta step")]
    if (model.jnt_type == mujoco.mjtJoint.mjJNT_FREE).any():
        parts.append(_FREE)
    springs = "-stiffness * q - damping * v" if model.jnt_stiffness.any() else "-damping * v"
    parts.append(_ACCELERATION.format(passive=springs if model.dof_damping.any() else "none"))
    if model.opt.density:
        parts.append(_FLUID)
    kinds = ["limits of joints"] * limited + ["contacts"] * bool(pairs)
    if kinds:
        parts.append(_CONSTRAINTS.format(kinds=f"There are {' and '.join(kinds)}."))
        if model.opt.solver == mujoco.mjtSolver.mjSOL_PGS:
            parts.append(_SWEEPS)
    parts += [_LIMITS] * limited + [_CONTACTS] * bool(pairs)
    parts.append(_EULER if euler else _RK4)
    when = "at the beginning" if euler else "that in the fourth stage"
    parts.append(_STALE.format(when=when))
    parts += [f"### Constants\n\n{_options(model)}", f"### Bodies\n\n{_bodies(model)}"]
    parts += [f"### Joints\n\n{_joints(model)}", f"### Motors\n\n{_motors(model)}"]
    if pairs:
        parts.append(f"### Geoms that can touch\n\n{_geoms(model, pairs)}")
    if model.nsite:
        parts.append(f"### Sites\n\n{_sites(model)}")
    return "\n\n".join([HEADING.strip(), *parts]) + "\n"


def refuse_what_is_not_explained(model: Any) -> None:
    """Raise CwmbError if a compiled model uses something that neither the texts nor the reference programs know."""
    option, tendon_acts = model.opt, (model.tendon_stiffness, model.tendon_damping, model.tendon_limited)
    used = {
        "an equality constraint": model.neq,
        "an elastic or limited tendon": any(np.any(x) for x in tendon_acts),
        "an explicit contact pair": model.npair + model.nexclude,
        "dry friction in a joint": np.any(model.dof_frictionloss),
        "a spring at rest elsewhere than at 0": np.any(model.jnt_stiffness * model.qpos_spring[model.jnt_qposadr]),
        "an actuator that is not a plain motor": np.any(model.actuator_biastype)
        or np.any(model.actuator_dyntype)
        or np.any(model.actuator_gainprm[:, 0] != 1),
        "a power of solimp other than 2": np.any(model.geom_solimp[:, 4] != 2) or np.any(model.jnt_solimp[:, 4] != 2),
        "a contact dimension other than 1 and 3": not set(model.geom_condim.tolist()) <= {1, 3},
        "a gap, priority or mixing weight": np.any(model.geom_gap)
        or np.any(model.geom_priority)
        or np.any(model.geom_solmix != 1),
        "an elliptic cone": option.cone != mujoco.mjtCone.mjCONE_PYRAMIDAL,
        "wind or flags": np.any(option.wind) or option.disableflags or option.enableflags,
        "an impratio": option.impratio != 1,
        "another integrator": option.integrator
        not in (mujoco.mjtIntegrator.mjINT_EULER, mujoco.mjtIntegrator.mjINT_RK4),
    }
    for what, found in used.items():
        if found:
            raise CwmbError(f"cwmb.worlds.facts does not explain models with {what}")


def colliding_pairs(model: Any) -> list[tuple[int, int]]:
    """The pairs of geoms that MuJoCo tests for contact.

    Two geoms collide if one's contype has a bit in common with the other's conaffinity, and their bodies are neither
    the same nor parent and child; the world counts as nobody's parent.
    """

    def apart(one: int, other: int) -> bool:
        a, b = (int(model.body_weldid[model.geom_bodyid[g]]) for g in (one, other))
        parents = [int(model.body_weldid[model.body_parentid[body]]) for body in (a, b)]
        return a != b and (0 in (a, b) or (a != parents[1] and b != parents[0]))

    def match(one: int, other: int) -> bool:
        kinds, affine = model.geom_contype, model.geom_conaffinity
        return bool(kinds[one] & affine[other] or kinds[other] & affine[one])

    return [(a, b) for a, b in combinations(range(model.ngeom), 2) if match(a, b) and apart(a, b)]


def _options(model: Any) -> str:
    option = model.opt
    solver = mujoco.mjtSolver(option.solver).name.removeprefix("mjSOL_")
    rows = [
        ("timestep h", _number(option.timestep)),
        ("integrator", mujoco.mjtIntegrator(option.integrator).name.removeprefix("mjINT_")),
        ("gravity", _vector(option.gravity)),
        ("solver", f"{solver}, at most {option.iterations} iterations, tolerance {_number(option.tolerance)}"),
    ]
    if option.density:
        rows += [("density rho", _number(option.density)), ("viscosity mu", _number(option.viscosity))]
    names, values = zip(*rows, strict=True)
    return _table([("Constant", names), ("Value", values)])


def _bodies(model: Any) -> str:
    bodies = range(1, model.nbody)
    return _table(
        [
            ("Body", [_name(model.body, i) for i in bodies]),
            ("Parent", [_name(model.body, model.body_parentid[i]) for i in bodies]),
            ("Position", [_vector(model.body_pos[i]) for i in bodies]),
            ("Orientation", [_vector(model.body_quat[i]) for i in bodies]),
            ("Mass", [_number(model.body_mass[i]) for i in bodies]),
            ("Centre of mass", [_vector(model.body_ipos[i]) for i in bodies]),
            ("Principal inertia", [_vector(model.body_inertia[i]) for i in bodies]),
            ("Axes of inertia", [_vector(model.body_iquat[i]) for i in bodies]),
            ("Inverse weight", [_number(model.body_invweight0[i, 0]) for i in bodies]),
        ]
    )


def _joints(model: Any) -> str:
    joints, first = range(model.njnt), model.jnt_dofadr
    free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
    hinge = model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE
    return _table(
        [
            ("Joint", [_name(model.joint, i) for i in joints]),
            ("Body", [_name(model.body, model.jnt_bodyid[i]) for i in joints]),
            ("Kind", [mujoco.mjtJoint(model.jnt_type[i]).name.removeprefix("mjJNT_").lower() for i in joints]),
            ("Axis", ["-" if free[i] else _vector(model.jnt_axis[i]) for i in joints]),
            ("Anchor", [_vector(model.jnt_pos[i]) if hinge[i] else "-" for i in joints]),
            ("Reference", ["-" if free[i] else _number(model.qpos0[model.jnt_qposadr[i]]) for i in joints]),
            ("Range", [_vector(model.jnt_range[i]) if model.jnt_limited[i] else "-" for i in joints]),
            ("Stiffness", [_number(model.jnt_stiffness[i]) for i in joints]),
            ("Damping", [_number(model.dof_damping[first[i]]) for i in joints]),
            ("Armature", [_number(model.dof_armature[first[i]]) for i in joints]),
            ("Inverse weight", ["-" if free[i] else _number(model.dof_invweight0[first[i]]) for i in joints]),
            *_softness(model.jnt_margin, model.jnt_solref, model.jnt_solimp, joints),
        ]
    )


def _motors(model: Any) -> str:
    motors = range(model.nu)
    return _table(
        [
            ("Motor", [str(i) for i in motors]),
            ("Joint", [_name(model.joint, model.actuator_trnid[i, 0]) for i in motors]),
            ("Gear", [_number(model.actuator_gear[i, 0]) for i in motors]),
            ("Range of the control", [_vector(model.actuator_ctrlrange[i]) for i in motors]),
        ]
    )


def _geoms(model: Any, pairs: Sequence[tuple[int, int]]) -> str:
    geoms = sorted({geom for pair in pairs for geom in pair})
    table = _table(
        [
            ("Geom", [_name(model.geom, i) for i in geoms]),
            ("Body", [_name(model.body, model.geom_bodyid[i]) for i in geoms]),
            ("Shape", [_shape(model, i) for i in geoms]),
            ("Position", [_vector(model.geom_pos[i]) for i in geoms]),
            ("Orientation", [_vector(model.geom_quat[i]) for i in geoms]),
            ("Sliding friction", [_number(model.geom_friction[i, 0]) for i in geoms]),
            ("Contact dimension", [str(model.geom_condim[i]) for i in geoms]),
            *_softness(model.geom_margin, model.geom_solref, model.geom_solimp, geoms),
        ]
    )
    return f"{_who_touches(model, pairs)}\n\n{table}"


def _who_touches(model: Any, pairs: Sequence[tuple[int, int]]) -> str:
    common = set(pairs[0]).intersection(*pairs[1:])
    if len(common) == 1:
        name = _name(model.geom, common.pop())
        return f"Each geom can touch `{name}`, and no two others touch each other."
    return "Two geoms can touch unless they belong to the same body or to a body and its parent (the world excepted)."


def _shape(model: Any, geom: int) -> str:
    """Kind and dimensions; the axis of capsules and cylinders, and the normal of a plane, is the geom's own z axis."""
    size = [_number(x) for x in model.geom_size[geom]]
    kind = mujoco.mjtGeom(model.geom_type[geom]).name.removeprefix("mjGEOM_").lower()
    measures = {
        "plane": "normal z",
        "sphere": f"radius {size[0]}",
        "capsule": f"along z, radius {size[0]}, half length {size[1]} without the caps",
        "cylinder": f"along z, radius {size[0]}, half length {size[1]}",
    }
    return f"{kind}: {measures[kind]}"


def _softness(margin: Any, solref: Any, solimp: Any, rows: Iterable[int]) -> list[Column]:
    """The columns that limits and contacts share."""
    rows = list(rows)
    return [
        ("Margin", [_number(margin[i]) for i in rows]),
        ("T", [_number(solref[i, 0]) for i in rows]),
        ("damping_ratio", [_number(solref[i, 1]) for i in rows]),
        *(
            (name, [_number(solimp[i, k]) for i in rows])
            for k, name in enumerate(("dmin", "dmax", "width", "midpoint"))
        ),
    ]


def _sites(model: Any) -> str:
    sites = range(model.nsite)
    return _table(
        [
            ("Site", [_name(model.site, i) for i in sites]),
            ("Body", [_name(model.body, model.site_bodyid[i]) for i in sites]),
            ("Position", [_vector(model.site_pos[i]) for i in sites]),
        ]
    )


def _name(accessor: Callable[[int], Any], index: int) -> str:
    """The name of an element, or its number where it has none."""
    return accessor(int(index)).name or f"#{index}"


def _number(value: float) -> str:
    """Eight significant digits: compiled constants agree to that between machines."""
    return f"{value:.8g}" if abs(value) > 1e-14 else "0"


def _vector(values: Iterable[float]) -> str:
    return f"({', '.join(_number(float(x)) for x in np.asarray(values))})"


def _table(columns: Sequence[Column]) -> str:
    """A Markdown table; columns that are the same in all of several rows become a sentence above it."""
    first, *rest = columns
    alike = [column for column in rest if len(column[1]) > 1 and len(set(column[1])) == 1]
    shown = [first, *(column for column in rest if column not in alike)]
    lines = ["| " + " | ".join(name for name, _ in shown) + " |", "|" + "---|" * len(shown)]
    lines += ["| " + " | ".join(cells) + " |" for cells in zip(*(cells for _, cells in shown), strict=True)]
    table = "\n".join(lines)
    if not alike:
        return table
    return f"The same for all: {'; '.join(f'{name} {cells[0]}' for name, cells in alike)}.\n\n{table}"


def main() -> None:
    """Write the generated part of the files of the set ``complete`` anew."""
    from cwmb.benchmark.catalog import environment
    from cwmb.worlds import make

    for path in sorted(data_path("descriptions", "complete").glob("*.md")):
        by_hand, generated, _ = path.read_text(encoding="utf-8").partition(HEADING)
        if not generated:
            continue
        simulator: Any = make(environment(path.stem))
        temporary = path.with_suffix(".tmp")
        temporary.write_text(by_hand + model_facts(simulator.env.model), encoding="utf-8")
        temporary.replace(path)


if __name__ == "__main__":
    main()
