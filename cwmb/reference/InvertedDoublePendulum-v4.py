"""Two poles, one on top of the other, on a cart; MuJoCo's Runge-Kutta integration.

Reward and end of the episode are computed from the last stage of the integration, a little before its result.
"""

import math

import numpy as np


class Environment:
    GRAVITY = 9.81
    DRIFT = 1e-5  # gravity along the rail
    CART = 1.0  # factor on the mass of the cart
    POLE_1 = 1.0  # factor on the mass of the lower pole
    POLE_2 = 1.0  # factor on the mass of the upper pole
    LENGTH_1 = 1.0  # factor on the length of the lower pole
    LENGTH_2 = 1.0  # factor on the length of the upper pole
    DAMPING = 1.0  # factor on the damping of all joints
    GEAR = 500.0
    SCALE = 1.0  # of the reward
    RAIL, MARGIN = 1.0, 0.01  # half of its length; where its stops begin to act
    DT = 0.01
    SUBSTEPS = 5
    MAX_SPEED = 10.0  # that is observed

    def __init__(self):
        self.state = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        self.stop_force = 0.0
        self.cart = self.CART * 10.471975511966
        self.mass1, self.mass2 = self.POLE_1 * 4.198738581523, self.POLE_2 * 4.198738581523
        self.length1, self.length2 = 0.6 * self.LENGTH_1, 0.6 * self.LENGTH_2
        self.damping = 0.05 * self.DAMPING
        self.near = self.mass2 * self.length2 / 2
        self.far = self.mass1 * self.length1 / 2 + self.mass2 * self.length1
        self.link = self.near * self.length1
        self.turning1 = self.capsule(0.045, self.length1, self.mass1) + self.mass1 * self.length1**2 / 4
        self.turning1 += self.mass2 * self.length1**2
        self.turning2 = self.capsule(0.045, self.length2, self.mass2) + self.near * self.length2 / 2
        inertia = [
            [self.cart + self.mass1 + self.mass2, self.far, self.near],
            [self.far, self.turning1, self.link],
            [self.near, self.link, self.turning2],
        ]
        self.rail_weight = float(np.linalg.inv(inertia)[0, 0])  # inverse inertia along the rail, at rest

    def capsule(self, radius, length, mass):
        """Moment of inertia of a capsule about its centre, across its axis; the length is without the caps."""
        caps = mass * 4 * radius / (4 * radius + 3 * length)
        shaft = (mass - caps) * (3 * radius**2 + length**2) / 12
        return shaft + caps * (2 * radius**2 / 5 + length**2 / 4 + 3 * length * radius / 8)

    def set_state(self, observation):
        o = [float(value) for value in observation]
        self.state = (o[0], math.atan2(o[1], o[3]), math.atan2(o[2], o[4]), o[5], o[6], o[7])

    def stop(self, position, speed, acceleration, compliance):
        """Force of the soft stop at the end of the rail."""
        depth = abs(position) - self.RAIL + self.MARGIN
        side = 1.0 if position > 0.0 else -1.0
        reach = min(depth / 0.001, 1.0)
        blend = 2 * reach**2 if reach <= 0.5 else 1 - 2 * (1 - reach) ** 2
        impedance = 0.9 + 0.05 * blend
        time = max(0.02, 2 * self.DT)
        wanted = 2 / (0.95 * time) * side * speed + impedance / (0.95 * time) ** 2 * depth
        softness = (1 - impedance) / impedance * self.rail_weight
        return -side * max(0.0, (wanted + side * acceleration) / (compliance + softness))

    def accelerations(self, x, hinge1, hinge2, x_dot, dot1, dot2, force, math=math):
        """Of one state or, with numpy for math, of arrays of them."""
        angle2 = hinge1 + hinge2  # of the upper pole, from the vertical
        swing2 = dot1 + dot2
        near, far, link = self.near, self.far, self.link
        sin1, cos1 = math.sin(hinge1), math.cos(hinge1)
        sin2, cos2 = math.sin(angle2), math.cos(angle2)
        sin12 = sin1 * cos2 - cos1 * sin2
        m11 = self.cart + self.mass1 + self.mass2
        m12 = far * cos1
        m13 = near * cos2
        m22 = self.turning1
        m23 = link * (cos1 * cos2 + sin1 * sin2)
        m33 = self.turning2
        f1 = force - self.damping * x_dot + far * sin1 * dot1**2 + near * sin2 * swing2**2 + self.DRIFT * m11
        f2 = far * (self.GRAVITY * sin1 + self.DRIFT * cos1) - link * sin12 * swing2**2
        f2 += self.damping * (dot2 - dot1)
        f3 = near * (self.GRAVITY * sin2 + self.DRIFT * cos2) + link * sin12 * dot1**2 - self.damping * dot2
        c11 = m22 * m33 - m23 * m23
        c12 = m13 * m23 - m12 * m33
        c13 = m12 * m23 - m13 * m22
        determinant = m11 * c11 + m12 * c12 + m13 * c13
        x_acc = (c11 * f1 + c12 * f2 + c13 * f3) / determinant
        self.stop_force, stopped = 0.0, abs(x) > self.RAIL - self.MARGIN
        if math is np:
            self.stop_force, stopped = np.zeros(len(x)), stopped.nonzero()[0].tolist()
            for i in stopped:
                state = x.item(i), x_dot.item(i), x_acc.item(i)
                self.stop_force[i] = self.stop(*state, c11.item(i) / determinant.item(i))
        elif stopped:
            self.stop_force = self.stop(x, x_dot, x_acc, c11 / determinant)
        if stopped:
            f1 += self.stop_force
            x_acc = (c11 * f1 + c12 * f2 + c13 * f3) / determinant
        c22 = m11 * m33 - m13 * m13
        c23 = m12 * m13 - m11 * m23
        c33 = m11 * m22 - m12 * m12
        acc1 = (c12 * f1 + c22 * f2 + c23 * f3) / determinant
        acc2 = (c13 * f1 + c23 * f2 + c33 * f3) / determinant
        return x_acc, acc1, acc2 - acc1

    def substep(self, force):
        x, a, b, u, v, w = self.state
        h = self.DT
        p1, q1, r1 = self.accelerations(x, a, b, u, v, w, force)
        u2, v2, w2 = u + h / 2 * p1, v + h / 2 * q1, w + h / 2 * r1
        p2, q2, r2 = self.accelerations(x + h / 2 * u, a + h / 2 * v, b + h / 2 * w, u2, v2, w2, force)
        u3, v3, w3 = u + h / 2 * p2, v + h / 2 * q2, w + h / 2 * r2
        p3, q3, r3 = self.accelerations(x + h / 2 * u2, a + h / 2 * v2, b + h / 2 * w2, u3, v3, w3, force)
        u4, v4, w4 = u + h * p3, v + h * q3, w + h * r3
        x4, a4, b4 = x + h * u3, a + h * v3, b + h * w3
        p4, q4, r4 = self.accelerations(x4, a4, b4, u4, v4, w4, force)
        self.state = (
            x + h / 6 * (u + 2 * u2 + 2 * u3 + u4),
            a + h / 6 * (v + 2 * v2 + 2 * v3 + v4),
            b + h / 6 * (w + 2 * w2 + 2 * w3 + w4),
            u + h / 6 * (p1 + 2 * p2 + 2 * p3 + p4),
            v + h / 6 * (q1 + 2 * q2 + 2 * q3 + q4),
            w + h / 6 * (r1 + 2 * r2 + 2 * r3 + r4),
        )
        return x4, a4, b4

    def step(self, action):
        force = self.GEAR * min(max(float(action[0]), -1.0), 1.0)
        for _ in range(self.SUBSTEPS):
            x, hinge1, hinge2 = self.substep(force)
        tip_x = x + self.length1 * math.sin(hinge1) + self.length2 * math.sin(hinge1 + hinge2)
        tip_z = self.length1 * math.cos(hinge1) + self.length2 * math.cos(hinge1 + hinge2)
        x, hinge1, hinge2, x_dot, dot1, dot2 = self.state
        distance_penalty = 0.01 * tip_x**2 + (tip_z - 2) ** 2
        speed_penalty = 1e-3 * dot1**2 + 5e-3 * dot2**2
        reward = self.SCALE * (10.0 - distance_penalty - speed_penalty)
        observation = np.array(
            [
                x,
                math.sin(hinge1),
                math.sin(hinge2),
                math.cos(hinge1),
                math.cos(hinge2),
                min(max(x_dot, -self.MAX_SPEED), self.MAX_SPEED),
                min(max(dot1, -self.MAX_SPEED), self.MAX_SPEED),
                min(max(dot2, -self.MAX_SPEED), self.MAX_SPEED),
                min(max(self.stop_force, -10.0), 10.0),
                0.0,
                0.0,
            ]
        )
        return observation, reward, tip_z <= 1

    def step_many(self, observations, actions):
        """What set_state and step would say of each row: the same accelerations, of arrays."""
        h, count, kept = self.DT, len(observations), self.stop_force
        force = self.GEAR * np.minimum(np.maximum(actions[:, 0], -1.0), 1.0)
        state, slopes, weights = np.empty((6, count)), np.zeros((4, 6, count)), np.array([1, 2, 2, 1]) * h / 6
        state[0], state[3:] = observations[:, 0], observations[:, 5:8].T
        state[1:3] = np.arctan2(observations[:, 1:3], observations[:, 3:5]).T
        for _ in range(self.SUBSTEPS):
            for stage, ahead in enumerate((0.0, h / 2, h / 2, h)):
                now, slope = state + ahead * slopes[stage - 1], slopes[stage]
                slope[:3] = now[3:]
                slope[3], slope[4], slope[5] = self.accelerations(*now, force, np)
            state = state + (weights @ slopes.reshape(4, -1)).reshape(6, count)
        angles, lengths = np.array([now[1], now[1] + now[2]]), np.array([self.length1, self.length2])
        tip_x, tip_z = now[0] + lengths @ np.sin(angles), lengths @ np.cos(angles)  # at the last stage
        penalty = 0.01 * tip_x**2 + (tip_z - 2) ** 2 + 1e-3 * state[4] ** 2 + 5e-3 * state[5] ** 2
        after, hinges = np.zeros((count, 11)), state[1:3].T
        after[:, 0], after[:, 1:3], after[:, 3:5] = state[0], np.sin(hinges), np.cos(hinges)
        after[:, 5:8] = np.minimum(np.maximum(state[3:], -self.MAX_SPEED), self.MAX_SPEED).T
        after[:, 8] = np.minimum(np.maximum(self.stop_force, -10.0), 10.0)
        self.stop_force = kept
        return after, self.SCALE * (10.0 - penalty), tip_z <= 1
