"""An underpowered car in a valley that has to gain height by swinging."""

import math

import numpy as np


class Environment:
    LEFT = -1.2
    RIGHT = 0.6
    MAX_SPEED = 0.07
    GOAL = 0.5
    GOAL_VELOCITY = 0.0
    FORCE = 0.001
    GRAVITY = 0.0025
    REWARD = -1.0
    GOAL_REWARD = -1.0

    def __init__(self):
        self.position = 0.0
        self.velocity = 0.0

    def set_state(self, observation):
        self.position = float(observation[0])
        self.velocity = float(observation[1])

    def step(self, action):
        slope = math.cos(3 * self.position)
        velocity = self.velocity + (action - 1) * self.FORCE - self.GRAVITY * slope
        velocity = min(max(velocity, -self.MAX_SPEED), self.MAX_SPEED)
        position = min(max(self.position + velocity, self.LEFT), self.RIGHT)
        if position == self.LEFT and velocity < 0:
            velocity = 0.0
        self.position, self.velocity = position, velocity
        done = position >= self.GOAL and velocity >= self.GOAL_VELOCITY
        return np.array([position, velocity]), self.GOAL_REWARD if done else self.REWARD, done
