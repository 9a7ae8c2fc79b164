"""In which order and in what pieces transitions reach a program.

In a trajectory the input of step t + 1 is the answer to step t. So a program gets one time step of all episodes after
the other: a row's own successor is never in its message, nor in an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cwmb.types import Floats, Ints

MAX_ROWS = 64  # in a message
MAX_BYTES = 64 << 10


def messages(steps: Ints, row_bytes: int) -> Iterator[Ints]:
    """The transitions [n] of each message, in time order; rows of one time step only, and a bounded number of them."""
    if not len(steps):
        return
    order = np.argsort(steps, kind="stable")
    rows = max(1, min(MAX_ROWS, MAX_BYTES // row_bytes))
    for same_step in np.split(order, np.flatnonzero(np.diff(steps[order])) + 1):
        for start in range(0, len(same_step), rows):
            yield same_step[start : start + rows]


def table(index: Ints, observations: Floats, actions: Floats) -> Floats:
    """What a program gets of each transition [n, 1 + D + A]: its index, observation and action."""
    return np.ascontiguousarray(np.concatenate([index[:, None].astype(np.float64), observations, actions], axis=1))
