"""A rod on a pivot that a weak motor has to swing up; angle 0 is upright."""

import math

import numpy as np


class Environment:
    GRAVITY = 10.0
    MASS = 1.0
    LENGTH = 1.0
    DT = 0.05
    MAX_SPEED = 8.0
    MAX_TORQUE = 2.0
    ANGLE_WEIGHT = 1.0
    VELOCITY_WEIGHT = 0.1
    TORQUE_WEIGHT = 0.001

    def __init__(self):
        self.angle = 0.0
        self.speed = 0.0

    def set_state(self, observation):
        self.angle = math.atan2(observation[1], observation[0])
        self.speed = float(observation[2])

    def step(self, action):
        torque = min(max(float(action[0]), -self.MAX_TORQUE), self.MAX_TORQUE)
        error = (self.angle + math.pi) % (2 * math.pi) - math.pi
        cost = self.ANGLE_WEIGHT * error**2 + self.VELOCITY_WEIGHT * self.speed**2 + self.TORQUE_WEIGHT * torque**2
        pull = 3 * self.GRAVITY / (2 * self.LENGTH) * math.sin(self.angle)
        drive = 3.0 / (self.MASS * self.LENGTH**2) * torque
        self.speed = self.speed + (pull + drive) * self.DT
        self.speed = min(max(self.speed, -self.MAX_SPEED), self.MAX_SPEED)
        self.angle = self.angle + self.speed * self.DT
        observation = np.array([math.cos(self.angle), math.sin(self.angle), self.speed])
        return observation, -cost, False

    def step_many(self, observations, actions):
        """What set_state and step would say of each row; arctan2 gives the angle as the cost wants it."""
        cosine, sine, speed = observations.T
        angle = np.arctan2(sine, cosine)
        torque = np.minimum(np.maximum(actions[:, 0], -self.MAX_TORQUE), self.MAX_TORQUE)
        cost = self.ANGLE_WEIGHT * angle**2 + self.VELOCITY_WEIGHT * speed**2 + self.TORQUE_WEIGHT * torque**2
        pull = 3 * self.GRAVITY / (2 * self.LENGTH) * self.DT * np.sin(angle)
        drive = 3.0 / (self.MASS * self.LENGTH**2) * self.DT * torque
        speed = np.minimum(np.maximum(speed + pull + drive, -self.MAX_SPEED), self.MAX_SPEED)
        angle = angle + self.DT * speed
        after = np.array([np.cos(angle), np.sin(angle), speed]).T
        return after, -cost, np.zeros(len(cost), dtype=bool)
