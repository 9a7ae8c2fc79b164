"""What the humanoid is for, and what it sees of itself: also quantities that the physics leaves behind."""

import numpy as np

from cwmb.reference.engine.spatial import Spatial


class Environment:
    def __init__(self):
        self.body = Spatial(ROBOT)
        self.duration = ROBOT.timestep * ROBOT.frame_skip
        self.set_state(np.eye(1, 376, 1)[0])

    def set_state(self, observation):
        self.q, self.v = self.read(np.array(observation, dtype=float)[None])
        self.x = self.body.centre(self.body.poses(self.q))[0]

    def step(self, action):
        actions = np.array(action, dtype=float)[None]
        self.q, self.v, self.x, seen, reward, done = self.advance(self.q, self.v, self.x, actions)
        return seen[0], float(reward[0]), bool(done[0])

    def step_many(self, observations, actions):
        q, v = self.read(observations)
        return self.advance(q, v, self.body.centre(self.body.poses(q))[0], actions)[3:]

    def read(self, observations):
        """Positions and velocities; where the torso is in the plane is not seen, and does not matter."""
        count = self.body.dofs - 1
        q = np.concatenate((np.zeros((len(observations), 2)), observations[:, :count]), 1)
        return q, observations[:, count : 2 * count + 1]

    def advance(self, q, v, x, actions):
        q, v = self.body.simulate(q, v, actions)
        centre, inertia, velocities, impacts = self.body.left_behind()  # q and v have moved on from there
        world = np.zeros((len(q), 10))
        left = (part.transpose(2, 1, 0).reshape(len(q), -1) for part in (inertia, velocities, impacts))
        inertia, velocities, impacts = left
        parts = (q[:, 2:], v, world, inertia, world[:, :6], velocities)
        parts += (self.body.motors(actions), world[:, :6], impacts)
        effort = TASK["ctrl_cost_weight"] * (actions * actions).sum(1)
        if TASK["stands_up"]:
            impact = np.minimum(TASK["impact_cost_weight"] * (impacts * impacts).sum(1), TASK["max_impact_cost"])
            gained = q[:, 2] / ROBOT.timestep - impact
        else:
            gained = TASK["forward_reward_weight"] * (centre[0] - x) / self.duration
        low, high = TASK["healthy_z_range"]
        done = ~((low < q[:, 2]) & (q[:, 2] < high)) & TASK["terminates"]
        reward = TASK["reward_scale"] * (gained + TASK["healthy_reward"] - effort)
        return q, v, centre[0], np.concatenate(parts, 1), reward, done
