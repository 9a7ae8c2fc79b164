"""Rigid bodies in space: a tree of frames, each turned or shifted by one joint against the frame before it.

A pose is a rotation and a place, [3, 4]. Motions and forces are pairs of vectors [3, 2]: (angular velocity, velocity of
what passes the world's origin) and (torque about the origin, force). Arrays hold components first, then joints or
bodies, and the K states last, so that every operation runs over all states and bodies at once.
"""

import numpy as np

from cwmb.reference.engine.constraints import Softness, constrained
from cwmb.reference.engine.integrators import euler, runge_kutta
from cwmb.reference.engine.robot import Body, Geom, Joint, Motor

YZX, ZXY = np.array([1, 2, 0]), np.array([2, 0, 1])


def cross(a, b):
    """The cross product along the first axis."""
    return a.take(YZX, 0) * b.take(ZXY, 0) - a.take(ZXY, 0) * b.take(YZX, 0)


def compose(outer, inner):
    """The pose [3, 4, ...] of something with the pose ``inner`` in a frame with the pose ``outer``."""
    pose = outer[:, 0, None] * inner[0]
    pose += outer[:, 1, None] * inner[1]
    pose += outer[:, 2, None] * inner[2]
    pose[:, 3] += outer[:, 3]
    return pose


def rotation(quaternion):
    """The rotation matrix [3, 3, ...] of unit quaternions [4, ...]."""
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def momentum(moments, mass, motion):
    """(angular, linear) momentum about the origin [3, 2, N, K] of what moves with a motion [3, 2, N, K].

    moments [4, 3, N, K]: inertia about the origin, and mass times centre of mass.
    """
    result = -cross(moments[3][:, None], motion)[:, ::-1]
    result[:, 0] *= -1
    result[:, 0] += (moments[:3] * motion[:, 0]).sum(1)
    result[:, 1] += mass * motion[:, 1]
    return result


class Spatial:
    """A robot in space, standing freely or fixed to the world."""

    def __init__(self, robot):
        self.robot = robot
        self.bodies, self.joints = [Body(*row) for row in robot.bodies], [Joint(*row) for row in robot.joints]
        self.free = self.joints[0].kind == "free"
        self.hinges = [joint for joint in self.joints if joint.kind != "free"]
        self.frames()
        self.dynamics()
        self.limits()
        self.floor()
        self.collisions()

    def frames(self):
        """Frame 0 is the free body's (else the world's), frame i that behind the i-th joint, at the joint's anchor."""
        count = len(self.hinges) + 1
        self.base = 6 if self.free else 0  # coordinates of the free joint
        self.dofs = self.base + count - 1
        self.parents, poses = [-1], [np.eye(3, 4)]  # of the frames: where each lies in its parent's where q = 0
        self.placed = []  # (frame, pose in it) of each body
        for index, body in enumerate(self.bodies):
            frame, pose = self.placed[body.parent] if body.parent >= 0 else (0, np.eye(3, 4))
            pose = compose(pose, np.column_stack((rotation(unit(body.orientation)), body.position)))
            if self.free and self.joints[0].body == index:
                pose = np.eye(3, 4)
            for joint in self.hinges:
                if joint.body == index:
                    self.parents.append(frame)
                    poses.append(compose(pose, np.column_stack((np.eye(3), joint.anchor))))
                    frame, pose = len(poses) - 1, np.column_stack((np.eye(3), -np.array(joint.anchor)))
            self.placed.append((frame, pose))
        self.ahead = np.eye(count, dtype=bool)  # [i, j]: whether frame j is frame i or carries it
        for index, parent in enumerate(self.parents[1:], 1):
            self.ahead[index] |= self.ahead[parent]
        # A pose in the parent is fixed + real part of turn * exp(i q); joint after joint they are composed by doubling.
        poses, self.axes = np.array(poses), np.array([joint.axis for joint in self.hinges])
        self.fixed, self.turn = np.zeros((count, 3, 4)), np.zeros((count, 3, 4), complex)
        for index, (pose, joint) in enumerate(zip(poses[1:], self.hinges), 1):
            axis = np.array(joint.axis)
            twist = cross(axis[:, None], np.eye(3))
            turn = pose[:, :3] @ (-twist @ twist - 1j * twist) * np.exp(-1j * joint.reference)
            self.fixed[index], self.turn[index, :, :3] = pose, turn
            self.fixed[index, :, :3] += pose[:, :3] @ twist @ twist
        self.fixed = np.moveaxis(self.fixed[1:], 0, 2)[..., None]
        self.turn = np.moveaxis(self.turn[1:], 0, 2)[..., None]
        self.jumps, jump = [], np.array([*(count if parent < 0 else parent for parent in self.parents), count])
        while (jump < count).any():
            self.jumps.append(jump)
            jump = jump[jump]

    def dynamics(self):
        count, base = len(self.parents), self.base
        masses, centres, inertias = np.zeros(count), np.zeros((count, 3)), np.zeros((count, 3, 3))
        for body, (frame, pose) in zip(self.bodies, self.placed):
            masses[frame] += body.mass
            centres[frame] += body.mass * (pose[:, :3] @ body.centre + pose[:, 3])
        self.heavy = np.flatnonzero(masses)
        centres[self.heavy] /= masses[self.heavy, None]
        for body, (frame, pose) in zip(self.bodies, self.placed):
            axes = pose[:, :3] @ rotation(unit(body.axes))
            arm = pose[:, :3] @ body.centre + pose[:, 3] - centres[frame]
            inertias[frame] += axes * body.inertia @ axes.T + body.mass * (arm @ arm * np.eye(3) - np.outer(arm, arm))
        places = [pose @ [*body.centre, 1.0] for body, (_, pose) in zip(self.bodies, self.placed)]
        self.body_centres = np.append(places, np.ones((len(places), 1)), 1).T[:, :, None]
        axes = [pose[:, :3] @ rotation(unit(body.axes)) for body, (_, pose) in zip(self.bodies, self.placed)]
        turned = [own * body.inertia @ own.T for body, own in zip(self.bodies, axes)]
        self.body_inertias = np.moveaxis(np.array(turned), 0, 2)[..., None]
        self.masses = masses[self.heavy][:, None]
        self.centres = np.append(centres[self.heavy], np.ones((len(self.heavy), 1)), 1).T[:, :, None]
        self.inertias = np.moveaxis(inertias[self.heavy], 0, 2)[..., None]
        # Coordinates that turn with the robot: all but the free body's three translations.
        self.turning = np.array([*[0] * (3 if self.free else 0), *range(1, count)])
        self.local = np.array([*(np.eye(3) if self.free else ()), *self.axes]).T[:, :, None]
        still = 3 if self.free else 0
        carried = np.zeros((count, self.dofs))  # which coordinates move a frame
        carried[:, :base] = 1
        carried[:, base:] = self.ahead[:, 1:]
        self.carried = carried
        self.moving = np.concatenate((carried[self.turning], carried[self.heavy]))
        self.gathering = carried[self.heavy][:, still:]
        beyond = carried[self.heavy].T
        self.summing = np.concatenate((beyond, np.eye(len(self.heavy)), np.eye(len(self.heavy))))
        self.weights = np.matmul(self.summing, self.masses)
        self.beyond = beyond
        later = np.tril(np.ones((self.dofs, self.dofs))) - 0.5 * np.eye(self.dofs)
        frame_of = np.array([0] * base + list(range(1, count)))
        self.shares = carried[frame_of] * later  # [i, j]: whether j carries i, itself by half
        joints = [self.joints[0]] * 6 * self.free + self.hinges
        self.armature = np.diag([joint.armature for joint in joints])
        self.damping = np.array([joint.damping for joint in joints])
        self.stiffness = np.array([0.0] * base + [joint.stiffness for joint in self.hinges])
        self.gravity = np.array(self.robot.gravity)[:, None, None]
        motors, first = [Motor(*row) for row in self.robot.motors], base - self.free
        self.low, self.high = np.array([m.low for m in motors]), np.array([m.high for m in motors])
        self.gears = np.zeros((len(motors), self.dofs))
        for number, motor in enumerate(motors):
            self.gears[number, first + motor.joint] = motor.gear

    def limits(self):
        """Two rows for each joint with a range: its distance from each end."""
        rows, offsets, soft = [], [], []
        for number, joint in enumerate(self.hinges):
            for sign, end in zip((1.0, -1.0), joint.range or ()):
                rows.append(sign * np.eye(self.dofs)[self.base + number])
                offsets.append(-sign * end - joint.margin)
                soft.append((joint.solref, joint.solimp, joint.weight))
        self.limit_rows, self.limit_offsets = np.array(rows), np.array(offsets)
        self.limit_softness = Softness(self.robot.timestep, *zip(*soft))

    def floor(self):
        """The balls at the ends of capsules that can touch the floor."""
        geoms = [Geom(*row) for row in self.robot.geoms]
        balls, count = [], len(self.parents)
        for one, other in self.robot.pairs:
            floor, geom = geoms[one], geoms[other]
            if floor.shape != "plane":
                continue
            frame, pose = self.placed[geom.body]
            pose = compose(pose, np.column_stack((rotation(unit(geom.orientation)), geom.position)))
            margin, friction = max(floor.margin, geom.margin), max(floor.friction, geom.friction)
            weight = self.bodies[geom.body].weight
            if max(floor.dimension, geom.dimension) == 3:
                weight *= 2 * friction**2 * (1 + friction**2)
            else:
                weight, friction = 4 * weight, 0.0
            for end in (1, -1) if geom.half_length else (0,):
                centre = pose[:, 3] + end * geom.half_length * pose[:, 2]
                height = floor.position[2] + geom.radius + margin
                axis = pose[:, 2] if geom.half_length else np.zeros(3)
                balls.append(
                    (
                        frame,
                        centre,
                        axis,
                        height,
                        geom.radius + margin / 2,
                        friction,
                        geom.body,
                        (geom.solref, geom.solimp, weight),
                    )
                )
        frames, centres, axes, heights, arms, frictions, self.ball_bodies, soft = zip(*balls)
        self.ball_frames, self.ball_bodies = np.array(frames), np.array(self.ball_bodies)
        self.ball_centres = np.append(centres, np.ones((len(balls), 1)), 1).T[:, :, None]
        self.ball_axes = np.array(axes).T[:, :, None]
        self.ball_upright = (self.ball_axes == 0).all(0)
        self.heights, self.arms, self.frictions = (np.array(x)[:, None] for x in (heights, arms, frictions))
        self.levels = np.zeros((4, len(balls), count + 1))  # height of a ball = sum of levels @ the third row of poses
        self.levels[:, np.arange(len(balls)), self.ball_frames] = self.ball_centres[..., 0]
        self.ball_softness = Softness(self.robot.timestep, *zip(*soft))

    def collisions(self):
        """The pairs of balls and capsules that can touch each other (without friction)."""
        geoms = [Geom(*row) for row in self.robot.geoms]
        pairs = [pair for pair in self.robot.pairs if geoms[pair[0]].shape != "plane"]
        self.colliding = bool(pairs)
        if not pairs:
            return
        used = sorted({geom for pair in pairs for geom in pair})
        placed = []
        for geom in (geoms[number] for number in used):
            frame, pose = self.placed[geom.body]
            placed.append((frame, compose(pose, np.column_stack((rotation(unit(geom.orientation)), geom.position)))))
        self.shape_frames = np.array([frame for frame, _ in placed])
        self.shape_centres = np.array([[*pose[:, 3], 1.0] for _, pose in placed]).T[:, :, None]
        self.shape_axes = np.array([pose[:, 2] * geoms[n].half_length for n, (_, pose) in zip(used, placed)]).T[
            ..., None
        ]
        self.shape_bodies = np.array([geoms[number].body for number in used])
        self.radii = np.array([geoms[number].radius for number in used])[:, None]
        self.ones, self.others = np.array([[used.index(number) for number in pair] for pair in pairs]).T
        chosen = [(geoms[one], geoms[other]) for one, other in pairs]
        self.margins = np.array([max(one.margin, other.margin) for one, other in chosen])[:, None]
        self.reach = np.array([sum(g.half_length + g.radius for g in pair) for pair in chosen])[:, None] + self.margins
        weight = [self.bodies[one.body].weight + self.bodies[other.body].weight for one, other in chosen]
        soft = [(other.solref, other.solimp, w) for (_, other), w in zip(chosen, weight)]
        self.pair_softness = Softness(self.robot.timestep, *zip(*soft))

    def motors(self, actions):
        """Forces [K, N] of the motors for control signals [K, A]."""
        return np.matmul(np.minimum(np.maximum(actions, self.low), self.high), self.gears)

    def driven(self, actions):
        """The forces [K, N] of the motors if no control signal were clipped."""
        return self.motors(actions)

    def inertial(self, poses):
        """Centres of mass [3, B, K] of the bodies, and inertias about these along the world's axes [3, 3, B, K]."""
        poses = poses.take([frame for frame, _ in self.placed], 2)
        places = (poses * self.body_centres).sum(1)
        turned = poses[:, :3]
        return places, compose3(compose3(turned, self.body_inertias), turned.swapaxes(0, 1))

    def poses(self, q):
        """Poses [3, 4, F + 1, K] of all frames in the world (the last one is the world itself)."""
        count, states = len(self.parents), len(q)
        poses = np.empty((3, 4, count + 1, states))
        first = 7 if self.free else 0
        poses[:, :, 1:-1] = (self.turn * np.exp(1j * q[:, first:].T)).real + self.fixed
        poses[:, :, -1] = np.eye(3, 4)[:, :, None]
        if self.free:
            quaternion = q[:, 3:7].T
            poses[:, :3, 0] = rotation(quaternion / np.sqrt((quaternion * quaternion).sum(0)))
            poses[:, 3, 0] = q[:, :3].T
        else:
            poses[:, :, 0] = np.eye(3, 4)[:, :, None]
        for jump in self.jumps:
            poses = compose(poses.take(jump, 2), poses)
        return poses

    def forward(self, q, v, motors, guess):
        """Accelerations [K, N] and mass matrices [K, N, N] at positions and velocities [K, N]."""
        poses = self.poses(q)
        motions = self.motions(poses)
        mass, bias = self.inertia(poses, motions, v)
        force = motors - self.damping * v - bias
        angles = q[:, -len(self.hinges) :]
        if self.base:
            force[:, self.base :] -= self.stiffness[self.base :] * angles
        else:
            force -= self.stiffness * angles
        rows, soft, contacts = self.near(poses, motions, q)
        if rows is None:
            self.last = poses, motions, v, None, None
            return np.linalg.solve(mass, force[:, :, None])[:, :, 0], mass
        push, damper, stiffness = soft
        target = push - damper * np.matmul(rows, v[:, :, None])[:, :, 0]
        solution = constrained(mass, force, rows, target, stiffness, guess)
        forces = stiffness * np.maximum(target - np.matmul(rows, solution[:, :, None])[:, :, 0], 0.0)
        self.last = poses, motions, v, contacts, forces
        return solution, mass

    def motions(self, poses):
        """How the whole robot beyond a joint moves with it, [3, 2, N, K]."""
        states = poses.shape[-1]
        motions = np.empty((3, 2, self.dofs, states))
        still = self.dofs - len(self.turning)
        frames = poses.take(self.turning, 2)
        axes = (frames[:, :3] * self.local).sum(1)
        if still:
            motions[:, :, :still] = np.array([np.zeros((3, 3)), np.eye(3)]).transpose(1, 0, 2)[..., None]
        motions[:, 0, still:] = axes
        motions[:, 1, still:] = cross(frames[:, 3], axes)
        return motions

    def inertia(self, poses, motions, v):
        """Mass matrices [K, N, N], and the forces [K, N] of motion and gravity that accelerations add to."""
        bodies, turning = len(self.heavy), len(self.turning)
        poses = poses.take(self.heavy, 2)
        centres = (poses * self.centres).sum(1)
        moments = np.empty((4, 3, bodies, v.shape[0]))
        moments[3] = self.masses * centres
        turned = poses[:, :3]
        spread = compose3(compose3(turned, self.inertias), turned.swapaxes(0, 1))
        np.subtract(spread, moments[3][:, None] * centres, out=moments[:3])
        moments[:3].reshape(9, bodies, -1)[::4] += (moments[3] * centres).sum(0)
        rates = motions * v.T
        moving = np.matmul(self.moving, rates)
        carriers, velocities = moving[:, :, :turning], moving[:, :, turning:]
        changes = cross(carriers[:, 0, None], rates[:, :, -turning:])
        changes[:, 1] += cross(carriers[:, 1], rates[:, 0, -turning:])
        accelerations = np.matmul(self.gathering, changes)
        accelerations[:, 1] -= self.gravity
        moments = np.matmul(self.summing, moments)
        found = momentum(moments, self.weights, np.concatenate((motions, velocities, accelerations), 2))
        composite, momenta, forces = found[:, :, : self.dofs], found[:, :, self.dofs : -bodies], found[:, :, -bodies:]
        forces = forces + cross(velocities[:, 0, None], momenta)
        forces[:, 0] += cross(velocities[:, 1], momenta[:, 1])
        bias = (motions * np.matmul(self.beyond, forces)).sum((0, 1)).T
        states = v.shape[0]
        lower = self.shares * np.matmul(
            composite.reshape(6, self.dofs, states).transpose(2, 1, 0),
            motions.reshape(6, self.dofs, states).transpose(2, 0, 1),
        )
        return lower + lower.swapaxes(1, 2) + self.armature, bias

    def near(self, poses, motions, q):
        """(rows [K, C, N], their softness, contacts) of the constraints that act in any of the states.

        contacts: (wrenches [K, C, 6], bodies that they push, bodies that they push back or -1), of the first rows.
        """
        states, flat = len(q), motions.reshape(6, self.dofs, -1).transpose(2, 0, 1)
        ends = np.matmul(q[:, -len(self.hinges) :], self.limit_rows[:, self.base :].T) + self.limit_offsets
        limits = (ends.min(axis=0) < 0).nonzero()[0]
        found = []
        depth = np.matmul(self.levels, poses[2]).sum(0) - self.heights
        balls = (depth.min(axis=1) < 0).nonzero()[0]
        if balls.size:
            depth = depth.take(balls, 0)
            wrenches = self.standing(poses, balls, depth).reshape(6, -1, states).transpose(2, 1, 0)
            rows = np.matmul(wrenches, flat) * np.tile(self.carried[self.ball_frames[balls]], (4, 1))
            soft = [np.tile(part, 4) for part in self.ball_softness(balls, depth.T)]
            bodies = np.tile(self.ball_bodies[balls], 4)
            found.append((rows, *soft, wrenches, bodies, np.full(len(bodies), -1)))
        if self.colliding:
            pairs, depth, wrenches = self.meeting(poses)
            if pairs.size:
                wrenches = wrenches.reshape(6, -1, states).transpose(2, 1, 0)
                ones, others = self.ones[pairs], self.others[pairs]
                moved = self.carried[self.shape_frames[others]] - self.carried[self.shape_frames[ones]]
                bodies = self.shape_bodies[others], self.shape_bodies[ones]
                soft = self.pair_softness(pairs, depth.T)
                found.append((np.matmul(wrenches, flat) * moved, *soft, wrenches, *bodies))
        contacts = [np.concatenate(parts, axis) for parts, axis in zip(zip(*(f[4:] for f in found)), (1, 0, 0))]
        if limits.size:
            rows = np.repeat(self.limit_rows[None, limits], states, 0)
            found.append((rows, *self.limit_softness(limits, ends.take(limits, 1))))
        if not found:
            return None, None, None
        rows, *soft = [np.concatenate(parts, axis) for parts, axis in zip(zip(*(f[:4] for f in found)), (1, 1, 0, 1))]
        return rows, soft, contacts

    def meeting(self, poses):
        """(pairs, depth [C, K], wrenches [3, 2, C, K]) of the capsules that touch each other in any of the states."""
        poses = poses.take(self.shape_frames, 2)
        centres, axes = (poses * self.shape_centres).sum(1), (poses[:, :3] * self.shape_axes).sum(1)
        apart = centres.take(self.ones, 1) - centres.take(self.others, 1)
        pairs = ((apart * apart).sum(0) < self.reach * self.reach).any(1).nonzero()[0]
        ones, others = self.ones[pairs], self.others[pairs]
        apart, one, other = apart.take(pairs, 1), axes.take(ones, 1), axes.take(others, 1)
        # Where on the axes (from -1 to 1) the capsules come closest.
        long1, long2, mixed = (one * one).sum(0), (other * other).sum(0), -(one * other).sum(0)
        along1, along2 = -(one * apart).sum(0), (other * apart).sum(0)
        tiny = 1e-15
        determinant = long1 * long2 - mixed * mixed
        crossing = determinant > tiny
        x1 = np.where(crossing, (long2 * along1 - mixed * along2) / np.where(crossing, determinant, 1.0), 0.0)
        x1 = np.minimum(np.maximum(x1, -1.0), 1.0)
        x2 = np.minimum(np.maximum((along2 - mixed * x1) / np.maximum(long2, tiny), -1.0), 1.0)
        x1 = np.minimum(np.maximum((along1 - mixed * x2) / np.maximum(long1, tiny), -1.0), 1.0)
        near = centres.take(ones, 1) + one * x1
        normal = centres.take(others, 1) + other * x2 - near
        length = np.sqrt((normal * normal).sum(0))
        radii, margins = self.radii[ones], self.margins[pairs]
        depth = length - radii - self.radii[others] - margins
        touching = (depth.min(axis=1, initial=1.0) < 0).nonzero()[0]
        pairs, depth, normal = pairs[touching], depth[touching], (normal / np.maximum(length, tiny))[:, touching]
        places = near[:, touching] + normal * (radii[touching] + 0.5 * (depth + margins[touching]))
        return pairs, depth, np.stack((cross(places, normal), normal), 1)

    def standing(self, poses, balls, depth):
        """Wrenches [3, 2, 4, C, K] of unit forces along the edges of the friction pyramids of balls on the floor."""
        poses = poses.take(self.ball_frames[balls], 2)
        places = (poses * self.ball_centres[:, balls]).sum(1)
        places[2] -= self.arms[balls] + 0.5 * depth
        axes = (poses[:2, :3] * self.ball_axes[:, balls]).sum(1)
        axes[1] += self.ball_upright[balls]
        along = axes * (self.frictions[balls] / np.sqrt((axes * axes).sum(0)))
        wrenches = np.empty((3, 2, 4, *depth.shape))
        edges = wrenches[:, 1]
        edges[2] = 1.0
        edges[:2, 0], edges[:2, 1] = along, -along
        edges[0, 2], edges[1, 2] = -along[1], along[0]
        edges[:2, 3] = -edges[:2, 2]
        wrenches[:, 0] = cross(places[:, None], edges)
        return wrenches

    def move(self, q, v, duration):
        if not self.free:
            return q + duration * v
        moved = np.empty_like(q)
        moved[:, :3] = q[:, :3] + duration * v[:, :3]
        moved[:, 7:] = q[:, 7:] + duration * v[:, 6:]
        spin = v[:, 3:6]
        speed = np.sqrt((spin * spin).sum(1, keepdims=True)) + 1e-300
        half = 0.5 * duration * speed
        turn = np.concatenate((np.cos(half), np.sin(half) / speed * spin), 1)
        pairs = (q[:, 3:7, None] * turn[:, None, :]).reshape(-1, 16)
        turned = np.matmul(pairs, HAMILTON)
        moved[:, 3:7] = turned / np.sqrt((turned * turned).sum(1, keepdims=True))
        return moved

    def simulate(self, q, v, actions):
        """Positions and velocities [K, N] after a step with control signals [K, A]."""
        robot, motors, guess = self.robot, self.motors(actions), np.zeros_like(v)
        for _ in range(robot.frame_skip):
            if robot.integrator == "RK4":
                q, v, guess = runge_kutta(self.forward, self.move, q, v, motors, guess, robot.timestep)
            else:
                q, v, guess = euler(self.forward, self.move, q, v, motors, guess, robot.timestep, self.damping)
        return q, v


def compose3(one, other):
    """The product of matrices [3, 3, ...]."""
    product = one[:, 0, None] * other[0]
    product += one[:, 1, None] * other[1]
    product += one[:, 2, None] * other[2]
    return product


def unit(quaternion):
    return np.array(quaternion) / np.linalg.norm(quaternion)


# Products of the components of two quaternions (first times second) to those of the product.
HAMILTON = np.zeros((4, 4, 4))
for one, other, result, sign in (
    (0, 0, 0, 1), (1, 1, 0, -1), (2, 2, 0, -1), (3, 3, 0, -1),
    (0, 1, 1, 1), (1, 0, 1, 1), (2, 3, 1, 1), (3, 2, 1, -1),
    (0, 2, 2, 1), (2, 0, 2, 1), (3, 1, 2, 1), (1, 3, 2, -1),
    (0, 3, 3, 1), (3, 0, 3, 1), (1, 2, 3, 1), (2, 1, 3, -1),
):  # fmt: skip
    HAMILTON[one, other, result] = sign
HAMILTON = HAMILTON.reshape(16, 4)
