"""Rigid bodies that move in a plane, which is the plane of complex numbers.

A hinge turns everything beyond it, so a point of the robot lies at

    constant + sum of slide directions * q + sum of links * exp(i angle),

with one link (a complex constant) per hinge on the way to it, and the hinge's angle against the world, which is a sum
of joint angles. D holds how a point moves with each of them: 1 for a slide, i exp(i angle) for a hinge. All
quantities come for K states at once.
"""

import numpy as np

from cwmb.reference.engine.constraints import Softness, constrained, packed
from cwmb.reference.engine.integrators import euler, runge_kutta
from cwmb.reference.engine.robot import Body, Geom, Joint, Motor


class Place:
    """Where a frame is: a constant, links to the joints [N], the joint that turns it (or None), and its own turn."""

    def __init__(self, constant, links, hinge, turn):
        self.constant, self.links, self.hinge, self.turn = constant, links, hinge, turn

    def point(self, place):
        """(constant, links) of a point that is fixed in this frame."""
        constant, links = self.constant, self.links.copy()
        if self.hinge is None:
            constant = constant + self.turn * place
        else:
            links[self.hinge] += self.turn * place
        return constant, links


class Planar:
    """A robot in the plane of x and z, or of x and y."""

    def __init__(self, robot):
        self.robot = robot
        self.bodies, self.joints = [Body(*row) for row in robot.bodies], [Joint(*row) for row in robot.joints]
        self.upright = all(joint.axis[2] == 0 for joint in self.joints if joint.kind == "hinge")
        count = len(self.joints)
        self.hinged = np.array([joint.kind == "hinge" for joint in self.joints])
        self.turning = np.eye(count)  # rates against the world = turning @ v
        self.start = np.zeros(count)  # angles against the world where q = 0
        self.places = []
        for index, body in enumerate(self.bodies):
            self.places.append(self.placed(index, body))
        self.dynamics()
        self.touching()

    def flat(self, vector):
        """A vector of space in the plane."""
        return complex(vector[0], vector[2 if self.upright else 1])

    def turned(self, quaternion):
        """A turn about the plane's normal as a complex number."""
        w, _, y, z = quaternion
        half = complex(w, -y if self.upright else z)
        return half * half / abs(half) ** 2

    def placed(self, index, body):
        """The frame of a body, behind its own joints."""
        parent = (
            self.places[body.parent] if body.parent >= 0 else Place(0j, np.zeros(len(self.joints), complex), None, 1)
        )
        frame = Place(
            *parent.point(self.flat(body.position)), parent.hinge, parent.turn * self.turned(body.orientation)
        )
        for number, joint in enumerate(self.joints):
            if joint.body != index:
                continue
            if joint.kind == "slide":
                direction = frame.turn * self.flat(joint.axis)
                frame.links[number] = direction
                frame.constant -= direction * joint.reference
            else:
                sign = -joint.axis[1] if self.upright else joint.axis[2]
                self.turning[number] = 0 if frame.hinge is None else self.turning[frame.hinge]
                self.turning[number, number] = sign
                self.start[number] = (0 if frame.hinge is None else self.start[frame.hinge]) - sign * joint.reference
                anchor = self.flat(joint.anchor)
                frame.constant, frame.links = frame.point(anchor)
                frame.hinge = number
                frame.links[number] -= frame.turn * anchor
        return frame

    def dynamics(self):
        """What the mass matrix and the forces are computed from."""
        count = len(self.joints)
        self.products = np.zeros((count, count), complex)  # sum of mass * conj(links) links
        self.gravity = np.zeros(count, complex)
        for body, frame in zip(self.bodies, self.places):
            _, links = frame.point(self.flat(body.centre))
            self.products += body.mass * np.outer(links.conj(), links)
            self.gravity += body.mass * complex(self.flat(self.robot.gravity)).conjugate() * links
            if frame.hinge is not None:
                self.products[frame.hinge, frame.hinge] += self.spin_inertia(body)
        self.phases = 1j * np.where(self.hinged, self.turning.T, 0.0)
        self.phase = np.where(self.hinged, 1j * (self.start + np.pi / 2), 0.0)
        self.spread = np.kron(self.turning, self.turning)  # mass matrix = turning' @ real part of pairs @ turning
        self.armature = np.diag([joint.armature for joint in self.joints]).ravel()
        self.damping = np.array([joint.damping for joint in self.joints])
        self.stiffness = np.array([joint.stiffness for joint in self.joints])
        self.sprung = self.stiffness.any()
        self.rates = np.where(self.hinged, self.turning.T, 0.0)
        motors = [Motor(*row) for row in self.robot.motors]
        self.low, self.high = np.array([m.low for m in motors]), np.array([m.high for m in motors])
        self.gears = np.zeros((len(motors), count))
        for number, motor in enumerate(motors):
            self.gears[number, motor.joint] = motor.gear

    def spin_inertia(self, body):
        """The moment of inertia about the plane's normal through the centre of mass."""
        w, x, y, z = np.array(body.axes) / np.linalg.norm(body.axes)
        across = (
            (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x))
            if self.upright
            else (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y))
        )
        return float(np.dot(np.square(across), body.inertia))

    def touching(self):
        """The rows of all constraints that there can be.

        A ball at the end of a capsule that meets the floor has a row for its way down, or, where it rubs, one each for
        the edges of the friction pyramid: (1 + i friction), (1 - i friction) in the plane, and twice down for those
        across it. A limited joint has a row for each end of its range. Depths are negative inside of the margin:
        depth = imag(moves @ rise) + q @ lift + level; the row itself is imag(links * moves) @ turning + depth * roll
        + fixed.
        """
        geoms, robot = [Geom(*row) for row in self.robot.geoms], self.robot
        rows = []
        for one, other in robot.pairs:
            floor, geom = geoms[one], geoms[other]
            if floor.shape != "plane":
                continue
            frame, own = self.places[geom.body], self.turned(geom.orientation) * (1j if self.upright else 1)
            margin, friction = max(floor.margin, geom.margin), max(floor.friction, geom.friction)
            weight = self.bodies[geom.body].weight
            edges = [(1.0, weight)]
            if max(floor.dimension, geom.dimension) == 3:
                weight *= friction**2 * (1 + friction**2)
                edges = [(1.0, weight), (1 + 1j * friction, 2 * weight), (1 - 1j * friction, 2 * weight)]
            spin = 0 if frame.hinge is None else self.turning[frame.hinge]
            for end in (1, -1) if geom.half_length else (0,):
                constant, links = frame.point(self.flat(geom.position) + own * end * geom.half_length)
                for edge, softness in edges:
                    rows.append(
                        (
                            np.where(self.hinged, -1j * links, 0),
                            np.where(self.hinged, 0, links.imag),
                            constant.imag - geom.radius - floor.position[2] - margin,
                            edge * links,
                            edge.imag * spin / 2,
                            edge.imag * spin * (geom.radius + margin / 2),
                            (geom.solref, geom.solimp, softness),
                        )
                    )
        none = np.zeros(len(self.joints))
        for number, joint in enumerate(self.joints):
            for sign, end in zip((1.0, -1.0), joint.range or ()):
                along = sign * np.eye(len(self.joints))[number]
                soft = joint.solref, joint.solimp, joint.weight
                rows.append((none, along, -sign * end - joint.margin, none, none, along, soft))
        rise, lift, self.level, links, roll, fixed, soft = zip(*rows)
        self.rise, self.lift, self.links = np.array(rise).T, np.array(lift).T, np.array(links)
        self.roll, self.fixed = np.array(roll), np.array(fixed)
        self.softness = Softness(robot.timestep, *zip(*soft))

    def motors(self, actions):
        """Forces [K, N] of the motors for control signals [K, A]."""
        return np.matmul(np.minimum(np.maximum(actions, self.low), self.high), self.gears)

    def forward(self, q, v, motors, guess):
        """Accelerations [K, N] and mass matrices [K, N, N] at positions and velocities [K, N]."""
        moves = np.exp(np.matmul(q, self.phases) + self.phase)
        pairs = moves.conj()[:, :, None] * self.products * moves[:, None, :]
        mass = (np.matmul(pairs.real.reshape(len(q), -1), self.spread) + self.armature).reshape(pairs.shape)
        rates = np.matmul(v, self.rates)
        pull = (moves * self.gravity).real + np.matmul(pairs.imag, (rates * rates)[:, :, None])[:, :, 0]
        force = motors - self.damping * v + np.matmul(pull, self.turning)
        if self.sprung:
            force = force - self.stiffness * q
        depth = np.matmul(moves, self.rise).imag + (np.matmul(q, self.lift) + self.level)
        acting = depth < 0
        states, near = acting.nonzero()
        if not near.size:
            return np.linalg.solve(mass, force[:, :, None])[:, :, 0], mass
        depth = depth[acting]
        rows = np.matmul((self.links.take(near, 0) * moves.take(states, 0)).imag, self.turning)
        rows += depth[:, None] * self.roll.take(near, 0) + self.fixed.take(near, 0)
        rows, push, damper, stiffness = packed(states, len(q), rows, *self.softness(near, depth))
        target = push - damper * np.matmul(rows, v[:, :, None])[:, :, 0]
        return constrained(mass, force, rows, target, stiffness, guess), mass

    def move(self, q, v, duration):
        return q + duration * v

    def simulate(self, q, v, actions):
        """Positions and velocities [K, N] after a step with control signals [K, A]."""
        robot, motors, guess = self.robot, self.motors(actions), np.zeros_like(v)
        for _ in range(robot.frame_skip):
            if robot.integrator == "RK4":
                q, v, guess = runge_kutta(self.forward, self.move, q, v, motors, guess, robot.timestep)
            else:
                q, v, guess = euler(self.forward, self.move, q, v, motors, guess, robot.timestep, self.damping)
        return q, v
