"""A humanoid that learns to walk.

Contacts are left out: each joint answers to its own motor, damping and spring; the torso goes on as it moves. The
inertias and velocities of the bodies that the observation also holds are taken to stay as they are.
"""

import math

import numpy as np


class Environment:
    DT = 0.015
    POSITIONS, VELOCITIES = 22, 23  # height, quaternion, 17 joints; torso, 17 joints
    FORCES, CONTACTS = 269, 292  # where the actuators' forces and the contact forces begin
    MAX_ACTION = 0.4
    FORWARD_WEIGHT, EFFORT_WEIGHT, HEALTHY_REWARD = 1.25, 0.1, 5.0
    MIN_HEIGHT, MAX_HEIGHT = 1.0, 2.0
    ORDER = (1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)  # action of each joint
    GEAR = (100, 100, 100, 100, 100, 300, 200, 100, 100, 300, 200, 25, 25, 25, 25, 25, 25)
    # Next velocity of the joints: what is kept of it, and what action, angle and a constant add.
    KEEP = (0.45, 0.51, 0.65, 0.57, 0.32, 0.44, 0.70, 0.58, 0.34, 0.47, 0.70, 0.88, 0.80, 0.76, 0.87, 0.81, 0.75)
    DRIVE = (8.8, 6.4, 4.2, 3.4, 11.4, 14.6, 13.8, 3.4, 10.9, 14.9, 14.9, 3.3, 3.7, 6.4, 3.2, 3.5, 6.5)
    SPRING = (-2.0, -0.4, -0.7, -2.6, -1.9, -1.4, -1.3, -2.6, -1.9, -1.5, -1.3, -0.6, -0.4, -0.5, -0.5, -0.5, -0.5)
    OFFSET = (0.0, -0.5, -0.0, -0.1, -0.1, -0.8, -2.2, -0.1, -0.1, -0.7, -2.3, 0.2, -0.2, -0.3, -0.2, 0.2, -0.3)
    TORSO_KEEP = (0.95, 1.02, 0.98, 0.95, 0.90, 0.87)

    def __init__(self):
        self.observation = np.zeros(376)
        self.order = list(self.ORDER)
        self.gear = np.array(self.GEAR, dtype=float)
        self.keep = np.array(self.TORSO_KEEP + self.KEEP)
        self.drive = np.array(self.DRIVE)
        self.spring = np.array(self.SPRING)
        self.offset = np.array(self.OFFSET)

    def set_state(self, observation):
        self.observation = np.array(observation, dtype=float)

    def turn(self, quaternion, rates):
        """The quaternion after DT of turning at the rates about the body's own axes."""
        w, x, y, z = quaternion
        p, q, r = rates
        speed = math.sqrt(p * p + q * q + r * r)
        if speed == 0.0:
            return w, x, y, z
        sine = math.sin(0.5 * self.DT * speed) / speed
        c, p, q, r = math.cos(0.5 * self.DT * speed), p * sine, q * sine, r * sine
        return (
            w * c - x * p - y * q - z * r,
            w * p + x * c + y * r - z * q,
            w * q + y * c + z * p - x * r,
            w * r + z * c + x * q - y * p,
        )

    def step(self, action):
        before = self.observation
        action = np.minimum(np.maximum(action, -self.MAX_ACTION), self.MAX_ACTION)[self.order]
        old = before[self.POSITIONS : self.POSITIONS + self.VELOCITIES]
        new = self.keep * old
        new[6:] += self.drive * action + self.spring * before[5 : self.POSITIONS] + self.offset
        mean = 0.5 * (old + new)
        after = before.copy()
        after[0] += self.DT * mean[2]
        after[1:5] = self.turn(before[1:5].tolist(), mean[3:6].tolist())
        after[5 : self.POSITIONS] += self.DT * mean[6:]
        after[self.POSITIONS : self.POSITIONS + self.VELOCITIES] = new
        after[self.FORCES + 6 : self.CONTACTS] = self.gear * action
        after[self.CONTACTS :] = 0.0
        self.observation = after
        effort = float(action @ action)
        reward = self.FORWARD_WEIGHT * float(mean[0]) + self.HEALTHY_REWARD - self.EFFORT_WEIGHT * effort
        done = not self.MIN_HEIGHT < after[0] < self.MAX_HEIGHT
        return after.copy(), reward, done
