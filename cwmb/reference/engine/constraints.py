"""Soft constraints: how limits and contacts push, and the accelerations that they leave."""

import numpy as np


class Softness:
    """The spring, the damper and the impedance of M constraints, as arrays [M]."""

    def __init__(self, timestep, solrefs, solimps, weights):
        constant, ratio = np.array(solrefs, dtype=float).T
        low, high, width, midpoint = np.array(solimps, dtype=float).T
        constant, low = np.maximum(constant, 2 * timestep), np.maximum(low, 1e-4)
        rise = (high - low) / midpoint
        spring, damper = 1 / (high * constant * ratio) ** 2, 2 / (high * constant)
        self.table = np.array([-spring, damper, low, rise, rise / (1 - midpoint), -1 / width, midpoint, weights])

    def __call__(self, chosen, depth):
        """(push, damper, stiffness) of the chosen constraints [P] at depths [P], which are negative.

        push: the acceleration that the spring asks for; damper: what to subtract from it per velocity; stiffness: the
        inverse regulariser. The impedance rises with the depth along one parabola up to the midpoint, another beyond.
        """
        spring, damper, low, rise, bend, narrow, midpoint, weight = self.table.take(chosen, 1)
        x = np.minimum(narrow * depth, 1.0)
        beyond = np.maximum(x - midpoint, 0.0)
        impedance = low + rise * x * x - bend * beyond * beyond
        return spring * impedance * depth, damper, impedance / ((1.0 - impedance) * weight)


def packed(states, count, *parts):
    """Parts [P, ...] that belong to states [P] as [K, C, ...]: each state's own first, then zeros."""
    if count == 1:
        return [part[None] for part in parts]
    order = states.argsort(kind="stable")
    states = states[order]
    slots = np.arange(len(states)) - states.searchsorted(states)
    found = [np.zeros((count, slots.max(initial=0) + 1, *part.shape[1:]), part.dtype) for part in parts]
    for whole, part in zip(found, parts):
        whole[states, slots] = part[order]
    return found


def constrained(mass, force, rows, target, stiffness, guess):
    """The accelerations a [K, N] that minimise a' mass a / 2 - force' a + sum(stiffness min(0, rows a - target)^2) / 2.

    Newton's method: between two changes of the set of rows that push, the cost is a parabola whose minimum is one
    linear system away. Starts from the set that pushes at the guess. (mass [K, N, N], rows [K, C, N], target and
    stiffness [K, C].)
    """
    solution = np.empty_like(force)
    todo = None
    pushes = stiffness * (np.matmul(rows, guess[..., None])[..., 0] < target)
    for _ in range(8):
        found, again = newton(mass, force, rows, target, stiffness, pushes)
        moved = again != pushes
        if todo is None and not moved.any():
            return found
        moved = moved.any(axis=1)
        todo = np.arange(len(force)) if todo is None else todo
        solution[todo] = found
        if not moved.any():
            return solution
        todo, pushes = todo[moved], again[moved]
        mass, force, rows, target, stiffness = mass[moved], force[moved], rows[moved], target[moved], stiffness[moved]
    solution[todo] = searched(mass, force, rows, target, stiffness, solution[todo])
    return solution


def newton(mass, force, rows, target, stiffness, pushes):
    """The accelerations that are right if exactly the rows with a stiffness in ``pushes`` push; and which then do."""
    pushing = np.swapaxes(rows * pushes[..., None], 1, 2)
    right = force[..., None] + np.matmul(pushing, target[..., None])
    found = np.linalg.solve(mass + np.matmul(pushing, rows), right)
    return found[..., 0], stiffness * (np.matmul(rows, found)[..., 0] < target)


def searched(mass, force, rows, target, stiffness, start):
    """What ``constrained`` finds, by steps of the best length, which can't go in circles."""
    for _ in range(50):
        slack = np.matmul(rows, start[..., None])[..., 0] - target
        goal, _ = newton(mass, force, rows, target, stiffness, stiffness * (slack < 0))
        step = goal - start
        along = np.matmul(rows, step[..., None])[..., 0]
        pull = np.matmul(mass, step[..., None])[..., 0]
        slope = ((np.matmul(mass, start[..., None])[..., 0] - force) * step).sum(1), (pull * step).sum(1)
        low, high = np.zeros(len(start)), np.ones(len(start))
        for _ in range(40):
            middle = (low + high) / 2
            push = stiffness * np.minimum(slack + middle[:, None] * along, 0) * along
            rising = slope[0] + middle * slope[1] + push.sum(1) > 0
            low, high = np.where(rising, low, middle), np.where(rising, middle, high)
        start = start + high[:, None] * step
        if np.abs(step).max() < 1e-10 * (1 + np.abs(start).max()):
            break
    return start
