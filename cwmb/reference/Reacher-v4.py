"""An arm of two links in the plane whose fingertip has to reach a target; MuJoCo's Runge-Kutta integration.

The fingertip is observed at the last stage of the integration; the reward looks at the state before the step.
"""

import math

import numpy as np


class Environment:
    LINK_MASS, LINK_INERTIA = 0.035604716741, 0.000039175660
    TIP_MASS, TIP_INERTIA = 0.004188790205, 0.000000167552
    LENGTH, CENTRE, REACH = 0.1, 0.05, 0.11
    ROTOR = 1.0  # inertia of each motor
    DAMPING = 1.0
    GEAR = 200.0
    LIMIT = 3.0  # of the elbow
    LIMIT_WEIGHT = 0.999821154960  # inverse inertia of the elbow, at rest
    DT, SUBSTEPS = 0.01, 2

    def __init__(self):
        self.state = (0.0, 0.0, 0.0, 0.0)
        self.target = (0.1, -0.1)
        self.offset = (0.0, 0.0, 0.0)
        self.m2 = self.LINK_MASS + self.TIP_MASS
        self.moment2 = self.LINK_MASS * self.CENTRE + self.TIP_MASS * self.REACH
        self.inertia2 = self.LINK_INERTIA + self.LINK_MASS * self.CENTRE**2
        self.inertia2 += self.TIP_INERTIA + self.TIP_MASS * self.REACH**2
        self.inertia1 = self.LINK_INERTIA + self.LINK_MASS * self.CENTRE**2 + self.m2 * self.LENGTH**2

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
        softness = (1 - impedance) / impedance * self.LIMIT_WEIGHT
        return -side * max(0.0, (wanted + side * acceleration) / (compliance + softness))

    def accelerations(self, elbow, dot1, dot2, torque1, torque2):
        coupling = self.LENGTH * self.moment2 * math.cos(elbow)
        swirl = self.LENGTH * self.moment2 * math.sin(elbow)
        m11 = self.ROTOR + self.inertia1 + self.inertia2 + 2 * coupling
        m12 = self.inertia2 + coupling
        m22 = self.ROTOR + self.inertia2
        determinant = m11 * m22 - m12 * m12
        f1 = torque1 - self.DAMPING * dot1 + swirl * (2 * dot1 + dot2) * dot2
        f2 = torque2 - self.DAMPING * dot2 - swirl * dot1**2
        acc2 = (m11 * f2 - m12 * f1) / determinant
        if abs(elbow) > self.LIMIT:
            f2 += self.stop(elbow, dot2, acc2, m11 / determinant)
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
        reward = -distance - effort
        torque1 = self.GEAR * min(max(float(action[0]), -1.0), 1.0)
        torque2 = self.GEAR * min(max(float(action[1]), -1.0), 1.0)
        for _ in range(self.SUBSTEPS):
            a, b = self.substep(torque1, torque2)
        tip_x = self.LENGTH * math.cos(a) + self.REACH * math.cos(a + b)
        tip_y = self.LENGTH * math.sin(a) + self.REACH * math.sin(a + b)
        self.offset = (tip_x - self.target[0], tip_y - self.target[1], 0.0)
        a, b, v, w = self.state
        angles = [math.cos(a), math.cos(b), math.sin(a), math.sin(b)]
        observation = np.array([*angles, *self.target, v, w, *self.offset])
        return observation, reward, False
