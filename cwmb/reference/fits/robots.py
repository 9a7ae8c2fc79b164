"""Finding the constants of a robot by least squares through its own contacts.

What is far off is held back (by the area hyperbolic sine), since a contact that is missed tells nothing of the slope.
"""

FAR = 0.05  # of the usual change in a step
DIGITS = 3  # of a number that is likelier than others near it
EXACT = 1e-15  # the mean square of what is left, in usual changes, that is as good as nothing


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


def find_robot(physics, read, seen, before, actions, after, counts=(30, 60, 120)):
    """The robot whose steps lead from observations ``before`` to ``after`` [K, D].

    physics: its simulation, of a robot; read, seen: of an observation, and to one. Every number of frames is tried that
    hinges at their speed would need for the way that they go. counts: of the transitions that tell how many frames
    there are, that bring near, and that decide.
    """
    (q, v), (q_after, v_after), hinges = read(before), read(after), len(ROBOT.motors)  # one each, and last
    turned, spun, spun_after = (part[:, -hinges:] for part in (q_after - q, v, v_after))
    names = [name for name in RANGES if not name.startswith(("_", "low", "high", "frame_skip"))]
    low, high = np.log([RANGES[name] for name in names]).T
    scale = np.sqrt(np.mean((after - before) ** 2, axis=0)) + 1e-12

    def robot_of(x, frames):
        return changed(ROBOT, {**dict(zip(names, np.exp(x).tolist())), "frame_skip": frames})

    def errors(x, frames, count):
        rows = np.arange(0, len(before), max(len(before) // count, 1))
        said = seen(*physics(robot_of(x, frames)).simulate(q[rows], v[rows], actions[rows]))
        far = np.nan_to_num((said - after[rows]) / scale, nan=1e6, posinf=1e6, neginf=-1e6)
        return FAR * np.arcsinh(far / FAR).ravel()

    def search(x, frames, count, rounds):
        return least_squares(lambda x: errors(x, frames, count), x, rounds, EXACT)

    least, most = RANGES.get("frame_skip", (ROBOT.frame_skip, ROBOT.frame_skip))
    frames = [count for count in frames_of(turned, spun, spun_after, ROBOT.timestep) if least <= count <= most]
    tries = [(*search((low + high) / 2, count, counts[0], 3)[::-1], count) for count in frames]
    _, x, frames = min(tries, key=lambda one: one[0])
    for count in counts[1:]:
        x, _ = search(x, frames, count, 12)
    round_ones = np.log([float(f"{value:.{DIGITS}g}") for value in np.exp(x)])
    usual = [np.median(np.abs(errors(values, frames, counts[-1]))) for values in (x, round_ones)]
    if usual[1] <= max(usual[0], EXACT**0.5):  # where a few steps cannot be explained, the rest decides
        x = round_ones
    return robot_of(x, frames)


def fit_weights(parts, rewards, rounds=20):
    """The unknown weights of a reward's parts [K], by name, in TASK; what the robot gets wrong counts ever less."""
    unknown = [name for name in parts if f"_{name}" in RANGES]
    rest = rewards - sum(TASK[name] * part for name, part in parts.items() if name not in unknown)
    columns, weight = np.stack([parts[name] for name in unknown], axis=1), np.ones(len(rest))
    for _ in range(rounds):
        found = np.linalg.lstsq(columns * weight[:, None], rest * weight, rcond=None)[0]
        error = np.abs(columns @ found - rest)
        weight = 1 / (error + np.median(error) + 1e-9)
    TASK.update(zip(unknown, found.tolist()))


def fit_least_height(heights, terminated):
    """The lower limit of health, where nothing else ends an episode."""
    _, high = TASK["healthy_z_range"]
    TASK["healthy_z_range"] = (-limits(-heights[:, None], terminated)[0], high)
