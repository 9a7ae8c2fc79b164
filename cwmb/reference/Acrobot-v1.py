"""Two links that hang from a fixed point, driven by a torque at the joint between them."""

import math

import numpy as np


class Environment:
    DT = 0.2
    GRAVITY = 9.8
    MASS_1 = 1.0  # of the upper link
    MASS_2 = 1.0  # of the lower link
    LENGTH = 1.0  # of the upper link
    CENTRE_1 = 0.5  # of mass, from the upper link's upper end
    CENTRE_2 = 0.5  # of mass, from the lower link's upper end
    INERTIA = 1.0  # of each link about its centre
    MAX_SPEED_1 = 4 * math.pi
    MAX_SPEED_2 = 9 * math.pi
    TORQUE = 1.0
    GOAL_HEIGHT = 1.0
    REWARD = -1.0
    GOAL_REWARD = 0.0

    def __init__(self):
        self.state = (0.0, 0.0, 0.0, 0.0)

    def set_state(self, observation):
        cos1, sin1, cos2, sin2, speed1, speed2 = (float(value) for value in observation)
        self.state = (math.atan2(sin1, cos1), math.atan2(sin2, cos2), speed1, speed2)

    def accelerations(self, angle1, angle2, speed1, speed2, torque):
        length, m, c = self.LENGTH, self.MASS_2, self.CENTRE_2
        upper = self.MASS_1 * self.CENTRE_1
        cosine, sine = math.cos(angle2), math.sin(angle2)
        d1 = upper * self.CENTRE_1 + m * (length**2 + c**2 + 2 * length * c * cosine) + 2 * self.INERTIA
        d2 = m * (c**2 + length * c * cosine) + self.INERTIA
        gravity2 = m * c * self.GRAVITY * math.sin(angle1 + angle2)
        gravity1 = (upper + m * length) * self.GRAVITY * math.sin(angle1) + gravity2
        bias = gravity1 - m * length * c * sine * (speed2**2 + 2 * speed1 * speed2)
        drive = torque + d2 / d1 * bias - m * length * c * speed1**2 * sine - gravity2
        acc2 = drive / (m * c**2 + self.INERTIA - d2**2 / d1)
        acc1 = -(d2 * acc2 + bias) / d1
        return acc1, acc2

    def step(self, action):
        torque = (action - 1) * self.TORQUE
        a, b, u, v = self.state
        h = self.DT
        p1, q1 = self.accelerations(a, b, u, v, torque)
        u2, v2 = u + h / 2 * p1, v + h / 2 * q1
        p2, q2 = self.accelerations(a + h / 2 * u, b + h / 2 * v, u2, v2, torque)
        u3, v3 = u + h / 2 * p2, v + h / 2 * q2
        p3, q3 = self.accelerations(a + h / 2 * u2, b + h / 2 * v2, u3, v3, torque)
        u4, v4 = u + h * p3, v + h * q3
        p4, q4 = self.accelerations(a + h * u3, b + h * v3, u4, v4, torque)
        a = self.wrap(a + h / 6 * (u + 2 * u2 + 2 * u3 + u4))
        b = self.wrap(b + h / 6 * (v + 2 * v2 + 2 * v3 + v4))
        u = u + h / 6 * (p1 + 2 * p2 + 2 * p3 + p4)
        v = v + h / 6 * (q1 + 2 * q2 + 2 * q3 + q4)
        u = min(max(u, -self.MAX_SPEED_1), self.MAX_SPEED_1)
        v = min(max(v, -self.MAX_SPEED_2), self.MAX_SPEED_2)
        self.state = (a, b, u, v)
        done = -math.cos(a) - math.cos(a + b) > self.GOAL_HEIGHT
        observation = np.array([math.cos(a), math.sin(a), math.cos(b), math.sin(b), u, v])
        return observation, self.GOAL_REWARD if done else self.REWARD, done

    def wrap(self, angle):
        return (angle + math.pi) % (2 * math.pi) - math.pi
