"""What the humanoid is for, and what it sees of itself: also quantities that the physics leaves behind."""

import numpy as np

from cwmb.reference.engine.spatial import Spatial


class Environment:
    def __init__(self):
        self.body = Spatial(ROBOT)
        self.duration = ROBOT.timestep * ROBOT.frame_skip
        self.masses = np.array([row[4] for row in ROBOT.bodies])
        self.set_state(np.eye(1, 376, 1)[0])

    def set_state(self, observation):
        self.q, self.v = self.read(np.array(observation, dtype=float)[None])
        self.x = self.centre(self.body.poses(self.q))[0]

    def step(self, action):
        actions = np.array(action, dtype=float)[None]
        self.q, self.v, self.x, seen, reward, done = self.advance(self.q, self.v, self.x, actions)
        return seen[0], float(reward[0]), bool(done[0])

    def step_many(self, observations, actions):
        q, v = self.read(observations)
        return self.advance(q, v, self.centre(self.body.poses(q))[0], actions)[3:]

    def read(self, observations):
        """Positions and velocities; where the torso is in the plane is not seen, and does not matter."""
        count = self.body.dofs - 1
        q = np.concatenate((np.zeros((len(observations), 2)), observations[:, :count]), 1)
        return q, observations[:, count : 2 * count + 1]

    def centre(self, poses):
        """The centre of mass [3, K] of all bodies."""
        places, _ = self.body.inertial(poses)
        return (places * self.masses[:, None]).sum(1) / self.masses.sum()

    def advance(self, q, v, x, actions):
        q, v = self.body.simulate(q, v, actions)
        seen, centre, impacts = self.seen(q, v, actions)
        effort = TASK["ctrl_cost_weight"] * (actions * actions).sum(1)
        low, high = TASK["healthy_z_range"]
        healthy = (low < q[:, 2]) & (q[:, 2] < high) if TASK["terminates"] else np.ones(len(q), bool)
        if TASK["stands_up"]:
            impact = np.minimum(TASK["impact_cost_weight"] * (impacts * impacts).sum(1), TASK["max_impact_cost"])
            gained = q[:, 2] / ROBOT.timestep - impact
        else:
            gained = TASK["forward_reward_weight"] * (centre[0] - x) / self.duration
        return q, v, centre[0], seen, gained + TASK["healthy_reward"] - effort, ~healthy

    def seen(self, q, v, actions):
        """(observations, centre of mass, contact forces) of the last evaluation, which q and v have moved on from."""
        body, states = self.body, len(q)
        poses, motions, rates, contacts, forces = body.last
        centre = self.centre(poses)
        places, turned = body.inertial(poses)
        arms = places - centre[:, None]
        m = self.masses[:, None]
        inertia = turned + m * ((arms * arms).sum(0) * np.eye(3)[:, :, None, None] - arms[:, None] * arms)
        xx, yy, zz, xy, xz, yz = inertia[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
        cinert = np.stack((xx, yy, zz, xy, xz, yz, *(m * arms), m + 0 * xx), 2)
        moving = np.matmul(body.carried[[frame for frame, _ in body.placed]], motions * rates.T)
        cvel = np.concatenate((moving[:, 0], moving[:, 1] + crossed(moving[:, 0], centre[:, None])))
        impacts = np.zeros((states, len(self.masses), 6))
        if forces is not None and contacts:
            wrenches, pushed, pushing = contacts
            wrenches = wrenches * forces[:, : len(pushed), None]
            pull = wrenches[:, :, 1::2].T
            shifted = wrenches[:, :, ::2].T - crossed(centre[:, None], pull)
            total = np.concatenate((shifted, pull)).transpose(2, 1, 0)
            for sign, bodies in ((1.0, pushed), (-1.0, pushing)):
                for body_index in set(bodies.tolist()) - {-1}:
                    impacts[:, body_index] += sign * total[:, bodies == body_index].sum(1)
        world = np.zeros((states, 10))
        impacts = impacts.reshape(states, -1)
        parts = (q[:, 2:], v, world, cinert.transpose(1, 0, 2).reshape(states, -1), world[:, :6])
        parts += (cvel.transpose(2, 1, 0).reshape(states, -1), body.driven(actions), world[:, :6], impacts)
        return np.concatenate(parts, 1), centre, impacts


def crossed(a, b):
    return np.cross(a, b, axis=0)
