"""Constants whose range depends on other constants: maps of the toy text environments.

Each function draws one from a generator and the constants drawn so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Values = Mapping[str, Any]
TAXI_SIZE = 5


def other_action(rng: np.random.Generator, known: Values) -> int:
    """Action 0: a player who knows the original would do the opposite of what is meant."""
    return 0


def cliff_row(rng: np.random.Generator, known: Values) -> int:
    """Any row but the first."""
    return int(rng.integers(1, known["rows"]))


def cliff_first(rng: np.random.Generator, known: Values) -> int:
    """One of the first three columns."""
    return int(rng.integers(0, 3))


def cliff_last(rng: np.random.Generator, known: Values) -> int:
    """One of the last columns, but for the very last, so that there is a way round."""
    return int(rng.integers(known["columns"] - 4, known["columns"] - 1))


def free_cell(rng: np.random.Generator, known: Values) -> list[int]:
    """A cell that is neither on the cliff nor the start."""
    while True:
        row, column = int(rng.integers(known["rows"])), int(rng.integers(known["columns"]))
        on_cliff = row == known["cliff_row"] and known["cliff_first"] <= column <= known["cliff_last"]
        if not on_cliff and [row, column] != known.get("start"):
            return [row, column]


def wind_first(rng: np.random.Generator, known: Values) -> int:
    """One of the first four columns."""
    return int(rng.integers(0, 4))


def wind_last(rng: np.random.Generator, known: Values) -> int:
    """One of the last four columns."""
    return int(rng.integers(known["columns"] - 4, known["columns"]))


def walls(rng: np.random.Generator, known: Values) -> list[list[int]]:
    """Five to eight walls between columns, at most three between the same two, so that every cell can be reached."""
    borders = [(row, column) for column in range(TAXI_SIZE - 1) for row in range(TAXI_SIZE)]
    while True:
        chosen = rng.choice(len(borders), size=int(rng.integers(5, 9)), replace=False)
        found = sorted(borders[i] for i in chosen)
        if max(np.bincount([column for _, column in found])) <= 3:
            return [list(cell) for cell in found]


def stands(rng: np.random.Generator, known: Values) -> list[list[int]]:
    """Four different cells."""
    chosen = rng.choice(TAXI_SIZE**2, size=4, replace=False)
    return [[int(cell) // TAXI_SIZE, int(cell) % TAXI_SIZE] for cell in chosen]
