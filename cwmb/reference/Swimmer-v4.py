"""Three rods in a row that swim in a viscous fluid, in the plane; MuJoCo's Runge-Kutta integration.

The equations of motion are written in the absolute angles of the rods. The translation is eliminated from them: what
remains is a system of three equations for the rods' rotation.
"""

import math

import numpy as np


class Environment:
    MASS, INERTIA = 35.604716740684, 3.917566038959  # of each rod, about its centre
    SPIN_INERTIA = 0.173834793506  # of each rod, about its axis
    ROTOR = 0.1  # added inertia of every coordinate
    GEAR = 150.0
    LIMIT = math.radians(100)  # of both joints
    LIMIT_WEIGHTS = (0.385293341621, 0.393333674138)  # inverse inertias of the joints, at rest
    DENSITY, VISCOSITY = 4000.0, 0.1
    DT, SUBSTEPS = 0.01, 4
    EFFORT_WEIGHT = 1e-4

    def __init__(self):
        self.state = (0.0,) * 10
        self.total = 3 * self.MASS + self.ROTOR
        width2 = 6 * self.SPIN_INERTIA / self.MASS  # the box with a rod's inertia
        length2 = 6 * (2 * self.INERTIA - self.SPIN_INERTIA) / self.MASS
        width, length = math.sqrt(width2), math.sqrt(length2)
        diameter = (2 * width + length) / 3
        self.linear_drag = 3 * math.pi * diameter * self.VISCOSITY
        self.axial_drag = 0.5 * self.DENSITY * width2
        self.lateral_drag = 0.5 * self.DENSITY * width * length
        self.spin_drag = math.pi * diameter**3 * self.VISCOSITY
        self.spin_drag2 = self.DENSITY * width * (width2**2 + length2**2) / 64
        # Rod i's centre lies at the origin plus the sum over k of arms[i][k] times rod k's direction.
        arms = ((1.0, 0.0, 0.0), (0.5, -0.5, 0.0), (0.5, -1.0, -0.5))
        self.moments = [self.MASS * sum(arm[k] for arm in arms) for k in range(3)]
        self.couplings = [
            [
                self.MASS * sum(arm[k] * arm[j] for arm in arms) - self.moments[k] * self.moments[j] / self.total
                for j in range(3)
            ]
            for k in range(3)
        ]

    def set_state(self, observation):
        a, p, q, vx, vy, w, u, v = (float(value) for value in observation)
        self.state = (0.0, 0.0, a, a + p, a + p + q, vx, vy, w, w + u, w + u + v)

    def drag(self, vx, vy, spin, cosine, sine):
        """Force (x, y) and torque of the fluid on a rod that moves with (vx, vy) and turns."""
        axial = vx * cosine + vy * sine
        lateral = vy * cosine - vx * sine
        axial *= -self.linear_drag - self.axial_drag * abs(axial)
        lateral *= -self.linear_drag - self.lateral_drag * abs(lateral)
        torque = -spin * (self.spin_drag + self.spin_drag2 * abs(spin))
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

    def accelerations(self, state, torque1, torque2):
        _, _, a, b, c, vx, vy, wa, wb, wc = state
        cos_a, sin_a, cos_b, sin_b = math.cos(a), math.sin(a), math.cos(b), math.sin(b)
        cos_c, sin_c = math.cos(c), math.sin(c)
        # Velocities of the rods' centres.
        ax, ay = vx - wa * sin_a, vy + wa * cos_a
        jx, jy = vx - 0.5 * wa * sin_a, vy + 0.5 * wa * cos_a
        bx, by = jx + 0.5 * wb * sin_b, jy - 0.5 * wb * cos_b
        cx, cy = jx + wb * sin_b + 0.5 * wc * sin_c, jy - wb * cos_b - 0.5 * wc * cos_c
        fax, fay, ta = self.drag(ax, ay, wa, cos_a, sin_a)
        fbx, fby, tb = self.drag(bx, by, wb, cos_b, sin_b)
        fcx, fcy, tc = self.drag(cx, cy, wc, cos_c, sin_c)
        # Sum of all forces, centrifugal ones included, and what is left for the rotations.
        ma, mb, mc = self.moments
        wa2, wb2, wc2 = wa * wa, wb * wb, wc * wc
        fx, fy = fax + fbx + fcx, fay + fby + fcy
        mean_x, mean_y = fx / self.total, fy / self.total
        ga = (fay + 0.5 * (fby + fcy) - ma * mean_y) * cos_a - (fax + 0.5 * (fbx + fcx) - ma * mean_x) * sin_a
        gb = (-0.5 * fby - fcy - mb * mean_y) * cos_b - (-0.5 * fbx - fcx - mb * mean_x) * sin_b
        gc = (-0.5 * fcy - mc * mean_y) * cos_c - (-0.5 * fcx - mc * mean_x) * sin_c
        (haa, hab, hac), (_, hbb, hbc), (_, _, hcc) = self.couplings
        sin_ab, cos_ab = sin_a * cos_b - cos_a * sin_b, cos_a * cos_b + sin_a * sin_b
        sin_ac, cos_ac = sin_a * cos_c - cos_a * sin_c, cos_a * cos_c + sin_a * sin_c
        sin_bc, cos_bc = sin_b * cos_c - cos_b * sin_c, cos_b * cos_c + sin_b * sin_c
        ga += ta - torque1 - hab * wb2 * sin_ab - hac * wc2 * sin_ac
        gb += tb + torque1 - torque2 + hab * wa2 * sin_ab - hbc * wc2 * sin_bc
        gc += tc + torque2 + hac * wa2 * sin_ac + hbc * wb2 * sin_bc
        m11 = haa + self.INERTIA + 2 * self.ROTOR
        m12 = hab * cos_ab - self.ROTOR
        m13 = hac * cos_ac
        m22 = hbb + self.INERTIA + 2 * self.ROTOR
        m23 = hbc * cos_bc - self.ROTOR
        m33 = hcc + self.INERTIA + self.ROTOR
        c11, c12, c13 = m22 * m33 - m23 * m23, m13 * m23 - m12 * m33, m12 * m23 - m13 * m22
        c22, c23, c33 = m11 * m33 - m13 * m13, m12 * m13 - m11 * m23, m11 * m22 - m12 * m12
        scale = 1.0 / (m11 * c11 + m12 * c12 + m13 * c13)
        acc_a = (c11 * ga + c12 * gb + c13 * gc) * scale
        acc_b = (c12 * ga + c22 * gb + c23 * gc) * scale
        acc_c = (c13 * ga + c23 * gb + c33 * gc) * scale
        if abs(b - a) > self.LIMIT or abs(c - b) > self.LIMIT:
            # The joints' responses to torques at the joints: [b - a, c - b] = response [first, second].
            response = (
                (c11 + c22 - 2 * c12) * scale,
                (c12 + c23 - c13 - c22) * scale,
                (c22 + c33 - 2 * c23) * scale,
            )
            stop1 = self.stop(b - a, wb - wa, self.LIMIT_WEIGHTS[0])
            stop2 = self.stop(c - b, wc - wb, self.LIMIT_WEIGHTS[1])
            first, second = self.stop_torques(stop1, stop2, acc_b - acc_a, acc_c - acc_b, response)
            acc_a += (-c11 * first + c12 * (first - second) + c13 * second) * scale
            acc_b += (-c12 * first + c22 * (first - second) + c23 * second) * scale
            acc_c += (-c13 * first + c23 * (first - second) + c33 * second) * scale
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
            self.substep(self.GEAR * first, self.GEAR * second)
        x, _, a, b, c, vx, vy, wa, wb, wc = self.state
        effort = float(action[0]) ** 2 + float(action[1]) ** 2
        reward = (x - before) / (self.DT * self.SUBSTEPS) - self.EFFORT_WEIGHT * effort
        return np.array([a, b - a, c - b, vx, vy, wa, wb - wa, wc - wb]), reward, False
