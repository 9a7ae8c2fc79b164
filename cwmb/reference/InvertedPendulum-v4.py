"""A pole hinged on a cart that runs on a rail of limited length; MuJoCo's Runge-Kutta integration."""

import math

import numpy as np


class Environment:
    GRAVITY = 9.81
    CART = 1.0  # factor on the mass of the cart
    POLE = 1.0  # factor on the mass of the pole
    LENGTH = 1.0  # factor on the length of the pole
    DAMPING = 1.0
    GEAR = 100.0
    REWARD = 1.0
    MAX_ACTION = 3.0
    ANGLE_LIMIT = 0.2
    RAIL = 1.0  # half of its length
    DT = 0.02
    SUBSTEPS = 2

    def __init__(self):
        self.state = (0.0, 0.0, 0.0, 0.0)
        self.cart = self.CART * 10.471975511966
        self.pole = self.POLE * 5.018591641363
        self.centre = self.LENGTH * math.hypot(0.0005, 0.3)  # of the pole's mass, from the hinge
        self.lean = math.atan2(0.0005, 0.3)
        self.inertia = self.capsule(0.049, 2 * self.centre, self.pole)
        moment = self.pole * self.centre
        turning = self.inertia + moment * self.centre
        along = moment * math.cos(self.lean)
        # Inverse inertia along the rail, at rest.
        self.rail_weight = turning / ((self.cart + self.pole) * turning - along**2)

    def capsule(self, radius, length, mass):
        """Moment of inertia of a capsule about its centre, across its axis; the length is without the caps."""
        caps = mass * 4 * radius / (4 * radius + 3 * length)
        shaft = (mass - caps) * (3 * radius**2 + length**2) / 12
        return shaft + caps * (2 * radius**2 / 5 + length**2 / 4 + 3 * length * radius / 8)

    def set_state(self, observation):
        self.state = tuple(float(value) for value in observation)

    def buffer(self, position, speed, acceleration, compliance):
        """Force of the soft stop at the end of the rail, which is pressed in by |position| - RAIL."""
        depth = abs(position) - self.RAIL
        if depth <= 0.0:
            return 0.0
        side = 1.0 if position > 0.0 else -1.0
        reach = min(depth / 0.001, 1.0)
        blend = 2 * reach**2 if reach <= 0.5 else 1 - 2 * (1 - reach) ** 2
        impedance = 0.9 + 0.05 * blend
        time = max(0.02, 2 * self.DT)
        wanted = 2 / (0.95 * time) * side * speed + impedance / (0.95 * time) ** 2 * depth
        softness = (1 - impedance) / impedance * self.rail_weight
        return -side * max(0.0, (wanted + side * acceleration) / (compliance + softness))

    def accelerations(self, x, angle, x_dot, angle_dot, force, math=math):
        """Of one state or, with numpy for math, of arrays of them."""
        lean = angle + self.lean
        moment = self.pole * self.centre
        sine, cosine = math.sin(lean), math.cos(lean)
        m11 = self.cart + self.pole
        m12 = moment * cosine
        m22 = self.inertia + moment * self.centre
        determinant = m11 * m22 - m12 * m12
        push = force - self.DAMPING * x_dot + moment * sine * angle_dot**2
        turn = moment * self.GRAVITY * sine - self.DAMPING * angle_dot
        x_acc = (m22 * push - m12 * turn) / determinant
        stopped = abs(x) > self.RAIL
        if math is np:
            stopped = stopped.nonzero()[0].tolist()
            for i in stopped:
                push[i] += self.buffer(x.item(i), x_dot.item(i), x_acc.item(i), m22 / determinant.item(i))
        elif stopped:
            push += self.buffer(x, x_dot, x_acc, m22 / determinant)
        if stopped:
            x_acc = (m22 * push - m12 * turn) / determinant
        return x_acc, (m11 * turn - m12 * push) / determinant

    def substep(self, force):
        x, a, u, w = self.state
        h = self.DT
        p1, q1 = self.accelerations(x, a, u, w, force)
        u2, w2 = u + h / 2 * p1, w + h / 2 * q1
        p2, q2 = self.accelerations(x + h / 2 * u, a + h / 2 * w, u2, w2, force)
        u3, w3 = u + h / 2 * p2, w + h / 2 * q2
        p3, q3 = self.accelerations(x + h / 2 * u2, a + h / 2 * w2, u3, w3, force)
        u4, w4 = u + h * p3, w + h * q3
        p4, q4 = self.accelerations(x + h * u3, a + h * w3, u4, w4, force)
        x = x + h / 6 * (u + 2 * u2 + 2 * u3 + u4)
        a = a + h / 6 * (w + 2 * w2 + 2 * w3 + w4)
        u = u + h / 6 * (p1 + 2 * p2 + 2 * p3 + p4)
        w = w + h / 6 * (q1 + 2 * q2 + 2 * q3 + q4)
        self.state = (x, a, u, w)

    def step(self, action):
        force = self.GEAR * min(max(float(action[0]), -self.MAX_ACTION), self.MAX_ACTION)
        for _ in range(self.SUBSTEPS):
            self.substep(force)
        done = not abs(self.state[1]) <= self.ANGLE_LIMIT
        return np.array(self.state), self.REWARD, done

    def step_many(self, observations, actions):
        """What set_state and step would say of each row: the same accelerations, of arrays."""
        h, count = self.DT, len(observations)
        force = self.GEAR * np.minimum(np.maximum(actions[:, 0], -self.MAX_ACTION), self.MAX_ACTION)
        state, slopes, weights = observations.T.copy(), np.zeros((4, 4, count)), np.array([1, 2, 2, 1]) * h / 6
        for _ in range(self.SUBSTEPS):
            for stage, ahead in enumerate((0.0, h / 2, h / 2, h)):
                now, slope = state + ahead * slopes[stage - 1], slopes[stage]
                slope[:2] = now[2:]
                slope[2], slope[3] = self.accelerations(*now, force, np)
            state = state + (weights @ slopes.reshape(4, -1)).reshape(4, count)
        return state.T, np.full(count, float(self.REWARD)), ~(np.abs(state[1]) <= self.ANGLE_LIMIT)
