"""Figures of a cell, recorded against recomputed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Literal

import numpy as np

from cwmb.harness.episodes import Episode, summary
from cwmb.harness.records import Planning, Score
from cwmb.judging.scoring import Marks, Rules, reward_classes, weights
from cwmb.types import Evaluation, Transitions

Verdict = Literal["confirmed", "consistent", "not checkable", "different"]
VERDICTS: tuple[Verdict, ...] = ("confirmed", "consistent", "not checkable", "different")  # from good to bad

TIMING = 0.1  # of a score: what a program that ran out of time may get more or less on another machine
SPREAD = 3.0  # standard errors within which two measurements of one thing agree


@dataclass(frozen=True)
class Figure:
    """One figure of a cell. recorded, recomputed: its headline values, where it has any; note: what was found."""

    name: str
    verdict: Verdict
    recorded: float | str | None = None
    recomputed: float | str | None = None
    note: str = ""


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The worst of some verdicts."""
    return max(verdicts, key=VERDICTS.index, default="confirmed")


def same(name: str, recorded: Any, recomputed: Any, note: str = "") -> Figure:
    """A figure that is equal or different."""
    if recorded == recomputed:
        return Figure(name, "confirmed", _headline(recorded), _headline(recomputed))
    first = next(_differences(recorded, recomputed))
    return Figure(name, "different", _headline(recorded), _headline(recomputed), note or _said(*first))


def scores(
    name: str, recorded: Score | Evaluation | None, recomputed: Score | Evaluation | None, *, exact: bool
) -> Figure:
    """Two scores of a program on the same transitions.

    exact: whether versions and processor are the same, so that they must be equal. Else they may be one transition of
    n apart; anywhere a tenth of all where the program ran out of time both times.
    """
    values = (recorded.accuracy if recorded else None, recomputed.accuracy if recomputed else None)
    if recorded == recomputed:
        return Figure(name, "confirmed", *values)
    if recorded is None or recomputed is None:
        return Figure(name, "different", *values, note="one of the two is missing")
    late = all(x.failure is not None and x.failure.kind == "timeout" for x in (recorded, recomputed))
    allowed = TIMING if late else 0.0 if exact else 1 / max(1, recomputed.n)
    for path, before, now in _differences(recorded, recomputed):
        if not _close_score(path, before, now, allowed, recomputed, late):
            return Figure(name, "different", *values, note=_said(path, before, now))
    return Figure(name, "consistent", *values, note=_said(*next(_differences(recorded, recomputed))))


def _close_score(path: str, before: Any, now: Any, allowed: float, score: Score | Evaluation, late: bool) -> bool:
    part = path.split(".")[0]
    if part in ("n", "floor", "ceiling") or type(before) is bool or type(now) is bool:
        return False
    if part == "failure":  # its text tells the time and where the program was
        return late and not path.endswith("kind")
    if not (isinstance(before, (int, float)) and isinstance(now, (int, float))):
        return False
    if allowed == 0.0:
        return False
    if part == "mistakes":  # what was said of a transition that was shown: the last digits
        return math.isclose(before, now, rel_tol=1e-6, abs_tol=1e-9)
    if part == "horizon":
        length = score.horizon.length if isinstance(score, Score) and score.horizon else 0.0
        return abs(before - now) <= 1 + 0.1 * length
    if part == "skill" and isinstance(score, Score) and score.ceiling is not None:
        allowed /= score.ceiling - score.floor
    return abs(before - now) <= allowed


def derived_planning(recorded: Planning, derived: Planning) -> Figure:
    """A planning result and what follows from the episodes in the ledger, which it must be made of."""
    values = recorded.return_mean, derived.return_mean
    if recorded == derived:
        return Figure("planning", "confirmed", *values)
    first = next(_differences(recorded, derived))
    near = recorded.normalised_sem or 0.0
    for path, before, now in _differences(recorded, derived):
        # The oracle may have been measured to more episodes since.
        numbers = isinstance(before, float) and isinstance(now, float)
        if not (path.startswith("normalised_") and numbers and abs(before - now) <= near):
            return Figure("planning", "different", *values, note=_said(path, before, now))
    return Figure("planning", "consistent", *values, note=_said(*first))


def episodes(recorded: Sequence[Episode], again: Sequence[Episode], *, exact: bool) -> Figure:
    """The first episodes, planned again.

    exact: whether they must be equal. Else, and where one ran out of time, their means may be two standard errors of
    the difference apart. Those for which there was no time are left out; if there is time for more now, that is said.
    """
    more = len([e for e in again if not e.cut]) > len([e for e in recorded if not e.cut])
    recorded, again = ([e for e in part if not e.cut] for part in (recorded, again))
    again = again[: len(recorded)]
    if not again:
        return Figure("episodes", "not checkable", note="none was planned again")
    first = recorded[: len(again)]
    count = f"{len(again)} of {len(recorded)} episodes"
    if more:
        count += ", and there was time for another one"
    (before, before_error), (now, now_error) = (summary([e.total for e in part]) for part in (first, again))
    if list(first) == list(again):
        return Figure("episodes", "consistent" if more else "confirmed", before, now, count)
    if len(again) == 1:  # it has no scatter: take that of all
        before_error = summary([e.total for e in recorded])[1] * math.sqrt(len(recorded))
    late = any(e.limited for e in (*first, *again))
    near = abs(before - now) <= 2 * math.hypot(before_error, now_error)
    odd = next(i for i, (a, b) in enumerate(zip(first, again, strict=True)) if a != b)
    note = f"{count}; episode {odd} returned {first[odd].total:.6g}, now {again[odd].total:.6g}"
    return Figure("episodes", "consistent" if near and (late or not exact) else "different", before, now, note)


def standard_error(truth: Transitions, marks: Marks, rules: Rules) -> float:
    """Of an accuracy, from the scatter between episodes: transitions of one episode go wrong together.

    The linearised estimator of a mean over clusters, each transition at the weight that it has in the accuracy, about
    the mean of its reward class.
    """
    weight, classes = weights(truth, marks.terminal, rules), reward_classes(truth, rules)
    if classes is None:
        classes = np.zeros(len(truth), np.int64)
    means = np.bincount(classes, weights=weight * marks.score) / np.bincount(classes, weights=weight)
    clusters = np.unique(truth.episodes, return_inverse=True)[1]
    scatter = np.bincount(clusters, weights=weight * (marks.score - means[classes]))
    return float(np.sqrt((scatter**2).sum()))


def fresh(public: tuple[float, float], new: tuple[float, float], floor: float, n: int) -> Figure:
    """A program's accuracy, with its standard error, on the public test set and on one of n that nobody has seen."""
    gap, allowed = public[0] - new[0], SPREAD * math.hypot(public[1], new[1]) + 1 / n
    note = f"{n} transitions, floor {floor:.4f}; {public[0]:.4f} became {new[0]:.4f}, chance explains {allowed:.4f}"
    return Figure("fresh", "consistent" if gap <= allowed else "different", public[0], new[0], note)


def elsewhere(accuracy: float, error: float, floor: float, n: int) -> Figure:
    """What a program that learns reaches in a world drawn for the verification; no claim is compared with it."""
    note = f"learned anew in a world drawn now: {accuracy:.4f} ± {error:.4f} of {n} transitions, floor {floor:.4f}"
    return Figure("another world", "not checkable", None, accuracy, note)


def _differences(recorded: Any, recomputed: Any) -> Iterator[tuple[str, Any, Any]]:
    """The leaves in which two values differ: path, first, second."""
    return _walk("", _plain(recorded), _plain(recomputed))


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _walk(path: str, a: Any, b: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            yield from _walk(f"{path}.{key}" if path else key, a.get(key), b.get(key))
    elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _walk(f"{path}.{index}", x, y)
    elif a != b:
        yield path, a, b


def _said(path: str, before: Any, now: Any) -> str:
    shown = [ascii(x) if isinstance(x, str) else str(x) for x in (before, now)]
    before, now = (x if len(x) <= 60 else x[:59] + "…" for x in shown)
    return f"{path} is {before}, recomputed {now}" if path else f"is {before}, recomputed {now}"


def _headline(value: Any) -> float | str | None:
    return value if isinstance(value, (int, float, str)) or value is None else None
