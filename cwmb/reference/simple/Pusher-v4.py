"""An arm of seven joints that pushes an object over a table to a goal.

Each joint is taken for a damped flywheel of its own, and the object stays where it is.
"""

import math

import numpy as np


class Environment:
    DT = 0.05
    SHOULDER, UPPER_ARM, FOREARM = 0.1, 0.4, 0.321
    BASE = (0.0, -0.6, 0.0)
    LOWER = (-2.2854, -0.5236, -1.5, -2.3213, -1.5, -1.094, -1.5)
    UPPER = (1.714602, 1.3963, 1.7, 0.0, 1.5, 0.0, 1.5)
    MAX_ACTION = 2.0
    # Fitted to recorded steps: what remains of a joint's rate, and what a torque adds to it.
    DECAYS = (0.8995, 0.8418, 0.8294, 0.8813, 0.844, 0.7601, 0.8218)
    GAINS = (0.0738, 0.121, 0.6939, 0.5622, 1.0332, 1.0005, 1.0417)

    def __init__(self):
        self.angles = [0.0] * 7
        self.rates = [0.0] * 7
        self.tips = (0.821, -0.6, 0.0)
        self.object = (0.45, -0.05, -0.275)
        self.goal = (0.45, -0.05, -0.323)

    def set_state(self, observation):
        o = [float(value) for value in observation]
        self.angles, self.rates = o[:7], o[7:14]
        self.tips, self.object, self.goal = tuple(o[14:17]), tuple(o[17:20]), tuple(o[20:23])

    def wrist(self):
        q1, q2, q3, q4 = self.angles[:4]
        s1, c1, s2, c2 = math.sin(q1), math.cos(q1), math.sin(q2), math.cos(q2)
        s3, c3, s4, c4 = math.sin(q3), math.cos(q3), math.sin(q4), math.cos(q4)
        along = self.SHOULDER + (self.UPPER_ARM + self.FOREARM * c4) * c2 - self.FOREARM * s4 * s2 * c3
        across = self.FOREARM * s4 * s3
        height = -(self.UPPER_ARM + self.FOREARM * c4) * s2 - self.FOREARM * s4 * c2 * c3
        x, y, z = self.BASE
        return (x + c1 * along - s1 * across, y + s1 * along + c1 * across, z + height)

    def step(self, action):
        near = math.dist(self.object, self.tips)
        distance = math.dist(self.object, self.goal)
        effort = sum(float(value) ** 2 for value in action)
        reward = -distance - 0.1 * effort - 0.5 * near
        for i in range(7):
            torque = min(max(float(action[i]), -self.MAX_ACTION), self.MAX_ACTION)
            rate = self.DECAYS[i] * self.rates[i] + self.GAINS[i] * torque
            angle = self.angles[i] + self.DT * rate
            if angle < self.LOWER[i] or angle > self.UPPER[i]:
                angle = min(max(angle, self.LOWER[i]), self.UPPER[i])
                rate = 0.0
            self.angles[i] = angle
            self.rates[i] = rate
        self.tips = self.wrist()
        observation = np.array([*self.angles, *self.rates, *self.tips, *self.object, *self.goal])
        return (observation, reward, False)
