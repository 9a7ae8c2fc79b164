"""Finding constants: what the methods ``fit`` of the reference programs share.

A number of the worlds has few digits, so of all values that explain the data the roundest is the likeliest.
"""

import itertools  # noqa: F401 - for the parts behind this one
import math

import numpy as np


def set_constants(environment, values):
    """Give an environment other constants, and let it derive anew what depends on them."""
    for name, value in values.items():
        setattr(environment, name, value)
    environment.__init__()


def one_step(environment, observations, actions):
    """What an environment says of transitions: (next observations [N, D], rewards [N], done [N])."""
    said = []
    for observation, action in zip(observations, actions):
        environment.set_state(observation)
        said.append(environment.step(action))
    following, rewards, done = zip(*said)
    return np.array(following), np.array(rewards), np.array(done)


def usual(values):
    """The most frequent value."""
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()])


def roundest(low, high):
    """The number with the fewest significant digits in [low, high], of several the one nearest to the middle."""
    middle = (low + high) / 2
    for digits in range(1, 16):
        if middle == 0 or not math.isfinite(middle):
            break
        unit = 10.0 ** (math.floor(math.log10(abs(middle))) + 1 - digits)
        value = float(f"{round(middle / unit) * unit:.15g}")
        if low <= value <= high:
            return value
    return middle


def bound(values):
    """A limit that values are cut off at, from the largest ones recorded, which are rounded to float32."""
    largest = float(np.max(values))
    return roundest(*sorted((largest * (1 - 1e-7), largest * (1 + 1e-7))))


def limits(sizes, done):
    """The limits of which at least one is exceeded where an episode ends. sizes [N, M]; returns M numbers."""
    inner = sizes[~done].max(axis=0)  # what goes on is within all
    found = []
    for i, low in enumerate(inner):
        others = np.delete(sizes > inner, i, axis=1).any(axis=1)
        alone = sizes[done & ~others, i]
        high = alone.min() if len(alone) else low + abs(low) * 0.01
        found.append(roundest(low, high) if low < high else float(low))
    return found


def least_squares(residuals, start, rounds=60, enough=0.0):
    """Levenberg's and Marquardt's method: (parameters, sum of squares). residuals: of parameters [P], an array [R].

    enough: a mean square at which to stop.
    """
    x, r = np.array(start, dtype=np.float64), residuals(start)
    damping, nudge = 1e-2, 1e-6
    for _ in range(rounds):
        columns = [(residuals(x + nudge * unit) - r) / nudge for unit in np.eye(len(x))]
        jacobian = np.array(columns).T
        square, slope, before = jacobian.T @ jacobian, jacobian.T @ r, r @ r
        for _ in range(12):
            scale = np.diag(square) + 1e-9 * np.trace(square) + 1e-30
            move = np.clip(-np.linalg.solve(square + damping * np.diag(scale), slope), -0.7, 0.7)
            new = residuals(x + move)
            if new @ new < before:
                x, r, damping = x + move, new, max(damping / 10, 1e-12)
                break
            damping *= 5
        if r @ r >= before * (1 - 1e-7) or r @ r <= enough * len(r):
            break
    return x, float(r @ r)


def adjust(environment, ranges, observations, actions, following, starts=6, enough=1e-10, rounds=60, begin=None):
    """Set constants, all positive, so that steps lead where they did; returns the mean square of what is left.

    ranges: (least, greatest) of each by name; begins in the middle of all ranges unless values to begin with are given,
    and elsewhere until it is enough.
    """
    scale = np.sqrt(np.mean((following - observations) ** 2, axis=0)) + 1e-12
    low, high = np.log([sorted(np.abs(r)) for r in ranges.values()]).T
    sign = np.sign([r[0] for r in ranges.values()])
    first = (low + high) / 2 if begin is None else np.log(np.abs([begin[name] for name in ranges]))

    def values(x):
        return dict(zip(ranges, (sign * np.exp(x)).tolist()))

    def residuals(x):
        set_constants(environment, values(x))
        found = one_step(environment, observations, actions)[0]
        return np.nan_to_num((found - following) / scale, nan=1e3, posinf=1e3, neginf=-1e3).ravel()

    rng, best = np.random.default_rng(0), None
    for start in range(starts):
        x, left = least_squares(residuals, low + (high - low) * rng.random(len(low)) if start else first, rounds)
        if best is None or left < best[1]:
            best = x, left
        if best[1] < enough * following.size:
            break
    set_constants(environment, values(best[0]))
    return best[1] / following.size


def frames_of(ways, speeds, speeds_after, frame):
    """How many frames a step may have: what moves on freely goes about its length times the speed on the way."""
    mean = (speeds + speeds_after) / 2
    fast = np.abs(mean) > np.median(np.abs(mean), axis=0)
    frames = round(float(np.median(ways[fast] / mean[fast])) / frame)
    return frames - 1, frames, frames + 1


def adjust_frames(environment, names, observations, actions, following, frames=range(99), some=60, rounds=12):
    """The same for each of these numbers of frames that a step may have (SUBSTEPS).

    For each a few rounds with some transitions; then all of them with what explains those best.
    """
    ranges, (least, most), found = {name: RANGES[name] for name in names}, RANGES["SUBSTEPS"], []
    few = slice(None, None, max(len(observations) // some, 1))
    for count in frames:
        if least <= count <= most:
            environment.SUBSTEPS = count
            left = adjust(environment, ranges, observations[few], actions[few], following[few], 1, 0, rounds)
            found.append((left, count, {name: getattr(environment, name) for name in names}))
    _, environment.SUBSTEPS, begin = min(found, key=lambda one: one[0])
    adjust(environment, ranges, observations, actions, following, 1, begin=begin)
