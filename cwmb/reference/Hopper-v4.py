"""A planar one-legged hopper.

Contacts are left out: the next velocities are a linear response to the state and the action, fitted to transitions;
positions, reward and end of the episode follow from them.
"""

import numpy as np


class Environment:
    DT = 0.008
    JOINTS = 5  # observed positions: all but the one along the track
    MAX_SPEED = 10.0  # that is observed
    EFFORT_WEIGHT = 0.001
    HEALTHY_REWARD = 1.0
    MIN_HEIGHT, MAX_ANGLE, MAX_VALUE = 0.7, 0.2, 100.0
    # One row per velocity; columns: a constant, the observed positions, the velocities, the action.
    RESPONSE = """
        0.15 -0.15 -0.17 0.06 0.02 -0.01 1.03 -0.01 0 0 0 0.01 0.04 0.09 0.04
        1.01 -0.83 0.05 -0.05 0.08 0.07 0.03 1.00 -0.08 0.06 0.04 0 0.02 0.02 -0.04
        1.16 -1.13 -0.59 -0.45 -0.03 0.02 0.15 -0.08 0.89 0.09 0.07 0 0.77 0.36 0.02
        0.90 -0.88 -0.48 -0.60 0.07 0.06 0.08 -0.06 -0.06 1.03 0.05 -0.01 0.96 -0.09 -0.01
        0.87 -0.83 -0.23 -0.02 -0.17 -0.05 0.06 -0.05 -0.04 0.05 0.98 -0.01 -0.10 0.89 -0.10
        0.28 -0.20 1.14 -0.97 -0.75 -0.89 0.57 -0.12 -0.65 0.51 0.26 0.96 0 -0.09 1.27
    """

    def __init__(self):
        self.response = np.array([row.split() for row in self.RESPONSE.strip().splitlines()], dtype=float)
        self.positions = np.zeros(self.JOINTS)
        self.velocities = np.zeros(self.JOINTS + 1)

    def set_state(self, observation):
        self.positions = np.array(observation[: self.JOINTS], dtype=float)
        self.velocities = np.array(observation[self.JOINTS :], dtype=float)

    def step(self, action):
        features = np.concatenate(([1.0], self.positions, self.velocities, action))
        velocities = self.response @ features
        velocities = np.minimum(np.maximum(velocities, -self.MAX_SPEED), self.MAX_SPEED)
        mean = 0.5 * (self.velocities + velocities)
        self.velocities = velocities
        self.positions = self.positions + self.DT * mean[1:]
        reward = float(mean[0]) + self.HEALTHY_REWARD - self.EFFORT_WEIGHT * float(action @ action)
        height, angle, *others = self.positions.tolist()
        healthy = height > self.MIN_HEIGHT and abs(angle) < self.MAX_ANGLE
        done = not (healthy and max(map(abs, others)) < self.MAX_VALUE)
        return np.concatenate((self.positions, velocities)), reward, done
