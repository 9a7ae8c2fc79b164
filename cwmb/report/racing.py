"""Several strategies on the same cells: paired differences to the first one, and their searches at equal spending."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from cwmb.errors import CwmbError
from cwmb.report.anytime import CHECKPOINTS, Curve, Point, curves
from cwmb.report.comparison import Pair, one_configuration
from cwmb.report.configuration import Configuration
from cwmb.report.frame import read_runs
from cwmb.report.results import METRICS, main_table, notes, scope, spend_table
from cwmb.report.statistics import bootstrap_interval, mean, probability_of_improvement
from cwmb.report.table import Column, Table, Value
from cwmb.types import Floats, Usage

# What a search spends, by unit; None where a price is unknown.
SPENT: Mapping[str, Callable[[Usage], float | None]] = {
    "calls": lambda usage: usage.calls,
    "tokens": lambda usage: usage.prompt_tokens + usage.completion_tokens,
    "dollars": lambda usage: usage.dollars,
}
COSTS = {"calls": ("calls",), "tokens": ("prompt_tokens", "completion_tokens"), "dollars": ("dollars",)}
STEPS = (1, 2, 5)  # of the levels of tokens and dollars, times powers of ten
DECADES = 2  # of them below the most that a search spent

Lane = tuple[str, dict[tuple[str, int], Curve]]  # a contender and its searches by cell


def race_tables(paths: Sequence[Path]) -> list[Table]:
    """The results of each run, their differences to the first one, the spend, and the searches at equal spending.

    Raises:
        CwmbError: fewer than two runs, one of several configurations, runs that differ in what must be the same, or
            that share no cell.
    """
    if len(paths) < 2:
        raise CwmbError("a race needs at least two strategies: name another one")
    runs = read_runs(paths)
    found = [one_configuration(run)[0] for run in runs]
    lanes = [_lane(c, curves([run])) for c, run in zip(found, runs, strict=True)]
    shared = set.intersection(*(set(cells) for _, cells in lanes))
    if not shared:
        raise CwmbError("the runs share no environment and seed with a score: there is nothing to compare")
    lanes = [(name, {cell: cells[cell] for cell in sorted(shared)}) for name, cells in lanes]
    return [main_table(found), _differences(found), spend_table(found), _at_equal_spending(found, lanes)]


def _lane(configuration: Configuration, found: Sequence[Curve]) -> Lane:
    return configuration.label, {(c.record.environment, c.record.seed): c for c in found}


def _differences(found: Sequence[Configuration]) -> Table:
    """Paired with the first one: figures, and what they cost, averaged over environments."""
    columns = (
        Column("strategy", "strategy"),
        Column("metric", "metric"),
        Column("cells", "cells"),
        Column("value", "value", digits=3),
        Column("difference", "difference", digits=3),
        Column("low", "low", digits=3),
        Column("high", "high", digits=3),
        Column("probability", "P(better)"),
        Column("resampled", "resampled", detail=True),
    )
    rows: list[tuple[Value, ...]] = []
    for other in found[1:]:
        pair = Pair(other, found[0])
        measured = {title: (name,) for name, title in METRICS.items()} | COSTS
        for title, names in measured.items():
            strata = [np.sum(parts, axis=0) for parts in zip(*map(pair.differences, names), strict=True)]
            if not strata:
                continue
            interval = bootstrap_interval(strata, mean)
            better = [-d for d in strata] if title in COSTS else strata
            rows.append(
                (
                    other.label,
                    title,
                    sum(map(len, strata)),
                    float(sum(pair.a.averages(name).mean() for name in names)),
                    float(np.mean([d.mean() for d in strata])),
                    interval.low if interval else None,
                    interval.high if interval else None,
                    probability_of_improvement(better),
                    interval.resampled if interval else None,
                )
            )
    return Table(
        "race",
        f"Each strategy less {found[0].label}, on the cells that both have, averaged over environments. "
        f"{scope(found)} low and high bound the 95 % bootstrap interval of the difference. P(better): the chance that "
        "a cell's result is the better one (the higher figure, the smaller spending), ties half.",
        columns,
        tuple(rows),
        notes(found),
    )


def _at_equal_spending(found: Sequence[Configuration], lanes: Sequence[Lane]) -> Table:
    """The best training score so far, when every search has spent the same; one that has ended keeps what it found."""
    columns = (
        Column("unit", "unit"),
        Column("spent", "spent"),
        Column("strategy", "strategy"),
        Column("cells", "cells"),
        Column("train", "train", digits=3),
        Column("difference", "difference", digits=3),
        Column("low", "low", digits=3),
        Column("high", "high", digits=3),
    )
    rows: list[tuple[Value, ...]] = []
    for unit, spent in SPENT.items():
        for level in _levels(unit, [spent(c.points[-1].usage) for _, cells in lanes for c in cells.values()]):
            scores = [_scores(cells, spent, level) for _, cells in lanes]
            for (name, _), own in zip(lanes, scores, strict=True):
                strata = [a - b for a, b in zip(own.values(), scores[0].values(), strict=True)]
                interval = None if own is scores[0] else bootstrap_interval(strata, mean)
                rows.append(
                    (
                        unit,
                        level,
                        name,
                        sum(map(len, own.values())),
                        float(np.mean([values.mean() for values in own.values()])),
                        None if own is scores[0] else float(np.mean([d.mean() for d in strata])),
                        interval.low if interval else None,
                        interval.high if interval else None,
                    )
                )
    return Table(
        "race at equal spending",
        "The best training score when each search has spent so much, averaged over environments; differences are to "
        f"{lanes[0][0]} in the same cells. {scope(found)} A search that has ended keeps what it found.",
        columns,
        tuple(rows),
        notes(found),
    )


def _scores(
    cells: Mapping[tuple[str, int], Curve], spent: Callable[[Usage], float | None], level: float
) -> dict[str, Floats]:
    """For each environment the best training scores of its cells when so much was spent."""
    by_environment: dict[str, list[float]] = {}
    for (environment, _), curve in cells.items():
        by_environment.setdefault(environment, []).append(_after(curve.points, spent, level).train_accuracy)
    return {name: np.array(values) for name, values in by_environment.items()}


def _after(points: Sequence[Point], spent: Callable[[Usage], float | None], level: float) -> Point:
    """The last point that had cost no more."""
    return [p for p in points if (spent(p.usage) or 0.0) <= level][-1]


def _levels(unit: str, totals: Sequence[float | None]) -> list[float]:
    """Round amounts up to the most that a search spent, and that; none where a price is unknown or nothing was paid."""
    known = [t for t in totals if t is not None]
    most = max(known, default=0.0)
    if len(known) < len(totals) or not most:
        return []
    if unit == "calls":
        return [*(n for n in CHECKPOINTS if n < most), most]
    top = int(np.ceil(np.log10(most)))
    steps = [float(f"{s}e{p}") for p in range(top - DECADES, top) for s in STEPS]
    return [*(s for s in steps if s < most), most]
