"""The recall gap: accuracy in the suite that everybody knows minus accuracy where constants are drawn anew."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cwmb.benchmark.suites import ORIGINAL
from cwmb.harness.records import Record
from cwmb.report.frame import canonical, label
from cwmb.report.statistics import standard_error
from cwmb.site.board import Metric

_Z = 1.96


@dataclass(frozen=True)
class Gap:
    """The gap of one environment. known, drawn: accuracy in cwmb18 and in the suite, averages over seeds."""

    label: str
    suite: str
    environment: str
    known: float
    drawn: float
    difference: Metric


Group = tuple[str, str, str, str, str, int]


def group_of(record: Record) -> Group:
    """What two searches of different suites must have in common for their difference to be one of suites."""
    options = canonical(record.options)
    return record.strategy, options, record.model, record.protocol, record.descriptions, record.budget


def gaps(own: Iterable[Group], records: Sequence[tuple[Group, str, str, float]]) -> Iterator[Gap]:
    """The gaps of these groups, environment by environment.

    records: of all sources: group, suite, environment, test accuracy.
    """
    for group in dict.fromkeys(own):
        found: dict[tuple[str, str], list[float]] = {}
        for other, suite, environment, accuracy in records:
            if other == group:
                found.setdefault((suite, environment), []).append(accuracy)
        for (suite, environment), values in sorted(found.items()):
            known = found.get((ORIGINAL, environment))
            if suite == ORIGINAL or not known:
                continue
            a, b = np.array(known), np.array(values)
            yield Gap(label(*group[:2]), suite, environment, float(a.mean()), float(b.mean()), _difference(a, b))


def _difference(a: np.ndarray, b: np.ndarray) -> Metric:
    value, errors = float(a.mean() - b.mean()), (standard_error(a), standard_error(b))
    if errors[0] is None or errors[1] is None:
        return Metric(value)
    wide = _Z * math.hypot(errors[0], errors[1])
    return Metric(value, value - wide, value + wide)
