"""A four-legged ant.

Contacts are left out: each joint answers to its own motor, damping and limits; the torso keeps part of its velocity.
"""

import math

import numpy as np


class Environment:
    DT = 0.05
    POSITIONS, VELOCITIES = 13, 14  # height, quaternion, 8 joints; torso, 8 joints
    ORDER = (2, 3, 4, 5, 6, 7, 0, 1)  # action of each joint
    EFFORT_WEIGHT, HEALTHY_REWARD = 0.5, 1.0
    MIN_HEIGHT, MAX_HEIGHT = 0.2, 1.0
    # Next velocity of the joints: what is kept of it, and what action and angle (from REST) add.
    KEEP = (0.47, 0.38, 0.47, 0.38, 0.47, 0.38, 0.47, 0.38)
    DRIVE = 3.75
    SPRING = (3.0, 5.15, 3.0, 5.15, 3.0, 5.15, 3.0, 5.15)
    REST = (0.0, 0.88, 0.0, -0.88, 0.0, -0.88, 0.0, 0.88)
    TORSO_KEEP = (0.84, 0.84, 0.62, 0.47, 0.47, 0.65)

    def __init__(self):
        self.order = list(self.ORDER)
        self.keep = np.array(self.TORSO_KEEP + self.KEEP)
        self.spring = np.array(self.SPRING)
        self.rest = np.array(self.REST)
        self.positions = np.zeros(self.POSITIONS)
        self.velocities = np.zeros(self.VELOCITIES)

    def set_state(self, observation):
        self.positions = np.array(observation[: self.POSITIONS], dtype=float)
        self.velocities = np.array(observation[self.POSITIONS :], dtype=float)

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
        velocities = self.keep * self.velocities
        velocities[6:] += self.DRIVE * action[self.order] - self.spring * (self.positions[5:] - self.rest)
        mean = 0.5 * (self.velocities + velocities)
        positions = self.positions.copy()
        positions[0] += self.DT * mean[2]
        positions[1:5] = self.turn(self.positions[1:5].tolist(), mean[3:6].tolist())
        positions[5:] += self.DT * mean[6:]
        self.positions, self.velocities = positions, velocities
        reward = float(mean[0]) + self.HEALTHY_REWARD - self.EFFORT_WEIGHT * float(action @ action)
        done = not self.MIN_HEIGHT <= positions[0] <= self.MAX_HEIGHT
        return np.concatenate((positions, velocities)), reward, done
