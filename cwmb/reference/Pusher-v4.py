"""An arm of seven joints that pushes an object over a table to a goal; MuJoCo's Euler integration.

Shoulder, elbow and wrist are points at which several axes meet. The equations of motion of the arm are written in the
axes of the upper arm. Joint limits and the contact of the gripper with the table are soft constraints; contact with the
object is left out: it stays where it is. The gripper is observed one substep late, the reward looks at the state before
the step.
"""

import math

import numpy as np


class Environment:
    ARM = 1.0  # factor on the mass of the upper arm, without what it turns about
    LOWER_ARM = 1.0  # the same of the forearm
    DAMPING = 1.0  # factor on the damping of all joints
    ARMATURE = 1.0  # factor on the motors' inertia
    GEAR = 1.0
    SCALE = 1.0  # of the reward
    DT = 0.01
    SUBSTEPS = 5
    BASE = (0.0, -0.6, 0.0)
    SHOULDER, UPPER_ARM, FOREARM = 0.1, 0.4, 0.321  # lengths
    # Masses, first moments along the link and inertias (along and across the link) about its joint.
    PAN_INERTIA = 0.036349785232
    LIFT_MASS, LIFT_ALONG, LIFT_ACROSS = 3.141592653590, 0.014451326207, 0.038013271108
    UPPER_MASS, UPPER_MOMENT, UPPER_ALONG, UPPER_ACROSS = 1.628601631621, 0.325720326324, 0.002833766839, 0.098152201223
    SPINDLE_MASS, SPINDLE_ALONG, SPINDLE_ACROSS = 0.085451320178, 0.000016688140, 0.000376086340  # at both arms
    ELBOW_MASS, ELBOW_ALONG, ELBOW_ACROSS = 0.407150407905, 0.000635154636, 0.000883968774
    FORE_MASS, FORE_MOMENT, FORE_ALONG, FORE_ACROSS = 0.842732229325, 0.122617539367, 0.001014145379, 0.027447424284
    WRIST_MASS, WRIST_ALONG, WRIST_ACROSS = 0.005026548246, 0.000000238761, 0.000001338318
    HAND_MASS, HAND_MOMENT = 0.183469010970, 0.005026548246
    HAND_WEIGHED = 0.026388888889  # centre of mass of the hand without its tips, from the wrist
    HAND_X, HAND_Y, HAND_Z = 0.001374660414, 0.000419616248, 0.001759191355
    ROTOR = 0.04  # inertia of each motor
    DAMPINGS = (1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1)
    LOWER = (-2.2854, -0.5236, -1.5, -2.3213, -1.5, -1.094, -1.5)
    UPPER = (1.714602, 1.3963, 1.7, 0.0, 1.5, 0.0, 1.5)
    # The gripper's corners (along and across the hand) and how many capsules end there.
    CORNERS = ((0.0, -0.1, 2), (0.0, 0.1, 2), (0.1, -0.1, 1), (0.1, 0.1, 1))
    TABLE, RADIUS, MARGIN = -0.325, 0.02, 0.002
    REACH = 0.15  # further from the wrist no part of the gripper is
    MAX_ACTION = 2.0

    def __init__(self):
        self.upper_mass, self.upper_moment, self.upper_along, self.upper_across = self.link(
            self.ARM, self.UPPER_MASS, self.UPPER_MOMENT, self.UPPER_ALONG, self.UPPER_ACROSS
        )
        self.fore_mass, self.fore_moment, self.fore_along, self.fore_across = self.link(
            self.LOWER_ARM, self.FORE_MASS, self.FORE_MOMENT, self.FORE_ALONG, self.FORE_ACROSS
        )
        self.rotor = self.ARMATURE * self.ROTOR
        self.damping = [self.DAMPING * damping for damping in self.DAMPINGS]
        self.limit_weights, self.contact_weight = [1.0] * 7, 1.0
        self.angles, self.rates = [0.0] * 7, [0.0] * 7
        self.substep([0.0] * 7)
        self.weigh(np.linalg.inv(self.inertia))
        self.angles, self.rates = [0.0] * 7, [0.0] * 7
        self.tips = (0.821, -0.6, 0.0)
        self.object = (0.45, -0.05, -0.275)
        self.goal = (0.45, -0.05, -0.323)

    def link(self, factor, mass, moment, along, across):
        """Mass, first moment and inertias of a link of so many times its mass, with its spindle."""
        turning = factor * along + self.SPINDLE_ALONG, factor * across + self.SPINDLE_ACROSS
        return factor * mass + self.SPINDLE_MASS, factor * moment, *turning

    def weigh(self, inverse):
        """Inverse inertias of the joints and of the gripper at rest, the arm stretched out."""
        self.limit_weights = np.diag(inverse).tolist()
        reach = (self.HAND_WEIGHED, self.FOREARM, self.UPPER_ARM, self.SHOULDER)
        wrist, elbow, lift, pan = np.cumsum(reach)
        sideways, upwards = np.array([pan, 0, 0, 0, 0, 0, 0]), np.array([0, lift, 0, elbow, 0, wrist, 0])
        self.contact_weight = float(sideways @ inverse @ sideways + upwards @ inverse @ upwards) / 3

    def set_state(self, observation):
        o = [float(value) for value in observation]
        self.angles, self.rates = o[:7], o[7:14]
        self.tips, self.object, self.goal = tuple(o[14:17]), tuple(o[17:20]), tuple(o[20:23])

    def equations(self, angles, rates, math):
        """Mass matrix, biases, tips, and what corners need, of one state or, with numpy for math, of arrays of them."""
        q1, q2, q3, q4, q5, q6, q7 = angles
        u1, u2, u3, u4, u5, u6, u7 = rates
        s2, c2, s3, c3, s4, c4 = math.sin(q2), math.cos(q2), math.sin(q3), math.cos(q3), math.sin(q4), math.cos(q4)
        s5, c5, s6, c6, s7, c7 = math.sin(q5), math.cos(q5), math.sin(q6), math.cos(q6), math.sin(q7), math.cos(q7)
        length, fore = self.UPPER_ARM, self.FOREARM

        # The joints' axes in the frame of the upper arm; those of joints 3 and 4 are (1, 0, 0) and (0, 1, 0).
        ax, ay, az = -s2, c2 * s3, c2 * c3  # joint 1: upwards
        by, bz = c3, -s3  # joint 2
        ex, ez = c4, -s4  # joint 5: along the forearm
        fx, fy, fz = s4 * s5, c5, c4 * s5  # joint 6
        gx, gy, gz = c4 * c6 - s4 * s6 * c5, s6 * s5, -s4 * c6 - c4 * s6 * c5  # joint 7: along the hand
        zx, zy, zz = gy * fz - gz * fy, gz * fx - gx * fz, gx * fy - gy * fx
        yx, yy, yz = c7 * fx + s7 * zx, c7 * fy + s7 * zy, c7 * fz + s7 * zz  # across the hand
        zx, zy, zz = c7 * zx - s7 * fx, c7 * zy - s7 * fy, c7 * zz - s7 * fz
        tips = self.wrist(math.sin(q1), math.cos(q1), s2, c2, s3, c3, s4, c4)

        # Inertia of the hand, then of the hand and the wrist, about the wrist.
        k1, k2, k3 = self.HAND_X - self.HAND_Y, self.HAND_Z - self.HAND_Y, self.WRIST_ALONG - self.WRIST_ACROSS
        hxx, hxy = self.HAND_Y + k1 * gx * gx + k2 * zx * zx, k1 * gx * gy + k2 * zx * zy
        hyy, hxz = self.HAND_Y + k1 * gy * gy + k2 * zy * zy, k1 * gx * gz + k2 * zx * zz
        hzz, hyz = self.HAND_Y + k1 * gz * gz + k2 * zz * zz, k1 * gy * gz + k2 * zy * zz
        hx, hy, hz = self.HAND_MOMENT * gx, self.HAND_MOMENT * gy, self.HAND_MOMENT * gz
        mass = self.HAND_MASS + self.WRIST_MASS
        wxx, wxy = hxx + self.WRIST_ACROSS + k3 * fx * fx, hxy + k3 * fx * fy
        wyy, wxz = hyy + self.WRIST_ACROSS + k3 * fy * fy, hxz + k3 * fx * fz
        wzz, wyz = hzz + self.WRIST_ACROSS + k3 * fz * fz, hyz + k3 * fy * fz
        # With the forearm, about the elbow.
        px, pz = fore * ex, fore * ez
        tx, tz = hx + 0.5 * mass * px, hz + 0.5 * mass * pz
        trace = 2 * (tx * px + tz * pz) + self.fore_across
        k = self.fore_along - self.fore_across
        exx, eyy = wxx + trace - 2 * tx * px + k * ex * ex, wyy + trace
        ezz, exy = wzz + trace - 2 * tz * pz + k * ez * ez, wxy - hy * px
        exz, eyz = wxz - tx * pz - tz * px + k * ex * ez, wyz - hy * pz
        jx, jy, jz = self.fore_moment * ex + hx + mass * px, hy, self.fore_moment * ez + hz + mass * pz
        # With the elbow; with the upper arm, about the shoulder.
        mass += self.fore_mass + self.ELBOW_MASS
        lxx, lyy, lzz = exx + self.ELBOW_ACROSS, eyy + self.ELBOW_ALONG, ezz + self.ELBOW_ACROSS
        tx = jx + 0.5 * mass * length
        sxx, sxy, sxz, syz = lxx + self.upper_along, exy - jy * length, exz - jz * length, eyz
        syy = lyy + 2 * tx * length + self.upper_across
        szz = lzz + 2 * tx * length + self.upper_across
        ix, iy, iz = self.upper_moment + jx + mass * length, jy, jz
        mass += self.upper_mass

        # Mass matrix: each joint's momentum, carried to the points of the joints before it.
        d = self.SHOULDER
        m33, m23 = sxx, by * sxy + bz * sxz
        m13 = ax * sxx + ay * sxy + az * sxz + d * (bz * iy - by * iz)
        nx, ny, nz = sxy * by + sxz * bz, syy * by + syz * bz, syz * by + szz * bz
        m22 = by * ny + bz * nz + self.LIFT_ALONG
        m12 = ax * nx + ay * ny + az * nz
        m11 = ax * (sxx * ax + 2 * (sxy * ay + sxz * az)) + ay * (syy * ay + 2 * syz * az) + szz * az * az
        # The pan axis passes the shoulder at a distance: twice its lever times the momentum along axis 2.
        m11 += 2 * d * (by * (az * ix - ax * iz) + bz * (ax * iy - ay * ix))
        m11 += d * d * (mass + self.LIFT_MASS) + self.LIFT_ACROSS + self.PAN_INERTIA
        n4x, n4y, n4z = exy, lyy + length * jx, eyz
        m44, m34, m24 = lyy, n4x, by * n4y + bz * n4z
        m14 = ax * n4x + ay * n4y + az * n4z - d * bz * jx
        n5x, n5y, n5z = exx * ex + exz * ez, exy * ex + eyz * ez, exz * ex + ezz * ez
        p5y, p5z = ez * jx - ex * jz, ex * jy
        m55, m45 = ex * n5x + ez * n5z, n5y
        n5y, n5z = n5y - length * p5z, n5z + length * p5y
        m35, m25 = n5x, by * n5y + bz * n5z
        m15 = ax * n5x + ay * n5y + az * n5z + d * (by * p5y + bz * p5z)
        n6x, n6y, n6z = wxx * fx + wxy * fy + wxz * fz, wxy * fx + wyy * fy + wyz * fz, wxz * fx + wyz * fy + wzz * fz
        p6x, p6y, p6z = fy * hz - fz * hy, fz * hx - fx * hz, fx * hy - fy * hx
        m66 = fx * n6x + fy * n6y + fz * n6z
        n6x, n6y, n6z = n6x - pz * p6y, n6y + pz * p6x - px * p6z, n6z + px * p6y
        m56, m46 = ex * n6x + ez * n6z, n6y
        n6y, n6z = n6y - length * p6z, n6z + length * p6y
        m36, m26 = n6x, by * n6y + bz * n6z
        m16 = ax * n6x + ay * n6y + az * n6z + d * (by * p6y + bz * p6z)
        k = self.HAND_X
        m77, m67 = k, 0.0
        n7x, n7y, n7z = k * gx, k * gy, k * gz  # the hand's centre lies on its axis
        m57, m47 = ex * n7x + ez * n7z, n7y
        m37, m27, m17 = n7x, by * n7y + bz * n7z, ax * n7x + ay * n7y + az * n7z

        # Angular velocities, and accelerations if no joint accelerates; of the hand, of the forearm, of the upper arm.
        o2x, o2y, o2z = ax * u1, ay * u1 + by * u2, az * u1 + bz * u2
        b2x, b2y, b2z = u1 * u2 * (ay * bz - az * by), -u1 * u2 * ax * bz, u1 * u2 * ax * by
        o3x, o3y, o3z = o2x + u3, o2y, o2z
        b3x, b3y, b3z = b2x, b2y + o2z * u3, b2z - o2y * u3
        o4x, o4y, o4z = o3x, o3y + u4, o3z
        b4x, b4y, b4z = b3x - o3z * u4, b3y, b3z + o3x * u4
        o5x, o5y, o5z = o4x + ex * u5, o4y, o4z + ez * u5
        b5x, b5y, b5z = b4x + o4y * ez * u5, b4y + (o4z * ex - o4x * ez) * u5, b4z - o4y * ex * u5
        o6x, o6y, o6z = o5x + fx * u6, o5y + fy * u6, o5z + fz * u6
        b6x = b5x + (o5y * fz - o5z * fy) * u6
        b6y = b5y + (o5z * fx - o5x * fz) * u6
        b6z = b5z + (o5x * fy - o5y * fx) * u6
        o7x, o7y, o7z = o6x + gx * u7, o6y + gy * u7, o6z + gz * u7
        b7x = b6x + (o6y * gz - o6z * gy) * u7
        b7y = b6y + (o6z * gx - o6x * gz) * u7
        b7z = b6z + (o6x * gy - o6y * gx) * u7
        # Accelerations of shoulder, elbow and wrist.
        k = -d * u1 * u1
        sax, say, saz = k * c2, k * s2 * s3, k * s2 * c3
        eax = sax - length * (o3y * o3y + o3z * o3z)
        eay = say + length * (b3z + o3x * o3y)
        eaz = saz + length * (o3x * o3z - b3y)
        along = o5x * px + o5z * pz
        square = o5x * o5x + o5y * o5y + o5z * o5z
        wax = eax + b5y * pz + along * o5x - square * px
        way = eay + b5z * px - b5x * pz + along * o5y
        waz = eaz - b5y * px + along * o5z - square * pz

        # Torques that these motions need, from the hand to the base.
        lx, ly, lz = (
            hxx * o7x + hxy * o7y + hxz * o7z,
            hxy * o7x + hyy * o7y + hyz * o7z,
            hxz * o7x + hyz * o7y + hzz * o7z,
        )
        nx = hxx * b7x + hxy * b7y + hxz * b7z + o7y * lz - o7z * ly + hy * waz - hz * way
        ny = hxy * b7x + hyy * b7y + hyz * b7z + o7z * lx - o7x * lz + hz * wax - hx * waz
        nz = hxz * b7x + hyz * b7y + hzz * b7z + o7x * ly - o7y * lx + hx * way - hy * wax
        bias7 = gx * nx + gy * ny + gz * nz
        along = o7x * hx + o7y * hy + o7z * hz
        square = o7x * o7x + o7y * o7y + o7z * o7z
        mass = self.HAND_MASS + self.WRIST_MASS
        rx = mass * wax + b7y * hz - b7z * hy + along * o7x - square * hx
        ry = mass * way + b7z * hx - b7x * hz + along * o7y - square * hy
        rz = mass * waz + b7x * hy - b7y * hx + along * o7z - square * hz
        k, t = k3 * (fx * b6x + fy * b6y + fz * b6z), k3 * (fx * o6x + fy * o6y + fz * o6z)
        nx += self.WRIST_ACROSS * b6x + k * fx + t * (o6y * fz - o6z * fy)
        ny += self.WRIST_ACROSS * b6y + k * fy + t * (o6z * fx - o6x * fz)
        nz += self.WRIST_ACROSS * b6z + k * fz + t * (o6x * fy - o6y * fx)
        bias6 = fx * nx + fy * ny + fz * nz
        nx, ny, nz = nx - pz * ry, ny + pz * rx - px * rz, nz + px * ry
        k3 = self.fore_along - self.fore_across
        k, t = k3 * (ex * b5x + ez * b5z), k3 * (ex * o5x + ez * o5z)
        qx, qz = self.fore_moment * ex, self.fore_moment * ez
        nx += self.fore_across * b5x + k * ex + t * o5y * ez - qz * eay
        ny += self.fore_across * b5y + t * (o5z * ex - o5x * ez) + qz * eax - qx * eaz
        nz += self.fore_across * b5z + k * ez - t * o5y * ex + qx * eay
        bias5 = ex * nx + ez * nz
        along = o5x * qx + o5z * qz
        square = o5x * o5x + o5y * o5y + o5z * o5z
        mass = self.fore_mass + self.ELBOW_MASS
        rx += mass * eax + b5y * qz + along * o5x - square * qx
        ry += mass * eay + b5z * qx - b5x * qz + along * o5y
        rz += mass * eaz - b5y * qx + along * o5z - square * qz
        k3 = self.ELBOW_ALONG - self.ELBOW_ACROSS
        nx += self.ELBOW_ACROSS * b4x - k3 * o4y * o4z
        ny += self.ELBOW_ALONG * b4y
        nz += self.ELBOW_ACROSS * b4z + k3 * o4y * o4x
        bias4 = ny
        ny, nz = ny - length * rz, nz + length * ry
        k3 = self.upper_along - self.upper_across
        nx += self.upper_along * b3x
        ny += self.upper_across * b3y + k3 * o3x * o3z - self.upper_moment * saz
        nz += self.upper_across * b3z - k3 * o3x * o3y + self.upper_moment * say
        rx += self.upper_mass * sax - self.upper_moment * (o3y * o3y + o3z * o3z)
        ry += self.upper_mass * say + self.upper_moment * (b3z + o3x * o3y)
        rz += self.upper_mass * saz + self.upper_moment * (o3x * o3z - b3y)
        bias3, bias2 = nx, by * ny + bz * nz
        bias1 = ax * nx + ay * ny + az * nz + d * (by * ry + bz * rz)

        r = self.rotor
        inertia = [
            [m11 + r, m12, m13, m14, m15, m16, m17],
            [m12, m22 + r, m23, m24, m25, m26, m27],
            [m13, m23, m33 + r, m34, m35, m36, m37],
            [m14, m24, m34, m44 + r, m45, m46, m47],
            [m15, m25, m35, m45, m55 + r, m56, m57],
            [m16, m26, m36, m46, m56, m66 + r, m67],
            [m17, m27, m37, m47, m57, m67, m77 + r],
        ]
        biases = (bias1, bias2, bias3, bias4, bias5, bias6, bias7)
        # The hand's two directions, and of axes that turn it with where they pass the wrist.
        return inertia, biases, tips, (gx, gy, gz, yx, yy, yz, ax, ay, az, by, bz, ex, ez, fx, fy, fz, px, pz)

    def corner(self, x, y, height, hand):
        """A corner of the gripper, from the wrist, and its distance to the table; of arrays, too."""
        gx, gy, gz, yx, yy, yz, ax, ay, az, *_ = hand
        qx, qy, qz = x * gx + y * yx, x * gy + y * yy, x * gz + y * yz
        return qx, qy, qz, height + qx * ax + qy * ay + qz * az

    def lifts(self, qx, qy, qz, hand):
        """How fast each joint lifts a corner of the gripper; of arrays, too."""
        gx, gy, gz, _, _, _, ax, ay, az, by, bz, ex, ez, fx, fy, fz, px, pz = hand
        length = self.UPPER_ARM
        tx, ty, tz = qy * az - qz * ay, qz * ax - qx * az, qx * ay - qy * ax
        row = {6: gx * tx + gy * ty + gz * tz, 5: fx * tx + fy * ty + fz * tz}
        tx, ty, tz = tx - pz * ay, ty + pz * ax - px * az, tz + px * ay
        row[4], row[3] = ex * tx + ez * tz, ty
        ty, tz = ty - length * az, tz + length * ay
        row[2], row[1] = tx, by * ty + bz * tz
        return row

    def substep(self, torques):
        inertia, biases, self.tips, hand = self.equations(self.angles, self.rates, math)
        self.inertia = [row[:] for row in inertia]
        forces = [t - k * u - b for t, k, u, b in zip(torques, self.damping, self.rates, biases)]

        constraints = []
        for i, angle in enumerate(self.angles):
            if angle < self.LOWER[i]:
                constraints.append(self.constraint({i: 1.0}, angle - self.LOWER[i], self.limit_weights[i]))
            elif angle > self.UPPER[i]:
                constraints.append(self.constraint({i: -1.0}, self.UPPER[i] - angle, self.limit_weights[i]))
        height = self.tips[2] - self.TABLE - self.RADIUS
        if height < self.REACH:
            for x, y, count in self.CORNERS:
                qx, qy, qz, distance = self.corner(x, y, height, hand)
                if distance < self.MARGIN:
                    row = self.lifts(qx, qy, qz, hand)
                    constraints.append(self.constraint(row, distance - self.MARGIN, self.contact_weight / count))
        if constraints:
            self.constrain(inertia, forces, constraints)
        h = self.DT
        for i, damping in enumerate(self.damping):
            inertia[i][i] += h * damping
        accelerations = np.linalg.solve(inertia, forces).tolist()
        self.rates = [u + h * a for u, a in zip(self.rates, accelerations)]
        self.angles = [q + h * u for q, u in zip(self.angles, self.rates)]

    def wrist(self, s1, c1, s2, c2, s3, c3, s4, c4):
        """The wrist's position in the world."""
        along = self.SHOULDER + (self.UPPER_ARM + self.FOREARM * c4) * c2 - self.FOREARM * s4 * s2 * c3
        across = self.FOREARM * s4 * s3
        height = -(self.UPPER_ARM + self.FOREARM * c4) * s2 - self.FOREARM * s4 * c2 * c3
        x, y, z = self.BASE
        return x + c1 * along - s1 * across, y + s1 * along + c1 * across, z + height

    def constraint(self, row, distance, weight):
        """A one-sided soft constraint: row of the Jacobian, stiffness, wanted acceleration along the row."""
        reach = min(-distance / 0.001, 1.0)
        blend = 2 * reach**2 if reach <= 0.5 else 1 - 2 * (1 - reach) ** 2
        impedance = 0.9 + 0.05 * blend
        time = max(0.02, 2 * self.DT)
        speed = sum(j * self.rates[i] for i, j in row.items())
        wanted = -2 / (0.95 * time) * speed - impedance / (0.95 * time) ** 2 * distance
        return row, impedance / ((1 - impedance) * weight), wanted

    def constrain(self, inertia, forces, constraints):
        """Add the constraints' forces: stiffness times what the acceleration lacks, where that is positive."""
        active = [c for c in constraints if c[2] > 0.0]  # a guess
        for _ in range(20):
            matrix, right = [row[:] for row in inertia], forces[:]
            for row, stiffness, wanted in active:
                for i, j in row.items():
                    right[i] += stiffness * j * wanted
                    for k, other in row.items():
                        matrix[i][k] += stiffness * j * other
            accelerations = np.linalg.solve(matrix, right).tolist()
            lacks = [wanted - sum(j * accelerations[i] for i, j in row.items()) for row, _, wanted in constraints]
            pushing = [c for c, lack in zip(constraints, lacks) if lack > 0.0]
            if pushing == active:
                break
            active = pushing
        for (row, stiffness, _), lack in zip(constraints, lacks):
            for i, j in row.items():
                forces[i] += stiffness * j * max(lack, 0.0)

    def step(self, action):
        tips, thing, goal = self.tips, self.object, self.goal
        near = math.dist(thing, tips)
        distance = math.dist(thing, goal)
        effort = sum(float(value) ** 2 for value in action)
        reward = self.SCALE * (-distance - 0.1 * effort - 0.5 * near)
        torques = [self.GEAR * min(max(float(value), -self.MAX_ACTION), self.MAX_ACTION) for value in action]
        for _ in range(self.SUBSTEPS):
            self.substep(torques)
        return np.array([*self.angles, *self.rates, *self.tips, *thing, *goal]), reward, False

    def step_many(self, observations, actions):
        """What set_state and step would say of each row: the same equations, of arrays."""
        h, count = self.DT, len(observations)
        angles, rates = observations[:, :7].T.copy(), observations[:, 7:14].T.copy()
        torques = self.GEAR * np.minimum(np.maximum(actions, -self.MAX_ACTION), self.MAX_ACTION).T
        damping, inertia = np.array(self.damping), np.empty((count, 7, 7))
        for _ in range(self.SUBSTEPS):
            masses, biases, tips, hand = self.equations(angles, rates, np)
            for i, row in enumerate(masses):
                for j, mass in enumerate(row):
                    inertia[:, i, j] = mass
            forces = torques - damping[:, None] * rates - np.array(biases)
            forces += self.many_constraint_forces(inertia, forces, angles, rates, tips[2], hand)
            accelerations = np.linalg.solve(inertia + h * np.diag(damping), forces.T[..., None])[..., 0].T
            rates = rates + h * accelerations
            angles = angles + h * rates
        after = observations.copy()  # the object stays where it is
        after[:, :7], after[:, 7:14], after[:, 14:17] = angles.T, rates.T, np.array(tips).T
        tips, thing, goal = observations[:, 14:17], observations[:, 17:20], observations[:, 20:]
        near, distance = (np.sqrt(((thing - place) ** 2).sum(axis=1)) for place in (tips, goal))
        effort = (actions * actions).sum(axis=1)
        return after, self.SCALE * (-distance - 0.1 * effort - 0.5 * near), np.zeros(count, dtype=bool)

    def many_constraint_forces(self, inertia, forces, angles, rates, wrist, hand):
        """What limits and the table add to the joints' forces [7, K]; as substep, constraint and constrain."""
        count, lower, upper = forces.shape[1], np.array(self.LOWER)[:, None], np.array(self.UPPER)[:, None]
        distances, weights = np.minimum(angles - lower, upper - angles), np.array(self.limit_weights)[:, None]
        height, corners = wrist - self.TABLE - self.RADIUS, 0
        if (height < self.REACH).any():
            x, y, capsules = np.array(self.CORNERS).T[:, :, None]
            *corner, above = self.corner(x, y, height, hand)
            touching = np.where(height < self.REACH, above - self.MARGIN, 1.0)
            if (touching < 0.0).any():
                corners = len(x)
                distances = np.concatenate([distances, touching])
                weights = np.concatenate([weights, self.contact_weight / capsules])
        states = (distances < 0.0).any(axis=0).nonzero()[0]
        added = np.zeros_like(forces)
        if not len(states):
            return added
        rows = np.zeros((count, 7 + corners, 7))
        rows[:, range(7), range(7)] = np.where(angles < lower, 1.0, -1.0).T
        for joint, lift in self.lifts(*corner, hand).items() if corners else ():
            rows[:, 7:, joint] = lift.T
        rows, distances, mass, force = rows[states], distances[:, states], inertia[states], forces[:, states].T
        reach, time = np.minimum(-distances / 0.001, 1.0), max(0.02, 2 * self.DT)
        impedance = 0.9 + 0.05 * np.where(reach <= 0.5, 2 * reach**2, 1 - 2 * (1 - reach) ** 2)
        stiffness = np.where(distances < 0.0, impedance / ((1 - impedance) * weights), 0.0).T
        speeds = np.matmul(rows, rates[:, states].T[..., None])[..., 0]
        wanted = -2 / (0.95 * time) * speeds - (impedance / (0.95 * time) ** 2 * distances).T
        pushing = stiffness * (wanted > 0.0)  # a guess
        for _ in range(20):
            pushed = rows * pushing[..., None]
            right = force + np.matmul(wanted[:, None], pushed)[:, 0]
            found = np.linalg.solve(mass + np.matmul(pushed.transpose(0, 2, 1), rows), right[..., None])
            lacks = wanted - np.matmul(rows, found)[..., 0]
            pushing, guess = stiffness * (lacks > 0.0), pushing
            if (pushing == guess).all():
                break
        added[:, states] = np.matmul((stiffness * np.maximum(lacks, 0.0))[:, None], rows)[:, 0].T
        return added
