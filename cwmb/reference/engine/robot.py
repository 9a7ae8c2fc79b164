"""What a robot is made of: rows of constants, each documented where the physics uses it."""

from typing import NamedTuple


class Body(NamedTuple):
    """A rigid body, placed in the frame of its parent; ``parent`` is an index, -1 the world."""

    name: str
    parent: int
    position: tuple
    orientation: tuple  # quaternion (w, x, y, z), as all orientations
    mass: float
    centre: tuple  # of mass, in the body's frame
    inertia: tuple  # principal moments
    axes: tuple  # orientation of the principal axes
    weight: float  # inverse weight: how easily a force moves it, which scales the softness of its contacts


class Joint(NamedTuple):
    """How a body moves against its parent: free, along an axis (slide), or about one through the anchor (hinge)."""

    name: str
    body: int
    kind: str
    axis: tuple
    anchor: tuple
    reference: float
    range: tuple | None
    stiffness: float
    damping: float
    armature: float
    weight: float
    margin: float
    solref: tuple  # time constant and damping ratio of its limit
    solimp: tuple  # dmin, dmax, width and midpoint of its limit's impedance


class Motor(NamedTuple):
    """A torque or force of gear times the control signal, which is clipped."""

    joint: int
    gear: float
    low: float
    high: float


class Geom(NamedTuple):
    """A shape that can touch others; spheres are capsules of no length."""

    name: str
    body: int
    shape: str
    radius: float
    half_length: float  # along the shape's own z, without the caps
    position: tuple
    orientation: tuple
    friction: float
    dimension: int  # 1: pushes only; 3: resists sliding, too
    margin: float
    solref: tuple
    solimp: tuple


class Robot(NamedTuple):
    """All constants of a robot and of the world that it moves in."""

    timestep: float
    frame_skip: int
    integrator: str  # RK4 or EULER
    gravity: tuple
    density: float
    viscosity: float
    bodies: list
    joints: list
    motors: list
    geoms: list
    pairs: list  # of geoms that can touch, by index, the plane first
