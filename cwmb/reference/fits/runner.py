"""Finds the constants of a planar robot by least squares through its own contacts.

What is far off is held back (by the area hyperbolic sine), since a contact that is missed tells nothing of the slope.
"""

FAR = 0.05  # of the usual change in a step


def changed(robot, values):
    """A robot with other constants, each named by the field of the model that it goes to."""
    bodies, joints = [Body(*row) for row in robot.bodies], [Joint(*row) for row in robot.joints]
    motors, geoms = [Motor(*row) for row in robot.motors], [Geom(*row) for row in robot.geoms]
    for field, value in values.items():
        kind, _, of = field.partition(" ")
        if kind == "gravity":
            robot = robot._replace(gravity=(0.0, 0.0, -value))
        elif kind == "mass":
            place = [body.name for body in bodies].index(of)
            inertia = tuple(value * moment for moment in bodies[place].inertia)
            bodies[place] = bodies[place]._replace(mass=value * bodies[place].mass, inertia=inertia)
        elif kind == "gear":
            motors[int(of)] = motors[int(of)]._replace(gear=value)
        elif kind == "friction":
            geoms = [geom._replace(friction=value * geom.friction) for geom in geoms]
        elif kind in ("damping", "stiffness", "armature"):
            joints = [joint._replace(**{kind: value * getattr(joint, kind)}) for joint in joints]
        else:
            robot = robot._replace(**{kind: value})
    return weighed(robot._replace(bodies=bodies, joints=joints, motors=motors, geoms=geoms))


def weighed(robot):
    """A robot with the inverse weights that follow from its masses, every joint at its reference."""
    body = Planar(robot)
    q = np.array([[joint.reference for joint in robot.joints]])
    inverse = np.linalg.inv(body.forward(q, 0 * q, 0 * q, 0 * q)[1][0])
    moves = np.exp(q @ body.phases + body.phase)[0]
    joints = [joint._replace(weight=inverse[i, i]) for i, joint in enumerate(robot.joints)]
    bodies = []
    for part, frame in zip(robot.bodies, body.places):
        row = (frame.point(body.flat(part.centre))[1] * moves) @ body.turning
        bodies.append(part._replace(weight=(row @ inverse @ row.conj()).real / 3))
    return robot._replace(bodies=bodies, joints=joints)


def frames_of(self, q, v, q_after, v_after):
    """How many frames a step may have: positions move by about its length times the velocity on the way."""
    moved, speed = (q_after - q)[:, self.unseen :], ((v + v_after) / 2)[:, self.unseen :]
    fast = np.abs(speed) > np.median(np.abs(speed), axis=0)
    frames = round(float(np.median(moved[fast] / speed[fast])) / ROBOT.timestep)
    least, most = RANGES.get("frame_skip", (ROBOT.frame_skip, ROBOT.frame_skip))
    return [count for count in (frames - 1, frames, frames + 1) if least <= count <= most]


def fit(self, observations, actions, rewards, next_observations, terminated):
    speeds = np.abs(observations[:, self.count - self.unseen :])
    rows = np.flatnonzero(~terminated & (speeds < TASK["max_speed"]).all(1))
    names = [name for name in RANGES if not name.startswith(("_", "low", "high", "frame_skip"))]
    low, high = np.log([RANGES[name] for name in names]).T
    scale = np.sqrt(np.mean((next_observations - observations) ** 2, axis=0)) + 1e-12
    q, v = self.read(observations)

    def robot_of(x, frames):
        return changed(ROBOT, {**dict(zip(names, np.exp(x).tolist())), "frame_skip": frames})

    def search(x, frames, rows, rounds):
        def residuals(x):
            said = self.seen(*Planar(robot_of(x, frames)).simulate(q[rows], v[rows], actions[rows]))
            far = np.nan_to_num((said - next_observations[rows]) / scale, nan=1e6, posinf=1e6, neginf=-1e6)
            return FAR * np.arcsinh(far / FAR).ravel()

        return least_squares(residuals, x, rounds)

    some = rows[:: max(len(rows) // 60, 1)]
    frames = frames_of(self, q[rows], v[rows], *self.read(next_observations[rows]))
    tries = [(*search((low + high) / 2, count, some, 4)[::-1], count) for count in frames]
    _, x, frames = min(tries, key=lambda one: one[0])
    x, _ = search(x, frames, some, 10)
    x, _ = search(x, frames, rows[:: max(len(rows) // 200, 1)], 6)
    robot = robot_of(x, frames)
    self.body, self.duration = Planar(robot), robot.timestep * robot.frame_skip
    after = self.body.simulate(q, v, actions)
    fit_task(self, q, after, actions, rewards, terminated)


def fit_task(self, q, after, actions, rewards, terminated):
    """The weights of the reward and the limits of health, from what the fitted robot does."""
    parts = {
        "forward_reward_weight": (after[0][:, 0] - q[:, 0]) / self.duration,
        "ctrl_cost_weight": -(actions * actions).sum(1),
        "healthy_reward": np.ones(len(q)),
    }
    unknown = [name for name in parts if f"_{name}" in RANGES]
    rest = rewards - sum(TASK[name] * part for name, part in parts.items() if name not in unknown)
    columns, weight = np.stack([parts[name] for name in unknown], axis=1), np.ones(len(q))
    for _ in range(20):  # what the robot gets wrong counts ever less
        found = np.linalg.lstsq(columns * weight[:, None], rest * weight, rcond=None)[0]
        error = np.abs(columns @ found - rest)
        weight = 1 / (error + np.median(error) + 1e-9)
    TASK.update(zip(unknown, found.tolist()))
    seen = {"healthy_z_range": after[0][:, self.unseen], "healthy_angle_range": after[0][:, self.unseen + 1]}
    ends = {name: name.split() for name in RANGES if name.startswith(("low", "high"))}
    if not ends:
        return
    for side, field in ends.values():
        low, high = TASK[field[1:]]
        TASK[field[1:]] = (-np.inf, high) if side == "low" else (low, np.inf)
    left = ~self.ended(*after)  # where no other limit ends the episode
    sizes = [seen[field[1:]] * (-1 if side == "low" else 1) for side, field in ends.values()]
    for (side, field), limit in zip(ends.values(), limits(np.stack(sizes, axis=1)[left], terminated[left])):
        low, high = TASK[field[1:]]
        TASK[field[1:]] = (-limit, high) if side == "low" else (low, limit)


Environment.fit = fit
