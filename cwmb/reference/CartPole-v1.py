"""A pole hinged on a cart that is pushed to the left or to the right."""

import math

import numpy as np


class Environment:
    GRAVITY = 9.8
    CART_MASS = 1.0
    POLE_MASS = 0.1
    HALF_LENGTH = 0.5
    FORCE = 10.0
    DT = 0.02
    INTEGRATOR = "euler"  # or "semi-implicit": positions move with the new velocities
    ANGLE_LIMIT = 12 * 2 * math.pi / 360
    POSITION_LIMIT = 2.4
    REWARD = 1.0
    END_REWARD = 1.0

    def __init__(self):
        self.state = (0.0, 0.0, 0.0, 0.0)

    def set_state(self, observation):
        self.state = tuple(float(value) for value in observation)

    def step(self, action):
        x, x_dot, theta, theta_dot = self.state
        force = self.FORCE if action == 1 else -self.FORCE
        total_mass = self.CART_MASS + self.POLE_MASS
        pole_moment = self.POLE_MASS * self.HALF_LENGTH
        sine, cosine = math.sin(theta), math.cos(theta)
        push = (force + pole_moment * theta_dot**2 * sine) / total_mass
        lever = self.HALF_LENGTH * (4.0 / 3.0 - self.POLE_MASS * cosine**2 / total_mass)
        theta_acc = (self.GRAVITY * sine - cosine * push) / lever
        x_acc = push - pole_moment * theta_acc * cosine / total_mass
        old_speeds = x_dot, theta_dot
        x_dot = x_dot + self.DT * x_acc
        theta_dot = theta_dot + self.DT * theta_acc
        x_speed, theta_speed = old_speeds if self.INTEGRATOR == "euler" else (x_dot, theta_dot)
        x = x + self.DT * x_speed
        theta = theta + self.DT * theta_speed
        self.state = (x, x_dot, theta, theta_dot)
        done = abs(x) > self.POSITION_LIMIT or abs(theta) > self.ANGLE_LIMIT
        return np.array(self.state), self.END_REWARD if done else self.REWARD, done
