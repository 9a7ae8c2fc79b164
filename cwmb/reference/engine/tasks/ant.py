"""What the ant is for: to move along x at little effort, on its legs."""

import numpy as np

from cwmb.reference.engine.spatial import Spatial


class Environment:
    def __init__(self):
        self.body = Spatial(ROBOT)
        self.duration = ROBOT.timestep * ROBOT.frame_skip
        self.q, self.v, self.x = *self.read(np.eye(1, self.body.dofs * 2 - 1, 1)), np.zeros(1)

    def set_state(self, observation):
        self.q, self.v = self.read(np.array(observation, dtype=float)[None])
        self.x = np.zeros(1)

    def step(self, action):
        actions = np.array(action, dtype=float)[None]
        self.q, self.v, self.x, reward, done = self.advance(self.q, self.v, self.x, actions)
        return self.seen(self.q, self.v)[0], float(reward[0]), bool(done[0])

    def step_many(self, observations, actions):
        q, v, _, rewards, done = self.advance(*self.read(observations), np.zeros(len(observations)), actions)
        return self.seen(q, v), rewards, done

    def read(self, observations):
        """Positions and velocities; where the torso is in the plane is not seen, and does not matter."""
        count = self.body.dofs - 1
        q = np.concatenate((np.zeros((len(observations), 2)), observations[:, :count]), 1)
        return q, observations[:, count:]

    def seen(self, q, v):
        return np.concatenate((q[:, 2:], v), 1)

    def advance(self, q, v, x, actions):
        q, v = self.body.simulate(q, v, actions)
        now = self.body.latest[0][0, 3, 0]  # the torso's place as the last evaluation of the forces left it
        effort = TASK["ctrl_cost_weight"] * (actions * actions).sum(1)
        rewards = (now - x) / self.duration + TASK["healthy_reward"] - effort
        low, high = TASK["healthy_z_range"]
        healthy = np.isfinite(q).all(1) & np.isfinite(v).all(1) & (low <= q[:, 2]) & (q[:, 2] <= high)
        return q, v, now, rewards, ~healthy
