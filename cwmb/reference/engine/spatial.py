"""Rigid bodies in space: a tree of frames, each turned by one joint against the frame before it.

A pose [3, 4] is a rotation and a place. Motions and forces are six numbers: angular velocity and velocity of what
passes the world's origin; torque about the origin and force. Arrays hold components first, then joints or bodies, and
the K states last, so that every operation runs over all bodies and states at once.
"""

import numpy as np

from cwmb.reference.engine.constraints import Softness, constrained, packed
from cwmb.reference.engine.integrators import euler, runge_kutta
from cwmb.reference.engine.robot import Body, Geom, Joint, Motor

YZX, ZXY = np.array([1, 2, 0]), np.array([2, 0, 1])


def cross(a, b):
    """The cross product of vectors [..., 3, N, K]."""
    return a.take(YZX, -3) * b.take(ZXY, -3) - a.take(ZXY, -3) * b.take(YZX, -3)


def crossed(a, b):
    """The cross product of vectors [3, P]."""
    return a.take(YZX, 0) * b.take(ZXY, 0) - a.take(ZXY, 0) * b.take(YZX, 0)


def compose(outer, inner):
    """The pose [3, 4, N, K] of something with the pose ``inner`` in a frame with the pose ``outer``."""
    pose = np.einsum("iank,abnk->ibnk", outer[:, :3], inner)
    pose[:, 3] += outer[:, 3]
    return pose


def moved(pose, places):
    """Where places [4, N, 1] (x, y, z, 1) in frames with a pose [3, 4, N, K] are in the world."""
    return np.einsum("iank,ank->ink", pose, places)


def spatial_inertia():
    """The inertia [6, 6] about the origin is linear in the second moments, mass times place, and mass: [36, 13].

    The angular momentum is (trace - second moments) spin + mass place x velocity, the momentum mass velocity +
    spin x mass place.
    """
    table = np.zeros((6, 6, 13))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        table[i, i, [4 * j, 4 * k]] = 1.0
        table[i, j, 3 * i + j] = table[j, i, 3 * j + i] = -1.0
        table[i, 3 + k, 9 + j] = table[3 + k, i, 9 + j] = 1.0
        table[i, 3 + j, 9 + k] = table[3 + j, i, 9 + k] = -1.0
        table[3 + i, 3 + i, 12] = 1.0
    return table.reshape(36, 13)


def quaternion_product():
    """Products of two quaternions' components, first times second [16], to the components of their product [4]."""
    table = np.zeros((4, 4, 4))
    table[0, 0, 0] = 1.0
    for i, j, k in ((1, 2, 3), (2, 3, 1), (3, 1, 2)):
        table[0, i, i] = table[i, 0, i] = table[i, j, k] = 1.0
        table[i, i, 0] = table[j, i, k] = -1.0
    return table.reshape(16, 4)


def quaternion_rotation():
    """Products of a unit quaternion's components [16] to its rotation matrix [9]."""
    product = quaternion_product().reshape(4, 4, 4)
    flip = np.diag([1.0, -1.0, -1.0, -1.0])  # the inverse; a vector v becomes quaternion * v * inverse
    rotated = np.einsum("avp,pbi,bc->iavc", product, product, flip)  # [i, a, v, c]: axis v to axis i
    return rotated[1:, :, 1:].transpose(0, 2, 1, 3).reshape(9, 16)


SPATIAL, HAMILTON, TURNS = spatial_inertia(), quaternion_product(), quaternion_rotation()


def rotation(quaternion):
    """The rotation matrix [3, 3] of a quaternion, which need not be a unit one."""
    quaternion = np.array(quaternion)
    return (TURNS @ np.outer(quaternion, quaternion).ravel() / (quaternion @ quaternion)).reshape(3, 3)


def placed(pose, position, orientation=(1, 0, 0, 0)):
    """The pose [3, 4] of something in a frame with a pose."""
    return np.column_stack((pose[:, :3] @ rotation(orientation), pose @ [*position, 1.0]))


def last(rows):
    """Rows of constants per joint or body, [N, ...], in the order of this module: [..., N, 1]."""
    return np.moveaxis(np.array(rows), 0, -1)[..., None]


class Spatial:
    """A robot in space, which stands freely."""

    def __init__(self, robot):
        self.robot = robot
        self.bodies, self.joints = [Body(*row) for row in robot.bodies], [Joint(*row) for row in robot.joints]
        self.hinges = self.joints[1:]  # behind the free joint, whose six coordinates come first
        self.dofs = 6 + len(self.hinges)
        self.frames()
        self.inertias()
        self.forces()
        self.constraints()

    def frames(self):
        """Frame 0 is the free body's, frame i that behind the i-th hinge, with its origin at the anchor."""
        count = len(self.hinges) + 1
        self.parents, poses, self.places = [-1], [np.eye(3, 4)], []  # places: (frame, pose in it) of each body
        for index, body in enumerate(self.bodies):
            frame, pose = 0, np.eye(3, 4)
            if body.parent >= 0:
                frame, pose = self.places[body.parent]
                pose = placed(pose, body.position, body.orientation)
            for joint in self.hinges:
                if joint.body == index:
                    self.parents.append(frame)
                    poses.append(placed(pose, joint.anchor))
                    frame, pose = len(poses) - 1, placed(np.eye(3, 4), -np.array(joint.anchor))
            self.places.append((frame, pose))
        ahead = np.eye(count, dtype=bool)  # [i, j]: whether frame j is frame i or carries it
        for index, parent in enumerate(self.parents[1:], 1):
            ahead[index] |= ahead[parent]
        self.carried = np.concatenate((np.ones((count, 6)), ahead[:, 1:]), 1)  # which coordinates move a frame
        # Turned by q, a frame's pose in its parent is fixed + real part of turn * exp(i q).
        turns, fixed = [], []
        for pose, joint in zip(poses[1:], self.hinges):
            x, y, z = joint.axis
            twist = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            start = np.exp(-1j * joint.reference)
            turns.append(np.column_stack((pose[:, :3] @ (-twist @ twist - 1j * twist) * start, np.zeros(3))))
            fixed.append(pose + np.column_stack((pose[:, :3] @ twist @ twist, np.zeros(3))))
        self.turns, self.fixed = last(turns), last(fixed)
        # Poses are composed by doubling: first with the parent's, then with that of the parent's parent's parent, ...
        self.jumps, jump = [], np.array([count, *self.parents[1:], count])
        while (jump < count).any():
            self.jumps.append(jump)
            jump = jump[jump]

    def inertias(self):
        count = len(self.parents)
        masses, moments = np.zeros(count), np.zeros((count, 4, 4))
        centres, own = [], []
        for body, (frame, pose) in zip(self.bodies, self.places):
            principal = placed(pose, body.centre, body.axes)
            inertia = np.array(body.inertia)
            spread = principal[:, :3] * (inertia.sum() / 2 - inertia) @ principal[:, :3].T  # second moments
            place = np.append(principal[:, 3], 1.0)
            masses[frame] += body.mass
            moments[frame] += body.mass * np.outer(place, place)
            moments[frame, :3, :3] += spread
            centres.append(place)
            own.append(spread)
        self.body_frames = np.array([frame for frame, _ in self.places])
        self.body_masses = np.array([[body.mass] for body in self.bodies])
        self.body_centres, self.body_spreads = last(centres), last(own)
        self.heavy = np.flatnonzero(masses)  # frames with a mass
        self.masses, self.moments = masses[self.heavy, None], last(moments[self.heavy])
        self.turning = np.array([0, 0, 0, *range(1, count)])  # the frames whose coordinates turn with the robot
        self.axes = last([*np.eye(3), *(joint.axis for joint in self.hinges)])
        beyond = self.carried[self.heavy].T
        self.moving = np.concatenate((self.carried[self.turning], beyond.T))
        self.gathering = beyond[3:].T
        self.summing = np.concatenate((beyond, np.eye(len(self.heavy)), np.eye(len(self.heavy))))
        self.beyond = beyond
        earlier = np.tril(np.ones((self.dofs, self.dofs))) - 0.5 * np.eye(self.dofs)
        self.shares = self.carried[[0] * 6 + list(range(1, count))] * earlier  # j carries i; itself by half

    def forces(self):
        joints = [self.joints[0]] * 6 + self.hinges
        self.armature = np.diag([joint.armature for joint in joints])
        self.damping = np.array([joint.damping for joint in joints])
        self.stiffness = np.array([joint.stiffness for joint in self.hinges])
        self.sprung = self.stiffness.any()
        self.gravity = np.array(self.robot.gravity)[:, None, None]
        motors = [Motor(*row) for row in self.robot.motors]
        self.low, self.high = np.array([m.low for m in motors]), np.array([m.high for m in motors])
        self.gears = np.zeros((len(motors), self.dofs))
        for number, motor in enumerate(motors):
            self.gears[number, 5 + motor.joint] = motor.gear

    def constraints(self):
        """The rows of all constraints that there can be: balls on the floor, limits of joints, pairs of capsules.

        A ball at the end of a capsule has a row for each of the four edges of the friction pyramid: along the
        capsule's axis as it lies on the floor (1, -1) and across (i, -i), times the friction.
        """
        geoms = [Geom(*row) for row in self.robot.geoms]
        balls, limits, pairs, shapes = [], [], [], {}
        for number, geom in enumerate(geoms):
            if geom.shape != "plane":
                frame, pose = self.places[geom.body]
                shapes[number] = frame, placed(pose, geom.position, geom.orientation)
        for one, other in self.robot.pairs:
            first, geom = geoms[one], geoms[other]
            margin, friction = max(first.margin, geom.margin), max(first.friction, geom.friction)
            weight, (frame, pose) = self.bodies[geom.body].weight, shapes[other]
            if first.shape != "plane":
                weight += self.bodies[first.body].weight
                reach = first.half_length + first.radius + geom.half_length + geom.radius + margin
                signs = self.carried[frame] - self.carried[shapes[one][0]]
                pairs.append((one, other, reach, margin, signs, geom.body, first.body,
                              (geom.solref, geom.solimp, weight)))  # fmt: skip
                continue
            rubs = max(first.dimension, geom.dimension) == 3
            weight *= 2 * friction**2 * (1 + friction**2) if rubs else 4
            axis = pose[:, 2] if geom.half_length else np.zeros(3)
            for end in (1, -1) if geom.half_length else (0,):
                place = np.append(pose[:, 3] + end * geom.half_length * pose[:, 2], 1.0)
                height, arm = first.position[2] + geom.radius + margin, geom.radius + margin / 2
                for edge in (1, -1, 1j, -1j):
                    balls.append((frame, place, axis, height, arm, edge * friction * rubs, geom.body,
                                  (geom.solref, geom.solimp, weight)))  # fmt: skip
        for number, joint in enumerate(self.hinges):
            for sign, end in zip((1.0, -1.0), joint.range or ()):
                row = sign * np.eye(self.dofs)[6 + number]
                limits.append((row, sign * end + joint.margin, (joint.solref, joint.solimp, joint.weight)))
        frames, places, axes, heights, arms, edges, bodies, ball_soft = zip(*balls)
        limit_rows, ends, limit_soft = zip(*limits)
        ones, others, reach, margins, signs, pushed, pushing, pair_soft = zip(*pairs) if pairs else [()] * 8
        self.softness = Softness(self.robot.timestep, *zip(*ball_soft, *limit_soft, *pair_soft))
        self.balls, self.first_pair = len(balls), len(balls) + len(limits)
        self.ball_frames, self.ball_places, self.ball_axes = np.array(frames), np.array(places).T, np.array(axes).T
        self.upright = 1j * (self.ball_axes == 0).all(0)
        self.arms, self.edges = np.array(arms), np.array(edges)
        # Depths are negative where constraints act: height of balls, from the third rows of poses, and limits.
        self.levels = np.zeros((4, len(balls), len(self.parents) + 1))
        self.levels[:, np.arange(len(balls)), frames] = self.ball_places
        self.heights, self.ends = np.array(heights)[:, None], np.array(ends)
        self.inward = np.array(limit_rows)[:, 6:].T
        # A constraint's row of the Jacobian is its wrench times the motions of the joints that move it, or fixed.
        signs = np.array(signs).reshape(-1, self.dofs)
        self.moved = np.concatenate((self.carried[self.ball_frames], 0 * np.array(limit_rows), signs))
        self.rows = np.concatenate((0 * self.carried[self.ball_frames], limit_rows, 0 * signs))
        self.pushed = np.array([*bodies, *[-1] * len(limits), *pushed])
        self.pushing = np.array([*[-1] * self.first_pair, *pushing])
        self.colliding = bool(pairs)
        if pairs:
            used = sorted({*ones, *others})
            self.ones, self.others = (np.array([used.index(number) for number in side]) for side in (ones, others))
            self.shape_frames = np.array([shapes[number][0] for number in used])
            self.shape_places = last([np.append(shapes[number][1][:, 3], 1.0) for number in used])
            self.shape_axes = last([np.append(shapes[n][1][:, 2] * geoms[n].half_length, 0.0) for n in used])
            self.radii, self.margins = np.array([geoms[number].radius for number in used]), np.array(margins)
            self.reach = np.square(reach)[:, None]

    def motors(self, actions):
        """Forces [K, N] of the motors for control signals [K, A]."""
        return np.matmul(np.minimum(np.maximum(actions, self.low), self.high), self.gears)

    def poses(self, q):
        """Poses [3, 4, F + 1, K] of all frames in the world (the last one is the world's own)."""
        poses = np.empty((3, 4, len(self.parents) + 1, len(q)))
        quaternion = q[:, 3:7].T
        products = (quaternion[:, None] * quaternion).reshape(16, -1)
        poses[:, :3, 0] = (np.matmul(TURNS, products) / products[::5].sum(0)).reshape(3, 3, -1)
        poses[:, 3, 0] = q[:, :3].T
        poses[:, :, 1:-1] = (self.turns * np.exp(1j * q[:, 7:].T)).real
        poses[:, :, 1:-1] += self.fixed
        poses[:, :, -1] = np.eye(3, 4)[:, :, None]
        for jump in self.jumps:
            poses = compose(poses.take(jump, 2), poses)
        return poses

    def motions(self, poses):
        """How all that is beyond a joint moves with each coordinate, [6, N, K]."""
        motions = np.zeros((6, self.dofs, poses.shape[3]))
        motions[[3, 4, 5], [0, 1, 2]] = 1.0  # the free body's translations
        frames = poses.take(self.turning, 2)
        axes = np.einsum("iank,ank->ink", frames[:, :3], self.axes)
        motions[:3, 3:] = axes
        motions[3:, 3:] = cross(frames[:, 3], axes)
        return motions

    def inertia(self, poses, motions, v):
        """Mass matrices [K, N, N], and the forces [K, N] that motion and gravity exert against accelerations."""
        bodies, states = len(self.heavy), len(v)
        poses = poses.take(self.heavy, 2)
        moments = np.empty((13, bodies, states))  # second moments, mass times place, and mass of each frame
        turned = np.einsum("iank,abnk->ibnk", poses, self.moments)
        np.einsum("iank,jank->ijnk", turned, poses, out=moments[:9].reshape(3, 3, bodies, states))
        moments[9:12] = turned[:, 3]
        moments[12] = self.masses
        rates = motions * v.T
        moving = np.matmul(self.moving, rates)
        carriers, velocities = moving[:, :-bodies].reshape(2, 3, -1, states), moving[:, -bodies:]
        rates = rates[:, 3:].reshape(2, 3, -1, states)
        changes = cross(carriers[0], rates)
        changes[1] += cross(carriers[1], rates[0])
        accelerations = np.matmul(self.gathering, changes.reshape(6, -1, states))
        accelerations[3:] -= self.gravity
        # One product gives the momenta of all that is beyond each joint, and those of each body, and their changes.
        moments = np.matmul(self.summing, moments)
        inertia = np.matmul(SPATIAL, moments.reshape(13, -1)).reshape(6, 6, -1, states)
        momenta = np.einsum("ijnk,jnk->ink", inertia, np.concatenate((motions, velocities, accelerations), 1))
        composite, own, forces = momenta[:, : self.dofs], momenta[:, self.dofs : -bodies], momenta[:, -bodies:]
        velocities, own = velocities.reshape(2, 3, bodies, states), own.reshape(2, 3, bodies, states)
        forces = forces.reshape(2, 3, bodies, states) + cross(velocities[0], own)
        forces[0] += cross(velocities[1], own[1])
        against = np.einsum("cnk,cnk->kn", motions, np.matmul(self.beyond, forces.reshape(6, bodies, states)))
        mass = self.shares * np.matmul(composite.transpose(2, 1, 0), motions.transpose(2, 0, 1))
        return mass + mass.swapaxes(1, 2) + self.armature, against

    def forward(self, q, v, motors, guess):
        """Accelerations [K, N] and mass matrices [K, N, N] at positions [K, N + 1] and velocities [K, N]."""
        poses = self.poses(q)
        motions = self.motions(poses)
        mass, against = self.inertia(poses, motions, v)
        force = motors - self.damping * v - against
        if self.sprung:
            force[:, 6:] -= self.stiffness * q[:, 7:]
        states, near, depth, wrenches = self.near(poses, q)
        self.latest = poses, motions, v, None
        if not near.size:
            return np.linalg.solve(mass, force[:, :, None])[:, :, 0], mass
        parts = packed(states, len(q), near, wrenches.T, *self.softness(near, depth))
        near, wrenches, push, damper, stiffness = parts
        rows = np.matmul(wrenches, motions.transpose(2, 0, 1))
        rows = rows * self.moved.take(near, 0) + self.rows.take(near, 0)
        target = push - damper * np.matmul(rows, v[:, :, None])[:, :, 0]
        solution = constrained(mass, force, rows, target, stiffness, guess)
        self.latest = poses, motions, v, (near, wrenches, rows, target, stiffness, solution)
        return solution, mass

    def near(self, poses, q):
        """(states [P], numbers [P], depths [P], wrenches [6, P]) of the constraints that act."""
        heights = np.matmul(self.levels, poses[2]).sum(0) - self.heights
        depth = np.concatenate((heights.T, np.matmul(q[:, 7:], self.inward) - self.ends), 1)
        acting = depth < 0
        states, near = acting.nonzero()
        depth = depth[acting]
        wrenches = np.zeros((6, len(near)))
        balls = (near < self.balls).nonzero()[0]
        if balls.size:
            wrenches[:, balls] = self.standing(poses, states[balls], near[balls], depth[balls])
        if self.colliding:
            meeting, pairs, depths, pushes = self.meeting(poses)
            if pairs.size:
                states, near = np.concatenate((states, meeting)), np.concatenate((near, pairs + self.first_pair))
                depth, wrenches = np.concatenate((depth, depths)), np.concatenate((wrenches, pushes), 1)
        return states, near, depth, wrenches

    def standing(self, poses, states, balls, depth):
        """Wrenches [6, P] of unit forces along the friction pyramids' edges of balls on the floor."""
        frames = self.ball_frames.take(balls) * poses.shape[3] + states
        poses = poses.reshape(3, 4, -1).take(frames, 2)
        places = np.einsum("iap,ap->ip", poses, self.ball_places.take(balls, 1))
        places[2] -= self.arms.take(balls) + 0.5 * depth
        x, y = np.einsum("iap,ap->ip", poses[:2, :3], self.ball_axes.take(balls, 1))
        axes = x + 1j * y + self.upright.take(balls)
        edges = self.edges.take(balls) * axes / np.abs(axes)
        forces = np.empty_like(places)
        forces[0], forces[1], forces[2] = edges.real, edges.imag, 1.0
        return np.concatenate((crossed(places, forces), forces))

    def meeting(self, poses):
        """(states [P], pairs [P], depths [P], wrenches [6, P]) of the capsules that touch each other."""
        count = poses.shape[3]
        poses = poses.take(self.shape_frames, 2)
        centres = moved(poses, self.shape_places)
        apart = centres.take(self.ones, 1) - centres.take(self.others, 1)
        pairs, states = (np.einsum("ink,ink->nk", apart, apart) < self.reach).nonzero()
        axes = moved(poses, self.shape_axes).reshape(3, -1)
        ones, others = self.ones.take(pairs), self.others.take(pairs)
        apart = apart.reshape(3, -1).take(pairs * count + states, 1)
        one, other = axes.take(ones * count + states, 1), axes.take(others * count + states, 1)
        # Where on the axes, from -1 to 1, the capsules come closest.
        stretch1, stretch2 = (np.maximum((axis * axis).sum(0), 1e-15) for axis in (one, other))
        mixed, along1, along2 = (one * other).sum(0), -(one * apart).sum(0), (other * apart).sum(0)
        determinant = np.maximum(stretch1 * stretch2 - mixed * mixed, 1e-15)
        x1 = np.minimum(np.maximum((stretch2 * along1 + mixed * along2) / determinant, -1.0), 1.0)
        x2 = np.minimum(np.maximum((along2 + mixed * x1) / stretch2, -1.0), 1.0)
        x1 = np.minimum(np.maximum((along1 + mixed * x2) / stretch1, -1.0), 1.0)
        between = other * x2 - one * x1 - apart
        length = np.sqrt((between * between).sum(0))
        radii, margins = self.radii.take(ones), self.margins.take(pairs)
        depth = length - radii - self.radii.take(others) - margins
        touching = (depth < 0).nonzero()[0]
        if not touching.size:
            return states[touching], touching, None, None
        states, pairs, depth, ones = states[touching], pairs[touching], depth[touching], ones[touching]
        normal = between[:, touching] / np.maximum(length[touching], 1e-15)
        places = centres.reshape(3, -1)[:, ones * count + states] + (one * x1)[:, touching]
        places += normal * (radii[touching] + 0.5 * (depth + margins[touching]))
        return states, pairs, depth, np.concatenate((crossed(places, normal), normal))

    def move(self, q, v, duration):
        """Positions [K, N + 1] after some time at velocities [K, N]."""
        moved = np.empty_like(q)
        moved[:, :3] = q[:, :3] + duration * v[:, :3]
        moved[:, 7:] = q[:, 7:] + duration * v[:, 6:]
        spin = v[:, 3:6]
        speed = np.sqrt((spin * spin).sum(1, keepdims=True)) + 1e-300
        half = 0.5 * duration * speed
        turn = np.concatenate((np.cos(half), np.sin(half) / speed * spin), 1)
        moved[:, 3:7] = np.matmul((q[:, 3:7, None] * turn[:, None, :]).reshape(-1, 16), HAMILTON)
        return moved

    def simulate(self, q, v, actions):
        """Positions and velocities after a step with control signals [K, A]."""
        robot, motors, guess = self.robot, self.motors(actions), np.zeros_like(v)
        q = np.concatenate((q[:, :3], q[:, 3:7] / np.linalg.norm(q[:, 3:7], axis=1, keepdims=True), q[:, 7:]), 1)
        for _ in range(robot.frame_skip):
            if robot.integrator == "RK4":
                q, v, guess = runge_kutta(self.forward, self.move, q, v, motors, guess, robot.timestep)
            else:
                q, v, guess = euler(self.forward, self.move, q, v, motors, guess, robot.timestep, self.damping)
        return q, v

    def centre(self, poses):
        """The centre of mass [3, K] of all bodies."""
        places = moved(poses.take(self.body_frames, 2), self.body_centres)
        return (places * self.body_masses).sum(1) / self.body_masses.sum()

    def left_behind(self):
        """What the last evaluation of forces leaves, of each body: inertia, velocity, and forces of contacts.

        Returns (centre of mass [3, K], [10, B, K], [6, B, K], [6, B, K]): inertia about the centre of mass as xx, yy,
        zz, xy, xz, yz, mass times place relative to it, mass; velocity there; torque about it and force.
        """
        poses, motions, rates, acting = self.latest
        centre = self.centre(poses)
        frames = poses.take(self.body_frames, 2)
        arms, mass = moved(frames, self.body_centres) - centre[:, None], self.body_masses
        spread = np.einsum("iank,abnk,jbnk->ijnk", frames[:, :3], self.body_spreads, frames[:, :3])
        spread += mass * arms[:, None] * arms
        (xx, xy, xz), (_, yy, yz), (_, _, zz) = spread
        inertia = np.stack((yy + zz, xx + zz, xx + yy, -xy, -xz, -yz, *(mass * arms), mass + 0 * xx))
        velocities = np.matmul(self.carried[self.body_frames], motions * rates.T)
        velocities[3:] += cross(velocities[:3], centre[:, None])
        forces = np.zeros_like(velocities)
        if acting:
            near, wrenches, rows, target, stiffness, solution = acting
            push = stiffness * np.maximum(target - np.matmul(rows, solution[:, :, None])[:, :, 0], 0.0)
            wrenches = (wrenches * push[:, :, None]).T
            wrenches[:3] -= cross(centre[:, None], wrenches[3:])
            for number in range(len(self.bodies)):
                signs = (self.pushed[near.T] == number) * 1.0 - (self.pushing[near.T] == number)
                forces[:, number] = (wrenches * signs).sum(1)
        return centre, inertia, velocities, forces
