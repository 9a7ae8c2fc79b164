"""Three rods in a row that swim in a viscous fluid, in the plane; MuJoCo's Runge-Kutta integration.

The equations of motion are written in the absolute angles of the rods. The translation is eliminated from them: what
remains is a system of three equations for the rods' rotation.
"""

import math

import numpy as np


class Environment:
    # Factors on the masses of the rods, and on their lengths.
    MASS_1 = 1.0
    MASS_2 = 1.0
    MASS_3 = 1.0
    LENGTH_1 = 1.0
    LENGTH_2 = 1.0
    LENGTH_3 = 1.0
    ROTOR = 1.0  # factor on the added inertia of every coordinate
    GEAR_1 = 150.0
    GEAR_2 = 150.0
    LIMIT = math.radians(100)  # of both joints
    DENSITY = 4000.0
    VISCOSITY = 0.1
    DT = 0.01
    SUBSTEPS = 4
    FORWARD_WEIGHT = 1.0
    EFFORT_WEIGHT = 1e-4

    def __init__(self):
        self.state = (0.0,) * 10
        masses = [35.604716740684 * factor for factor in (self.MASS_1, self.MASS_2, self.MASS_3)]
        lengths = (self.LENGTH_1, self.LENGTH_2, self.LENGTH_3)  # without the caps
        self.rotor = 0.1 * self.ROTOR
        self.total = sum(masses) + self.rotor
        inertias = [self.inertia(0.1, length, mass) for length, mass in zip(lengths, masses)]
        self.across = [across for _, across in inertias]
        self.drags = [self.drag_of(mass, *inertia) for mass, inertia in zip(masses, inertias)]
        # Rod i's centre lies at the origin plus the sum over k of arms[i][k] times rod k's direction.
        one, two, three = lengths
        self.arms = ((one, 0.0, 0.0), (0.5 * one, -0.5 * two, 0.0), (0.5 * one, -two, -0.5 * three))
        rods = list(zip(masses, self.arms))
        self.moments = [sum(mass * arm[k] for mass, arm in rods) for k in range(3)]
        self.couplings = [
            [
                sum(mass * arm[k] * arm[j] for mass, arm in rods) - self.moments[k] * self.moments[j] / self.total
                for j in range(3)
            ]
            for k in range(3)
        ]
        inverse = self.inverse_inertia(*[self.couplings[i][j] for i, j in ((0, 1), (0, 2), (1, 2))])
        self.limit_weights = self.response(*inverse)[::2]  # inverse inertias of the joints, at rest

    def inertia(self, radius, length, mass):
        """Moments of inertia of a capsule about its centre, along its axis and across; the length is without caps."""
        caps = mass * 4 * radius / (4 * radius + 3 * length)
        along = (mass - caps) * radius**2 / 2 + caps * 2 * radius**2 / 5
        shaft = (mass - caps) * (3 * radius**2 + length**2) / 12
        return along, shaft + caps * (2 * radius**2 / 5 + length**2 / 4 + 3 * length * radius / 8)

    def drag_of(self, mass, along, across):
        """Coefficients of the fluid's drag on a rod, as on a box with its inertia."""
        width2, length2 = 6 * along / mass, 6 * (2 * across - along) / mass
        width, length = math.sqrt(width2), math.sqrt(length2)
        diameter = (2 * width + length) / 3
        linear, spin = 3 * math.pi * diameter * self.VISCOSITY, math.pi * diameter**3 * self.VISCOSITY
        axial, lateral = 0.5 * self.DENSITY * width2, 0.5 * self.DENSITY * width * length
        return linear, axial, lateral, spin, self.DENSITY * width * (width2**2 + length2**2) / 64

    def inverse_inertia(self, m12, m13, m23):
        """The inverse inertia of the rods' rotation (11, 12, 13, 22, 23, 33), the translation eliminated."""
        m11 = self.couplings[0][0] + self.across[0] + 2 * self.rotor
        m22 = self.couplings[1][1] + self.across[1] + 2 * self.rotor
        m33 = self.couplings[2][2] + self.across[2] + self.rotor
        m12, m23 = m12 - self.rotor, m23 - self.rotor
        c11, c12, c13 = m22 * m33 - m23 * m23, m13 * m23 - m12 * m33, m12 * m23 - m13 * m22
        c22, c23, c33 = m11 * m33 - m13 * m13, m12 * m13 - m11 * m23, m11 * m22 - m12 * m12
        scale = 1.0 / (m11 * c11 + m12 * c12 + m13 * c13)
        return scale * c11, scale * c12, scale * c13, scale * c22, scale * c23, scale * c33

    def response(self, c11, c12, c13, c22, c23, c33):
        """The joints' response to torques at the joints: [b - a, c - b] = (11, 12, 22) [first, second]."""
        return c11 + c22 - 2 * c12, c12 + c23 - c13 - c22, c22 + c33 - 2 * c23

    def set_state(self, observation):
        a, p, q, vx, vy, w, u, v = (float(value) for value in observation)
        self.state = (0.0, 0.0, a, a + p, a + p + q, vx, vy, w, w + u, w + u + v)

    def drag(self, rod, vx, vy, spin, cosine, sine):
        """Force (x, y) and torque of the fluid on a rod that moves with (vx, vy) and turns."""
        linear, along, across, turning, turning2 = self.drags[rod]
        axial = vx * cosine + vy * sine
        lateral = vy * cosine - vx * sine
        axial *= -linear - along * abs(axial)
        lateral *= -linear - across * abs(lateral)
        torque = -spin * (turning + turning2 * abs(spin))
        return axial * cosine - lateral * sine, axial * sine + lateral * cosine, torque

    def stop(self, angle, speed, weight):
        """Side, wanted acceleration and softness of a joint's soft stop, None where it does not act."""
        depth = abs(angle) - self.LIMIT
        if depth <= 0.0:
            return None
        side = 1.0 if angle > 0.0 else -1.0
        reach = min(depth / 0.001, 1.0)
        blend = 2 * reach**2 if reach <= 0.5 else 1 - 2 * (1 - reach) ** 2
        impedance = 0.9 + 0.05 * blend
        time = max(0.02, 2 * self.DT)
        wanted = 2 / (0.95 * time) * side * speed + impedance / (0.95 * time) ** 2 * depth
        return side, wanted, (1 - impedance) / impedance * weight

    def accelerations(self, state, torque1, torque2, math=math):
        """Of one state or, with numpy for math, of arrays of them."""
        _, _, a, b, c, vx, vy, wa, wb, wc = state
        cos_a, sin_a, cos_b, sin_b = math.cos(a), math.sin(a), math.cos(b), math.sin(b)
        cos_c, sin_c = math.cos(c), math.sin(c)
        # Velocities of the rods' centres.
        (a1, _, _), (b1, b2, _), (_, c2, c3) = self.arms
        ax, ay = vx - a1 * wa * sin_a, vy + a1 * wa * cos_a
        jx, jy = vx - b1 * wa * sin_a, vy + b1 * wa * cos_a
        bx, by = jx - b2 * wb * sin_b, jy + b2 * wb * cos_b
        cx, cy = jx - c2 * wb * sin_b - c3 * wc * sin_c, jy + c2 * wb * cos_b + c3 * wc * cos_c
        fax, fay, ta = self.drag(0, ax, ay, wa, cos_a, sin_a)
        fbx, fby, tb = self.drag(1, bx, by, wb, cos_b, sin_b)
        fcx, fcy, tc = self.drag(2, cx, cy, wc, cos_c, sin_c)
        # Sum of all forces, centrifugal ones included, and what is left for the rotations.
        ma, mb, mc = self.moments
        wa2, wb2, wc2 = wa * wa, wb * wb, wc * wc
        fx, fy = fax + fbx + fcx, fay + fby + fcy
        mean_x, mean_y = fx / self.total, fy / self.total
        ga = (a1 * fay + b1 * (fby + fcy) - ma * mean_y) * cos_a - (a1 * fax + b1 * (fbx + fcx) - ma * mean_x) * sin_a
        gb = (b2 * fby + c2 * fcy - mb * mean_y) * cos_b - (b2 * fbx + c2 * fcx - mb * mean_x) * sin_b
        gc = (c3 * fcy - mc * mean_y) * cos_c - (c3 * fcx - mc * mean_x) * sin_c
        (_, hab, hac), (_, _, hbc), _ = self.couplings
        sin_ab, cos_ab = sin_a * cos_b - cos_a * sin_b, cos_a * cos_b + sin_a * sin_b
        sin_ac, cos_ac = sin_a * cos_c - cos_a * sin_c, cos_a * cos_c + sin_a * sin_c
        sin_bc, cos_bc = sin_b * cos_c - cos_b * sin_c, cos_b * cos_c + sin_b * sin_c
        ga += ta - torque1 - hab * wb2 * sin_ab - hac * wc2 * sin_ac
        gb += tb + torque1 - torque2 + hab * wa2 * sin_ab - hbc * wc2 * sin_bc
        gc += tc + torque2 + hac * wa2 * sin_ac + hbc * wb2 * sin_bc
        c11, c12, c13, c22, c23, c33 = inverse = self.inverse_inertia(hab * cos_ab, hac * cos_ac, hbc * cos_bc)
        acc_a = c11 * ga + c12 * gb + c13 * gc
        acc_b = c12 * ga + c22 * gb + c23 * gc
        acc_c = c13 * ga + c23 * gb + c33 * gc
        if math is np:
            joints = np.array([b - a, c - b]), np.array([wb - wa, wc - wb]), np.array([acc_b - acc_a, acc_c - acc_b])
            first, second = self.many_stop_torques(*joints, self.response(*inverse))
        elif abs(b - a) > self.LIMIT or abs(c - b) > self.LIMIT:
            stop1 = self.stop(b - a, wb - wa, self.limit_weights[0])
            stop2 = self.stop(c - b, wc - wb, self.limit_weights[1])
            response = self.response(*inverse)
            first, second = self.stop_torques(stop1, stop2, acc_b - acc_a, acc_c - acc_b, response)
        else:
            first = second = None
        if first is not None:
            acc_a += -c11 * first + c12 * (first - second) + c13 * second
            acc_b += -c12 * first + c22 * (first - second) + c23 * second
            acc_c += -c13 * first + c23 * (first - second) + c33 * second
        fx += ma * (wa2 * cos_a + acc_a * sin_a) + mb * (wb2 * cos_b + acc_b * sin_b)
        fx += mc * (wc2 * cos_c + acc_c * sin_c)
        fy += ma * (wa2 * sin_a - acc_a * cos_a) + mb * (wb2 * sin_b - acc_b * cos_b)
        fy += mc * (wc2 * sin_c - acc_c * cos_c)
        return fx / self.total, fy / self.total, acc_a, acc_b, acc_c

    def stop_torques(self, stop1, stop2, acc1, acc2, response):
        r11, r12, r22 = response
        if stop1:
            side1, wanted1, softness1 = stop1
            want1, r11 = -side1 * wanted1 - acc1, r11 + softness1
        if stop2:
            side2, wanted2, softness2 = stop2
            want2, r22 = -side2 * wanted2 - acc2, r22 + softness2
        if stop1 and stop2:
            determinant = r11 * r22 - r12 * r12
            first = (r22 * want1 - r12 * want2) / determinant
            second = (r11 * want2 - r12 * want1) / determinant
            if first * side1 <= 0.0 and second * side2 <= 0.0:
                return first, second
            alone1, alone2 = want1 / r11, want2 / r22
            if alone1 * side1 < 0.0 and (want2 - r12 * alone1) * side2 >= 0.0:
                return alone1, 0.0
            if alone2 * side2 < 0.0 and (want1 - r12 * alone2) * side1 >= 0.0:
                return 0.0, alone2
            return 0.0, 0.0
        if stop1:
            return (want1 / r11 if want1 * side1 < 0.0 else 0.0), 0.0
        return 0.0, (want2 / r22 if want2 * side2 < 0.0 else 0.0)

    def substep(self, torque1, torque2):
        s1, h = self.state, self.DT
        a1 = self.accelerations(s1, torque1, torque2)
        s2 = self.advance(s1, s1[5:], a1, h / 2)
        a2 = self.accelerations(s2, torque1, torque2)
        s3 = self.advance(s1, s2[5:], a2, h / 2)
        a3 = self.accelerations(s3, torque1, torque2)
        s4 = self.advance(s1, s3[5:], a3, h)
        a4 = self.accelerations(s4, torque1, torque2)
        slopes = zip(s1[5:] + a1, s2[5:] + a2, s3[5:] + a3, s4[5:] + a4, strict=True)
        means = [(k1 + 2 * (k2 + k3) + k4) / 6 for k1, k2, k3, k4 in slopes]
        self.state = self.advance(s1, means[:5], means[5:], h)

    def advance(self, state, velocities, accelerations, time):
        x, y, a, b, c, vx, vy, wa, wb, wc = state
        dx, dy, da, db, dc = velocities
        ex, ey, ea, eb, ec = accelerations
        return (
            x + time * dx,
            y + time * dy,
            a + time * da,
            b + time * db,
            c + time * dc,
            vx + time * ex,
            vy + time * ey,
            wa + time * ea,
            wb + time * eb,
            wc + time * ec,
        )

    def step(self, action):
        first, second = min(max(float(action[0]), -1.0), 1.0), min(max(float(action[1]), -1.0), 1.0)
        before = self.state[0]
        for _ in range(self.SUBSTEPS):
            self.substep(self.GEAR_1 * first, self.GEAR_2 * second)
        x, _, a, b, c, vx, vy, wa, wb, wc = self.state
        effort = float(action[0]) ** 2 + float(action[1]) ** 2
        speed = (x - before) / (self.DT * self.SUBSTEPS)
        reward = self.FORWARD_WEIGHT * speed - self.EFFORT_WEIGHT * effort
        return np.array([a, b - a, c - b, vx, vy, wa, wb - wa, wc - wb]), reward, False

    def many_stop_torques(self, angles, speeds, accelerations, response):
        """The same of arrays [2, K], None where no stop acts: both stops push, or one alone does, or none."""
        depth, side, time = np.abs(angles) - self.LIMIT, np.copysign(1.0, angles), max(0.02, 2 * self.DT)
        if not (depth > 0.0).any():
            return None, None
        reach = np.minimum(np.maximum(depth, 0.0) / 0.001, 1.0)
        impedance = 0.9 + 0.1 * reach**2 - 0.2 * np.maximum(reach - 0.5, 0.0) ** 2
        wanted = impedance / (0.95 * time) ** 2 * depth + side * (2 / (0.95 * time) * speeds + accelerations)
        wanted[depth <= 0.0] = -1e30  # a joint within its limits never pushes
        r11, r12, r22 = response
        own = np.array([r11, r22]) + (1 / impedance - 1) * np.array(self.limit_weights)[:, None]
        joined, other = r12 * side[0] * side[1], wanted[::-1]
        both = (own[::-1] * wanted - joined * other) / (own[0] * own[1] - joined * joined)
        alone = np.maximum(wanted, 0.0) / own
        alone *= other <= joined * alone
        return -side * np.where((both >= 0.0).all(axis=0), both, alone)

    def step_many(self, observations, actions):
        """What set_state and step would say of each row."""
        h, count = self.DT, len(observations)
        torques = (np.minimum(np.maximum(actions, -1.0), 1.0) * (self.GEAR_1, self.GEAR_2)).T.copy()
        state, slopes, weights = np.zeros((10, count)), np.zeros((4, 10, count)), np.array([1, 2, 2, 1]) * h / 6
        state[2:5], state[7:] = np.cumsum(observations[:, :3], 1).T, np.cumsum(observations[:, 5:], 1).T
        state[5:7] = observations[:, 3:5].T
        for _ in range(self.SUBSTEPS):
            for stage, ahead in enumerate((0.0, h / 2, h / 2, h)):
                now, slope = state + ahead * slopes[stage - 1], slopes[stage]
                slope[:5] = now[5:]
                slope[5:] = self.accelerations(now, *torques, np)
            state = state + (weights @ slopes.reshape(4, -1)).reshape(10, count)
        x, _, a, b, c, vx, vy, wa, wb, wc = state
        effort = (actions * actions).sum(axis=1)
        rewards = self.FORWARD_WEIGHT * x / (h * self.SUBSTEPS) - self.EFFORT_WEIGHT * effort
        after = np.array([a, b - a, c - b, vx, vy, wa, wb - wa, wc - wb]).T
        return after, rewards, np.zeros(count, dtype=bool)
