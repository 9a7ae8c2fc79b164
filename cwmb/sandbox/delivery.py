"""In which order and in what pieces transitions reach a program, and what is sent of each.

A row is an observation and an action, and nothing else. In a trajectory the input of step t + 1 is the answer to step
t, so a program gets one time step of all episodes after the other: a row's own successor is never in its message, nor
in an earlier one. Within a time step the order is one that the program cannot foresee. So all that a program has got
when it answers a row would be the same, byte for byte, if the episode ended there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cwmb.seeds import Purpose, unforeseen
from cwmb.types import Floats, Ints, Program, Transitions

MAX_ROWS = 64  # in a message
MAX_BYTES = 64 << 10


@dataclass(frozen=True, eq=False)
class Delivery:
    """Rows in the order in which a program gets them.

    order: which transition each row is [n]; rows: float64 [n, D + A], observation and action, an observation of NaN
    where the program is to go on from the state that it is in; sizes: how many rows each message holds.
    """

    order: Ints
    rows: Floats
    sizes: list[int]

    def __len__(self) -> int:
        return len(self.order)


def in_time_order(transitions: Transitions, program: Program, seed: int) -> Delivery:
    """All transitions, step after step of all episodes. A message holds rows of one time step only.

    Each row draws its place within its step, and those of earlier steps draw first: what comes later changes nothing.
    """
    by_step = np.argsort(transitions.steps, kind="stable")
    draws = unforeseen(seed, "", Purpose.DELIVERY, program.source).random(len(by_step))
    order = by_step[np.lexsort((draws, transitions.steps[by_step]))]
    rows = _rows(transitions, order)
    return Delivery(order, rows, _sizes(transitions.steps, rows))


def one_by_one(transitions: Transitions, order: Ints) -> Delivery:
    """Some transitions in the order given, each in a message of its own."""
    return Delivery(order, _rows(transitions, order), [1] * len(order))


def episodes_in_turn(transitions: Transitions) -> Delivery:
    """Whole episodes, one after the other, of which only the first observation is shown."""
    order = np.lexsort((transitions.steps, transitions.episodes))
    rows = _rows(transitions, order)
    goes_on = np.diff(transitions.episodes[order], prepend=np.nan) == 0
    rows[goes_on, : transitions.observations.shape[1]] = np.nan
    return Delivery(order, rows, _sizes(np.zeros_like(order), rows))


def _rows(transitions: Transitions, order: Ints) -> Floats:
    columns = (transitions.observations[order], transitions.actions[order])
    return np.ascontiguousarray(np.concatenate(columns, axis=1), dtype=np.float64)


def _sizes(groups: Ints, rows: Floats) -> list[int]:
    """Sizes of messages of which none holds rows of two groups, the groups in ascending order."""
    most = max(1, min(MAX_ROWS, MAX_BYTES // (8 * rows.shape[1])))
    counts = np.unique(groups, return_counts=True)[1].tolist()
    return [min(most, count - start) for count in counts for start in range(0, count, most)]
