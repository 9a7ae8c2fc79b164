"""In which order and in what pieces transitions reach a program.

In a trajectory the input of step t + 1 is the answer to step t. So a program gets one time step of all episodes after
the other: a row's own successor is never in its message, nor in an earlier one.
"""

from __future__ import annotations

import numpy as np

from cwmb.types import Bools, Floats, Ints

MAX_ROWS = 64  # in a message
MAX_BYTES = 64 << 10


def messages(steps: Ints, row_bytes: int) -> tuple[Ints, list[int]]:
    """The order in which the transitions are sent [n], and how many are in each message.

    They go in time order; a message holds rows of one time step only, and a bounded number of them.
    """
    order = np.argsort(steps, kind="stable")
    return order, _sizes(steps, row_bytes)


def episodes_in_turn(episodes: Ints, steps: Ints, row_bytes: int) -> tuple[Ints, list[int], Bools]:
    """The order in which whole episodes are rolled out [n], how many rows are in each message, which rows come first.

    A message holds rows of one episode only.
    """
    order = np.lexsort((steps, episodes))
    first = np.r_[True, np.diff(episodes[order]) != 0][: len(order)]
    return order, _sizes(episodes, row_bytes), first


def _sizes(groups: Ints, row_bytes: int) -> list[int]:
    """Sizes of messages of which none holds rows of two groups, the groups in ascending order."""
    most = max(1, min(MAX_ROWS, MAX_BYTES // row_bytes))
    counts = np.unique(groups, return_counts=True)[1].tolist()
    return [min(most, count - start) for count in counts for start in range(0, count, most)]


def table(index: Ints, observations: Floats, actions: Floats) -> Floats:
    """What a program gets of each transition [n, 1 + D + A]: its index, observation and action."""
    return np.ascontiguousarray(np.concatenate([index[:, None].astype(np.float64), observations, actions], axis=1))
