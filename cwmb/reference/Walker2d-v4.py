"""A planar two-legged walker.

Contacts are left out: the next velocities are a linear response to the state and the action, fitted to transitions;
positions, reward and end of the episode follow from them.
"""

import numpy as np


class Environment:
    DT = 0.008
    JOINTS = 8  # observed positions: all but the one along the track
    MAX_SPEED = 10.0  # that is observed
    EFFORT_WEIGHT = 0.001
    HEALTHY_REWARD = 1.0
    MIN_HEIGHT, MAX_HEIGHT, MAX_ANGLE = 0.8, 2.0, 1.0
    # One row per velocity; columns: a constant, the observed positions, the velocities, the action.
    RESPONSE = """
        -0.36 0.16 -0.11 0.04 0.03 0 -0.12 -0.02 -0.01 0.96 -0.08 0.02 -0.01 0 0 -0.01 0 0 0.14 0.13 0.02 0.14 0.13 0.02
        0.79 -0.68 -0.29 0.05 0.05 0.06 0.27 0.13 0.04 0.21 1.10 -0.02 0 -0.01 0 0 -0.01 0 0.19 0.06 -0.14 0.19 0.05 -0.12
        2.46 -2.83 0.55 -0.43 0.11 0.06 -0.86 -0.03 0 -0.10 0.05 0.95 -0.06 0.01 0 -0.03 0.02 0.01 2.01 0.01 -0.03 2.00 0.01 -0.05
        3.17 -3.24 -0.09 -0.36 0.59 -0.03 -0.48 -0.03 0.02 -0.24 0.06 0.20 0.74 -0.02 0 -0.09 0 0 3.06 -1.29 0.12 2.46 -0.27 -0.10
        -2.51 1.64 -0.52 0.55 -0.51 0.25 0.12 0.21 0.03 0.19 0.12 -0.03 0.04 0.85 0.02 0 -0.01 0 -1.48 2.74 -0.64 -0.39 0.34 -0.03
        9.18 -6.62 1.51 -0.89 0.18 -3.77 -0.35 -0.32 0.19 0.39 0.23 -0.04 -0.07 -0.03 0.80 0.04 -0.03 0.01 0.03 -0.42 5.21 -0.01 -0.05 0.32
        3.41 -3.44 -0.13 -0.17 0.08 0.02 -0.62 0.51 -0.03 -0.27 0.05 0.21 -0.11 -0.01 0 0.75 -0.01 0 2.46 -0.31 0.02 3.07 -1.27 0.07
        -2.90 1.97 0.13 -0.04 0.14 0.05 0.10 -0.80 0.26 0.10 0.12 0 0.01 0 0 0.02 0.83 0.02 -0.41 0.30 -0.07 -1.56 2.74 -0.69
        10.20 -7.53 1.26 0.07 -0.16 0.20 -1.04 0.14 -3.84 0.30 0.30 -0.05 0.06 -0.02 0.03 -0.08 -0.04 0.80 -0.06 0.08 0.29 0.10 -0.41 5.18
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
        height, angle = self.positions[:2].tolist()
        done = not (self.MIN_HEIGHT < height < self.MAX_HEIGHT and abs(angle) < self.MAX_ANGLE)
        return np.concatenate((self.positions, velocities)), reward, done
