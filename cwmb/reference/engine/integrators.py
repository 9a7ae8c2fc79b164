"""One frame in time. ``forward(q, v, motors, guess)`` gives accelerations and mass matrix, ``move`` moves positions."""

import numpy as np


def euler(forward, move, q, v, motors, guess, timestep, damping):
    """Semi-implicit Euler: the damping acts at the end of the frame, and positions move with the new velocity."""
    acceleration, mass = forward(q, v, motors, guess)
    resisted = mass + timestep * np.diag(damping)
    slowed = np.linalg.solve(resisted, np.matmul(mass, acceleration[..., None]))[..., 0]
    v = v + timestep * slowed
    return move(q, v, timestep), v, acceleration


def runge_kutta(forward, move, q, v, motors, guess, timestep):
    """The classical method of fourth order."""
    half = timestep / 2
    a1, _ = forward(q, v, motors, guess)
    v2 = v + half * a1
    a2, _ = forward(move(q, v, half), v2, motors, a1)
    v3 = v + half * a2
    a3, _ = forward(move(q, v2, half), v3, motors, a2)
    v4 = v + timestep * a3
    a4, _ = forward(move(q, v3, timestep), v4, motors, a3)
    q = move(q, (v + 2 * (v2 + v3) + v4) / 6, timestep)
    return q, v + timestep / 6 * (a1 + 2 * (a2 + a3) + a4), a4
