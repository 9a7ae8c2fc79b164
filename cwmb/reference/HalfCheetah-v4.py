"""A planar two-legged runner.

Contacts are left out: the next velocities are a linear response to the state and the action, fitted to transitions;
positions, reward and end of the episode follow from them.
"""

import numpy as np


class Environment:
    DT = 0.05
    JOINTS = 8  # observed positions: all but the one along the track
    MAX_SPEED = 30.0  # beyond what happens
    EFFORT_WEIGHT = 0.1
    # One row per velocity; columns: a constant, the observed positions, the velocities, the action.
    RESPONSE = """
        -0.01 -0.25 0 -1.00 0.12 -0.07 -0.65 0.12 0.12 0.83 0 0 -0.04 0.01 0 -0.03 0 0 0.52 -0.06 0.06 0.51 -0.01 -0.03
        -0.21 -1.11 -0.01 -0.13 0.77 -0.22 0.54 -0.36 -0.07 -0.01 0.68 0.02 0 0.02 0 0.02 0 0 0.01 -0.46 0.09 -0.34 0.22 0.05
        0.07 0.20 -0.13 0.79 2.47 -0.38 0.21 1.38 0.22 0.13 0.02 0.60 0.01 0.06 0 0.02 0.02 -0.01 -0.47 -1.29 0.14 -0.26 -0.75 -0.15
        -0.05 -0.93 -0.06 -13.17 2.56 1.70 -0.88 -0.56 -0.14 0.19 0.04 0.02 0.13 0.13 0.04 -0.06 -0.02 0 6.88 -1.10 -0.62 0.68 0.31 0.08
        0.26 -1.58 -0.19 3.81 -15.20 0.84 -1.31 -0.87 -0.42 0.20 -0.30 -0.17 0.14 -0.04 0.02 -0.05 -0.02 0 -1.56 7.94 -0.19 0.69 0.36 0.11
        -0.29 0.14 0.29 3.23 1.22 -15.95 0.17 -0.03 0.02 0.24 0.30 0.05 0.07 0.05 -0.07 -0.01 -0.01 0 -1.07 -0.17 8.09 0.05 0 -0.03
        0.21 -1.17 0.19 -1.27 -1.42 0.24 -10.39 3.69 1.58 0.18 -0.23 0.08 -0.07 -0.02 -0.01 0.18 0.12 0.01 0.68 0.55 -0.02 7.75 -1.45 -0.48
        -0.58 0.39 0.63 -1.54 -1.48 -0.10 5.35 -12.06 2.81 0.15 0.41 -0.30 -0.05 -0.03 0 0.14 0.04 0.01 0.68 0.62 0.07 -2.68 6.80 -0.95
        -0.47 0.43 0.48 -0.54 -0.74 -0.04 3.11 4.21 -12.96 0.27 0.20 -0.22 -0.01 -0.01 0 0 0.03 0.14 0.21 0.28 0.03 -1.52 -1.61 6.51
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
        reward = float(mean[0]) - self.EFFORT_WEIGHT * float(action @ action)
        done = False
        return np.concatenate((self.positions, velocities)), reward, done
