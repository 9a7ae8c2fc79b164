"""An arm of two links in the plane whose fingertip has to reach a target; MuJoCo's Runge-Kutta integration.

The fingertip is observed at the last stage of the integration; the reward looks at the state before the step.
"""

import math

import numpy as np


class Environment:
    MASS_1 = 1.0  # factor on the mass of the first link
    MASS_2 = 1.0  # factor on the mass of the second link
    LENGTH_1 = 1.0  # factor on the length of the first link
    LENGTH_2 = 1.0  # factor on the length of the second link
    ROTOR = 1.0  # inertia of each motor
    DAMPING = 1.0
    GEAR_1 = 200.0
    GEAR_2 = 200.0
    SCALE = 1.0  # of the reward
    LIMIT = 3.0  # of the elbow
    DT = 0.01
    SUBSTEPS = 2

    def __init__(self):
        self.state = (0.0, 0.0, 0.0, 0.0)
        self.target = (0.1, -0.1)
        self.offset = (0.0, 0.0, 0.0)
        link1, link2, tip = self.MASS_1 * 0.035604716741, self.MASS_2 * 0.035604716741, 0.004188790205
        self.length, second, self.reach = 0.1 * self.LENGTH_1, 0.1 * self.LENGTH_2, 0.11 * self.LENGTH_2
        self.moment2 = link2 * second / 2 + tip * self.reach
        self.inertia2 = self.capsule(0.01, second, link2) + link2 * second**2 / 4
        self.inertia2 += 0.000000167552 + tip * self.reach**2
        self.inertia1 = self.capsule(0.01, self.length, link1) + link1 * self.length**2 / 4
        self.inertia1 += (link2 + tip) * self.length**2
        m11, m12, m22 = self.inertia(1.0)
        self.limit_weight = m11 / (m11 * m22 - m12 * m12)  # inverse inertia of the elbow, at rest

    def capsule(self, radius, length, mass):
        """Moment of inertia of a capsule about its centre, across its axis; the length is without the caps."""
        caps = mass * 4 * radius / (4 * radius + 3 * length)
        shaft = (mass - caps) * (3 * radius**2 + length**2) / 12
        return shaft + caps * (2 * radius**2 / 5 + length**2 / 4 + 3 * length * radius / 8)

    def inertia(self, cosine):
        """The mass matrix for a cosine of the elbow's angle."""
        coupling = self.length * self.moment2 * cosine
        m22 = self.ROTOR + self.inertia2
        return self.ROTOR + self.inertia1 + self.inertia2 + 2 * coupling, self.inertia2 + coupling, m22

    def set_state(self, observation):
        o = [float(value) for value in observation]
        self.state = (math.atan2(o[2], o[0]), math.atan2(o[3], o[1]), o[6], o[7])
        self.target = (o[4], o[5])
        self.offset = (o[8], o[9], o[10])

    def stop(self, angle, speed, acceleration, compliance):
        """Torque of the elbow's soft stop."""
        depth = abs(angle) - self.LIMIT
        side = 1.0 if angle > 0.0 else -1.0
        reach = min(depth / 0.001, 1.0)
        blend = 2 * reach**2 if reach <= 0.5 else 1 - 2 * (1 - reach) ** 2
        impedance = 0.9 + 0.05 * blend
        time = max(0.02, 2 * self.DT)
        wanted = 2 / (0.95 * time) * side * speed + impedance / (0.95 * time) ** 2 * depth
        softness = (1 - impedance) / impedance * self.limit_weight
        return -side * max(0.0, (wanted + side * acceleration) / (compliance + softness))

    def accelerations(self, elbow, dot1, dot2, torque1, torque2, math=math):
        """Of one state or, with numpy for math, of arrays of them."""
        m11, m12, m22 = self.inertia(math.cos(elbow))
        swirl = self.length * self.moment2 * math.sin(elbow)
        determinant = m11 * m22 - m12 * m12
        f1 = torque1 - self.DAMPING * dot1 + swirl * (2 * dot1 + dot2) * dot2
        f2 = torque2 - self.DAMPING * dot2 - swirl * dot1**2
        acc2 = (m11 * f2 - m12 * f1) / determinant
        stopped = abs(elbow) > self.LIMIT
        if math is np:
            stopped = stopped.nonzero()[0].tolist()
            for i in stopped:
                f2[i] += self.stop(elbow.item(i), dot2.item(i), acc2.item(i), m11.item(i) / determinant.item(i))
        elif stopped:
            f2 += self.stop(elbow, dot2, acc2, m11 / determinant)
        if stopped:
            acc2 = (m11 * f2 - m12 * f1) / determinant
        return (m22 * f1 - m12 * f2) / determinant, acc2

    def substep(self, torque1, torque2):
        a, b, v, w = self.state
        h = self.DT
        p1, q1 = self.accelerations(b, v, w, torque1, torque2)
        v2, w2 = v + h / 2 * p1, w + h / 2 * q1
        p2, q2 = self.accelerations(b + h / 2 * w, v2, w2, torque1, torque2)
        v3, w3 = v + h / 2 * p2, w + h / 2 * q2
        p3, q3 = self.accelerations(b + h / 2 * w2, v3, w3, torque1, torque2)
        v4, w4 = v + h * p3, w + h * q3
        a4, b4 = a + h * v3, b + h * w3
        p4, q4 = self.accelerations(b4, v4, w4, torque1, torque2)
        a = a + h / 6 * (v + 2 * v2 + 2 * v3 + v4)
        b = b + h / 6 * (w + 2 * w2 + 2 * w3 + w4)
        v = v + h / 6 * (p1 + 2 * p2 + 2 * p3 + p4)
        w = w + h / 6 * (q1 + 2 * q2 + 2 * q3 + q4)
        self.state = (a, b, v, w)
        return a4, b4

    def step(self, action):
        distance = math.sqrt(sum(value**2 for value in self.offset))
        effort = float(action[0]) ** 2 + float(action[1]) ** 2
        reward = self.SCALE * (-distance - effort)
        torque1 = self.GEAR_1 * min(max(float(action[0]), -1.0), 1.0)
        torque2 = self.GEAR_2 * min(max(float(action[1]), -1.0), 1.0)
        for _ in range(self.SUBSTEPS):
            a, b = self.substep(torque1, torque2)
        tip_x = self.length * math.cos(a) + self.reach * math.cos(a + b)
        tip_y = self.length * math.sin(a) + self.reach * math.sin(a + b)
        self.offset = (tip_x - self.target[0], tip_y - self.target[1], 0.0)
        a, b, v, w = self.state
        angles = [math.cos(a), math.cos(b), math.sin(a), math.sin(b)]
        observation = np.array([*angles, *self.target, v, w, *self.offset])
        return observation, reward, False

    def step_many(self, observations, actions):
        """What set_state and step would say of each row: the same accelerations, of arrays."""
        h, count = self.DT, len(observations)
        torques = (np.minimum(np.maximum(actions, -1.0), 1.0) * (self.GEAR_1, self.GEAR_2)).T.copy()
        state, slopes, weights = np.empty((4, count)), np.zeros((4, 4, count)), np.array([1, 2, 2, 1]) * h / 6
        state[:2], state[2:] = np.arctan2(observations[:, 2:4], observations[:, :2]).T, observations[:, 6:8].T
        for _ in range(self.SUBSTEPS):
            for stage, ahead in enumerate((0.0, h / 2, h / 2, h)):
                now, slope = state + ahead * slopes[stage - 1], slopes[stage]
                slope[:2] = now[2:]
                slope[2], slope[3] = self.accelerations(*now[1:], *torques, np)
            state = state + (weights @ slopes.reshape(4, -1)).reshape(4, count)
        reach, angles = np.array([self.length, self.reach]), np.array([now[0], now[0] + now[1]])  # at the last stage
        after = observations.copy()  # the target stays where it is
        after[:, :2], after[:, 2:4], after[:, 6:8] = np.cos(state[:2]).T, np.sin(state[:2]).T, state[2:].T
        after[:, 8], after[:, 9] = reach @ np.cos(angles), reach @ np.sin(angles)
        after[:, 8:10] -= observations[:, 4:6]
        after[:, 10] = 0.0
        distance, effort = np.sqrt((observations[:, 8:] ** 2).sum(axis=1)), (actions * actions).sum(axis=1)
        return after, self.SCALE * (-distance - effort), np.zeros(count, dtype=bool)
