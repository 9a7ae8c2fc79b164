"""Two runs, compared on the cells that they share.

Cells of one environment and seed draw the same random numbers whatever the strategy and model, so their difference says
more than that of two averages.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cwmb.errors import CwmbError
from cwmb.report.anytime import anytime_table, curves
from cwmb.report.configuration import GROUPS, Configuration, configurations
from cwmb.report.frame import Run, frame, read_runs
from cwmb.report.results import METRICS, identity, notes, scope, spend_table
from cwmb.report.statistics import bootstrap_interval, mean, probability_of_improvement, standard_error
from cwmb.report.table import Column, Table, Value, estimate
from cwmb.types import Floats


def comparison_tables(run_a: Path, run_b: Path) -> list[Table]:
    """The comparison in total and by environment, the spend of both, and their searches as they go.

    Raises:
        CwmbError: a run holds several configurations, the two differ in what must be the same (protocol, data,
            descriptions), or they share no cell that has a score.
    """
    if run_a.resolve() == run_b.resolve():
        raise CwmbError(f"{run_a} is compared with itself: name two runs")
    runs = read_runs([run_a, run_b])
    found = [one_configuration(run) for run in runs]
    pairs = [pair for pair in (Pair(a, b) for a, b in _pairs(*found)) if len(pair)]
    if not pairs:
        raise CwmbError(f"{run_a} and {run_b} share no environment and seed with a score: there is nothing to compare")
    both = [c for one in found for c in one]
    return [
        _total(pairs),
        *(_by_environment(pair) for pair in pairs),
        spend_table(both),
        *anytime_table(curves(runs), both),
    ]


class Pair:
    """Rows of two configurations, matched by environment and seed: row i of a and of b is the same cell."""

    def __init__(self, a: Configuration, b: Configuration) -> None:
        index_a, index_b = (_cells(c) for c in (a, b))
        shared = [cell for cell in index_a if cell in index_b]
        self.a = a.take(np.array([index_a[cell] for cell in shared], dtype=np.int64))
        self.b = b.take(np.array([index_b[cell] for cell in shared], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.a)

    def differences(self, name: str, group: str = "all") -> list[Floats]:
        """a - b for each environment where both are known."""
        both: NDArray[Any] = self.a[name] - self.b[name]
        wanted = np.ones(len(self), dtype=bool) if group == "all" else self.a["group"] == group
        values = [both[index[wanted[index]]] for index in self.a.environments.values()]
        known = [v[~np.isnan(v)] for v in values]
        return [v for v in known if len(v)]


def _cells(configuration: Configuration) -> dict[tuple[str, int], int]:
    """The row of each cell that has a score."""
    rows = zip(configuration["environment"], configuration["seed"], configuration["scored"], strict=True)
    return {(str(name), int(seed)): i for i, (name, seed, scored) in enumerate(rows) if scored}


def one_configuration(run: Run) -> list[Configuration]:
    """A run's configuration at its budget and, where the protocol reads them off, at smaller ones."""
    found = configurations(frame([run]))
    whole = [c for c in found if not c.flags["early"]]
    if len(whole) != 1:
        names = "; ".join(f"{c.label} with {c.model}, {c.budget} calls" for c in whole)
        raise CwmbError(f"{run.path} holds {len(whole)} configurations ({names}): compare runs of one each")
    return sorted(found, key=lambda c: -c.budget)


def _pairs(a: Sequence[Configuration], b: Sequence[Configuration]) -> list[tuple[Configuration, Configuration]]:
    """Configurations of equal budgets, the largest first; the whole runs where no budgets are equal."""
    equal = [(x, y) for x in a for y in b if x.budget == y.budget]
    return equal or [(a[0], b[0])]


def _name(configuration: Configuration) -> str:
    label, model, budget = identity(configuration)
    marked = f" [{configuration.marks}]" if configuration.marks else ""
    return f"{label} with {model}, {budget} calls{marked}"


def _total(pairs: Sequence[Pair]) -> Table:
    columns = (
        Column("budget", "calls"),
        Column("metric", "metric"),
        Column("group", "actions"),
        Column("cells", "cells"),
        Column("a", "A", digits=3),
        Column("b", "B", digits=3),
        Column("difference", "A - B", digits=3),
        Column("low", "low", digits=3),
        Column("high", "high", digits=3),
        Column("resampled", "resampled"),
        Column("probability", "P(A better)"),
        Column("environments", "environments", detail=True),
        Column("budget_b", "calls of B", detail=True),
    )
    rows: list[tuple[Value, ...]] = []
    for pair in pairs:
        for name, title in METRICS.items():
            for group in GROUPS:
                strata = pair.differences(name, group)
                if strata:
                    rows.append(_difference(pair, name, title, group, strata))
    first = pairs[0]
    remarks = [f"A: {_name(first.a)}. B: {_name(first.b)}."]
    if first.a.budget != first.b.budget:
        remarks.append("The two had different budgets: what differs may be the budget's doing.")
    if any(row[9] == "environments" for row in rows):
        remarks.append(
            "With one seed an interval over seeds does not exist: those marked so come from resampling environments."
        )
    return Table(
        "comparison",
        f"Paired comparison of A and B over the cells that both have. {scope([first.a])} Differences are averaged over "
        "environments; low and high bound their 95 % bootstrap interval, seeds resampled within each environment. "
        "P(A better): the chance that A's result in a cell is the better one, ties half, averaged over environments.",
        columns,
        tuple(rows),
        (*remarks, *notes([c for pair in pairs for c in (pair.a, pair.b)])),
    )


def _difference(pair: Pair, name: str, title: str, group: str, strata: list[Floats]) -> tuple[Value, ...]:
    interval = bootstrap_interval(strata, mean)
    wanted = ~np.isnan(pair.a[name] - pair.b[name]) & ((group == "all") | (pair.a["group"] == group))
    averages = [float(side.take(wanted).averages(name).mean()) for side in (pair.a, pair.b)]
    return (
        pair.a.budget,
        title,
        group,
        int(wanted.sum()),
        *averages,
        float(np.mean([values.mean() for values in strata])),
        interval.low if interval else None,
        interval.high if interval else None,
        interval.resampled if interval else None,
        probability_of_improvement(strata),
        len(strata),
        pair.b.budget,
    )


def _by_environment(pair: Pair) -> Table:
    columns = [Column("environment", "environment"), Column("seeds", "seeds")]
    for name, title in METRICS.items():
        columns += [Column(f"{name}_a", f"{title} A"), Column(f"{name}_b", "B"), Column(f"{name}_difference", "A - B")]
    rows = []
    for environment, index in pair.a.environments.items():
        a, b = pair.a.take(index), pair.b.take(index)
        values: list[Value] = []
        for name in METRICS:
            difference = a[name] - b[name]
            known = difference[~np.isnan(difference)]
            average = float(known.mean()) if len(known) else None
            values += [a.mean(name), b.mean(name), estimate(average, standard_error(known))]
        rows.append((environment, len(index), *values))
    return Table(
        f"comparison by environment, {pair.a.budget} calls",
        f"A and B by environment, {pair.a.budget} calls. {scope([pair.a])} ± is one standard error of the paired "
        "difference over seeds.",
        tuple(columns),
        tuple(rows),
        (f"A: {_name(pair.a)}. B: {_name(pair.b)}.", *notes([pair.a, pair.b])),
    )
