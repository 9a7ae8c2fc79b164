"""What the robot is for: to move along x at little effort, and to stay healthy where that is asked of it."""

import numpy as np

from cwmb.reference.engine.planar import Planar


class Environment:
    def __init__(self):
        self.body = Planar(ROBOT)
        self.duration = ROBOT.timestep * ROBOT.frame_skip
        self.count = len(ROBOT.joints)
        self.unseen = TASK["unseen"]
        self.q, self.v = np.zeros((1, self.count)), np.zeros((1, self.count))

    def set_state(self, observation):
        self.q, self.v = self.read(np.array(observation, dtype=float)[None])

    def step(self, action):
        self.q, self.v, reward, done = self.advance(self.q, self.v, np.array(action, dtype=float)[None])
        return self.seen(self.q, self.v)[0], float(reward[0]), bool(done[0])

    def step_many(self, observations, actions):
        q, v, rewards, done = self.advance(*self.read(observations), actions)
        return self.seen(q, v), rewards, done

    def read(self, observations):
        """Positions and velocities [K, N]; where the robot is on its way is not seen."""
        q = np.zeros((len(observations), self.count))
        q[:, self.unseen :] = observations[:, : self.count - self.unseen]
        return q, observations[:, self.count - self.unseen :]

    def seen(self, q, v):
        speed = np.minimum(np.maximum(v, -TASK["max_speed"]), TASK["max_speed"])
        return np.concatenate((q[:, self.unseen :], speed), 1)

    def advance(self, q, v, actions):
        before = q[:, 0]
        q, v = self.body.simulate(q, v, actions)
        forward = TASK["forward_reward_weight"] * (q[:, 0] - before) / self.duration
        effort = TASK["ctrl_cost_weight"] * (actions * actions).sum(1)
        return q, v, TASK["healthy_reward"] + forward - effort, self.ended(q, v)

    def ended(self, q, v):
        state = np.concatenate((q[:, self.unseen :], v), 1)
        healthy = np.isfinite(state).all(1)
        for values, (low, high) in (
            (state[:, 0], TASK["healthy_z_range"]),
            (state[:, 1], TASK["healthy_angle_range"]),
            (state[:, 1:].min(1), TASK["healthy_state_range"]),
            (state[:, 1:].max(1), TASK["healthy_state_range"]),
        ):
            healthy &= (low < values) & (values < high)
        return ~healthy if TASK["terminates"] else np.zeros(len(q), bool)
