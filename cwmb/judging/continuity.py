"""Whether a program goes on from where its own steps have led it, as planners need it to.

Scoring sets the state before every transition, planners set it once. A program that returns the next state without
keeping it predicts everything and plans nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cwmb.judging.scoring import beyond, change
from cwmb.types import OK, Ints, Transitions

if TYPE_CHECKING:
    from cwmb.sandbox.predicting import Respondent

PAIRS = 20  # of successive transitions that are tried


def lost(fresh: Respondent, truth: Transitions, tolerance: float | None) -> float | None:
    """The share of pairs of steps in which the state that the first one led to is lost; None if there are none to try.

    A pair is two recorded transitions, one after the other. The program is set on the first observation and takes both
    actions; and it is set on what it said of the first action, and takes the second. It may know more than it says (a
    velocity before it is clipped), so where both ways differ the state is lost only if the first is further off.
    tolerance: see cwmb.judging.scoring.beyond.
    """
    first, second = _pairs(truth)
    count = len(first)
    if not count:
        return None
    both = truth.take(np.column_stack([first, second]).ravel())
    numbers = np.arange(count)
    rolled = fresh.roll_out(replace(both, episodes=np.repeat(numbers, 2), steps=np.tile([0, 1], count)))
    said, went_on = rolled.observations[::2], rolled.observations[1::2]
    tried = (rolled.status[::2] == OK) & np.isfinite(said).all(axis=1) & ~rolled.done[::2] & (rolled.status[1::2] == OK)
    if not tried.any():
        return None
    last = truth.take(second[tried])
    began_anew = fresh.predict(replace(last, observations=said[tried], steps=np.zeros_like(last.steps)))
    anew, scale = began_anew.observations, change(truth)
    away, near = (np.abs(o - last.next_observations) / scale for o in (went_on[tried], anew))
    differs = beyond(went_on[tried], anew, tolerance).any(axis=1)
    worse = ~(away.mean(axis=1) <= near.mean(axis=1))  # NaN is worse
    return float((differs & worse & (began_anew.status == OK)).mean())


def _pairs(truth: Transitions) -> tuple[Ints, Ints]:
    """Rows [K] of transitions that changed something and did not end an episode, and of those that followed."""
    order = np.lexsort((truth.steps, truth.episodes))
    first, second = order[:-1], order[1:]
    follows = (truth.episodes[first] == truth.episodes[second]) & (truth.steps[first] + 1 == truth.steps[second])
    moved = (truth.observations[first] != truth.next_observations[first]).any(axis=1)
    found = np.flatnonzero(follows & moved & ~truth.terminated[first])
    chosen = found[np.linspace(0, len(found) - 1, min(PAIRS, len(found))).round().astype(np.int64)]
    return first[chosen], second[chosen]
