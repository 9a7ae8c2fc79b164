"""The recall gap: how much of a result was known by heart.

The one table that joins two suites: the same strategy and model in the originals and in worlds that nobody can recall,
paired by environment and seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cwmb.benchmark.suites import ORIGINAL
from cwmb.errors import CwmbError
from cwmb.report.comparison import Pair, one_configuration
from cwmb.report.configuration import GROUPS, Configuration
from cwmb.report.frame import Run, read_runs
from cwmb.report.results import identity
from cwmb.report.statistics import bootstrap_interval, mean
from cwmb.report.table import Column, Table, Value

SCORES = {"accuracy": "accuracy", "skill": "skill"}


def recall_table(paths: Sequence[Path]) -> Table:
    """The gaps by environment and in total, from one run in the originals and one in another suite, in any order.

    Raises:
        CwmbError: there are not two such runs, they differ in more than the suite, or share no cell that has a score.
    """
    if len(paths) != 2:
        raise CwmbError(f"--recall needs two runs, one of suite {ORIGINAL} and one of another: it got {len(paths)}")
    runs = [read_runs([path])[0] for path in paths]
    suites = [run.records[0].suite for run in runs]
    if suites.count(ORIGINAL) != 1:
        found = " and ".join(f"{path} ({suite})" for path, suite in zip(paths, suites, strict=True))
        raise CwmbError(f"--recall needs one run of suite {ORIGINAL} and one of another: it got {found}")
    original, drawn = runs if suites[0] == ORIGINAL else runs[::-1]
    a, b = (one_configuration(run)[0] for run in (original, drawn))
    _refuse_other_differences(original, drawn, a, b)
    pair = Pair(a, b)
    if not len(pair):
        raise CwmbError(f"{original.path} and {drawn.path} share no environment and seed with a score")
    suite = drawn.records[0].suite
    rows = [_row(name, Pair(pair.a.take(i), pair.b.take(i))) for name, i in pair.a.environments.items()]
    parts = {group: Pair(pair.a.of_group(group), pair.b.of_group(group)) for group in GROUPS}
    rows += [_row(group, part) for group, part in parts.items() if len(part)]
    label, model, budget = identity(a)
    return Table(
        "recall",
        f"Recall gap of {label} with {model}, {budget} calls, protocol {original.records[0].protocol}: the score in "
        f"suite {ORIGINAL} minus that in {suite}, over the cells that both have. Low and high bound the gap's 95 % "
        "bootstrap interval, over seeds, or over environments where one of them has a single seed.",
        (Column("environment", "environment"), Column("cells", "cells"), *_columns(suite)),
        tuple(rows),
    )


def _columns(suite: str) -> list[Column]:
    return [
        Column(f"{key}_{part}", heading, digits=3)
        for key, title in SCORES.items()
        for part, heading in (
            ("original", f"{title}, {ORIGINAL}"),
            ("drawn", suite),
            ("gap", "gap"),
            ("low", "low"),
            ("high", "high"),
        )
    ]


def _row(name: str, pair: Pair) -> tuple[Value, ...]:
    values: list[Value] = [name, len(pair)]
    for key in SCORES:
        strata, both = pair.differences(key), ~np.isnan(pair.a[key] - pair.b[key])
        interval = bootstrap_interval(strata, mean)
        if strata:
            values += [float(side.take(both).averages(key).mean()) for side in (pair.a, pair.b)]
            values.append(float(np.mean([known.mean() for known in strata])))
        else:
            values += [None] * 3
        values += [interval.low, interval.high] if interval else [None, None]
    return tuple(values)


def _refuse_other_differences(original: Run, drawn: Run, a: Configuration, b: Configuration) -> None:
    one, other = original.records[0], drawn.records[0]
    sides = {
        "strategy, model or budget": (identity(a), identity(b)),
        "protocol": (one.protocol, other.protocol),
        "checksum of the protocol": (one.provenance.protocol_sha256, other.provenance.protocol_sha256),
    }
    for what, (left, right) in sides.items():
        if left != right:
            raise CwmbError(
                f"{what} differs: {left} in {original.path}, {right} in {drawn.path}; a recall gap is between runs "
                "that differ in nothing but the suite"
            )
