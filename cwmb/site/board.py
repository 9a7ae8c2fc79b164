"""The rows of the board: each configuration of each entry, with intervals; ranks; the published rows beside them."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

import numpy as np

from cwmb.harness.records import Record
from cwmb.report.anytime import Curve, curves
from cwmb.report.configuration import Configuration, configurations, each_group
from cwmb.report.frame import Run, canonical, frame
from cwmb.report.published import published_rows
from cwmb.report.statistics import bootstrap_interval
from cwmb.site.sources import Source
from cwmb.text import in_csv

GROUPS = {"all": "all environments", "discrete": "discrete actions", "continuous": "continuous actions"}
METRICS = {
    "skill": "skill",
    "accuracy": "accuracy",
    "precision": "precision",
    "normalised_return": "return",
}
_Z = 1.96  # standard errors of a 95 % interval, where all that is known is the error


@dataclass(frozen=True)
class Metric:
    """An average over environments with its 95 % interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """One configuration of one entry.

    kind: ``entry``, ``reference``, ``run`` or ``published``; verdict: of its verification; obstacles: why it is not
    ranked; metrics: by group of environments, then by name; tokens, dollars: of one search, on average; speed: steps of
    the program a reference second, the median over environments; skills: of each environment, on average over seeds;
    anytime: (calls, tokens, skill on training transitions), averages over searches; rank: None where it has none.
    """

    slug: str
    name: str
    kind: str
    verdict: str | None
    obstacles: list[str]
    suite: str
    protocol: str
    descriptions: str
    strategy: str
    label: str
    model: str
    openness: str
    calls: int
    early: bool
    simulated: bool
    marks: str
    cells: int
    failed: int
    metrics: dict[str, dict[str, Metric]]
    tokens: float | None = None
    dollars: float | None = None
    speed: float | None = None
    skills: dict[str, float] = field(default_factory=dict)
    anytime: list[tuple[int, float, float]] = field(default_factory=list)
    rank: int | None = None

    def metric(self, name: str, group: str = "all") -> Metric | None:
        """One of its metrics, None where it has none."""
        return self.metrics.get(group, {}).get(name)

    @property
    def comparable(self) -> tuple[str, str, str, int]:
        """What two rows must have in common to be ranked together."""
        return self.suite, self.protocol, self.descriptions, self.calls


def rows(source: Source) -> Iterator[Row]:
    """The rows of an entry: one for each configuration and budget of its runs that has a score."""
    for run in source.runs:
        for suite in sorted({record.suite for record in run.records}):
            part = Run(run.path, [record for record in run.records if record.suite == suite])
            yield from _rows(source, part)


def _rows(source: Source, run: Run) -> Iterator[Row]:
    of_run = curves([run])
    for configuration in configurations(frame([run])):
        if not configuration["scored"].any():
            continue
        early = configuration.flags["early"]
        yield Row(
            slug=source.slug,
            name=source.name,
            kind=source.kind,
            verdict=source.verification.verdict if source.verification else None,
            obstacles=source.obstacles,
            suite=str(configuration.first("suite")),
            protocol=configuration.protocol,
            descriptions=configuration.descriptions,
            strategy=str(configuration.first("strategy")),
            label=configuration.label,
            model=configuration.model,
            openness=source.openness,
            calls=configuration.budget,
            early=early,
            simulated=configuration.flags["simulated"],
            marks=configuration.marks,
            cells=int(configuration["scored"].sum()),
            failed=int((configuration["state"] != "done").sum()),
            metrics={part.group: dict(_metrics(part)) for part in each_group(configuration)},
            tokens=None if early else _tokens(configuration),
            dollars=None if early or _unpriced(configuration) else configuration.mean("dollars"),
            speed=None if early else _median(configuration, "steps_per_second"),
            skills={
                name: float(np.nanmean(values))
                for name, index in configuration.environments.items()
                if not np.isnan(values := configuration.take(index)["skill"].astype(float)).all()
            },
            anytime=[] if early else _anytime(of_run, configuration),
        )


def _metrics(part: Configuration) -> Iterator[tuple[str, Metric]]:
    for name in METRICS:
        strata = part.strata(name)
        if strata:
            interval = bootstrap_interval(strata)
            mean = float(np.mean([values.mean() for values in strata]))
            yield name, Metric(mean, interval.low if interval else None, interval.high if interval else None)


def _tokens(configuration: Configuration) -> float | None:
    prompt, answer = configuration.mean("prompt_tokens"), configuration.mean("completion_tokens")
    return None if prompt is None or answer is None else prompt + answer


def _unpriced(configuration: Configuration) -> bool:
    """Whether a price is unknown, or there is nothing to pay: a person answered, or no model was asked."""
    known = configuration.known("dollars")
    return len(known) < len(configuration) or not known.any()


def _median(configuration: Configuration, name: str) -> float | None:
    known = configuration.known(name)
    return float(np.median(known)) if len(known) else None


def _anytime(of_run: Sequence[Curve], configuration: Configuration) -> list[tuple[int, float, float]]:
    own = [
        c
        for c in of_run
        if (c.record.strategy, canonical(c.record.options), c.record.model, c.record.budget)
        == (configuration.first("strategy"), configuration.first("options"), configuration.model, configuration.budget)
        and _scale(c.record) is not None
    ]
    most = max((len(c.points) - 1 for c in own), default=0)
    if most > 1000:
        return []
    return [
        (
            calls,
            float(np.mean([p.usage.prompt_tokens + p.usage.completion_tokens for p in points])),
            float(np.mean([_skill(c.record, p.train_accuracy) for c, p in zip(own, points, strict=True)])),
        )
        for calls in range(1, most + 1)
        for points in [[c.after(calls) for c in own]]
    ]


def _scale(record: Record) -> tuple[float, float] | None:
    """Floor and ceiling of a cell on the training transitions, where they differ."""
    train = record.train
    if train is None or train.ceiling is None or train.ceiling <= train.floor:
        return None
    return train.floor, train.ceiling


def _skill(record: Record, accuracy: float) -> float:
    floor, ceiling = _scale(record) or (0.0, 1.0)
    return (accuracy - floor) / (ceiling - floor)


# ------------------------------------------------------------------------------------------------------------ ranks


def ranked(rows: Sequence[Row]) -> list[Row]:
    """The rows with their ranks by skill.

    Among those that may be ranked and are comparable, a row's rank is one more than the number of those whose whole
    interval lies above its own: rows whose intervals overlap share one.
    """
    able = [row for row in rows if _rankable(row)]
    return [replace(row, rank=1 + sum(_above(o, row) for o in able)) if _rankable(row) else row for row in rows]


def _rankable(row: Row) -> bool:
    verified = row.verdict in ("confirmed", "consistent")
    return row.kind == "entry" and not row.obstacles and verified and row.metric("skill") is not None


def _above(other: Row, row: Row) -> bool:
    a, b = other.metric("skill"), row.metric("skill")
    if a is None or b is None or other.comparable != row.comparable:
        return False
    low = a.value if a.low is None else a.low
    return low > (b.value if b.high is None else b.high)


# -------------------------------------------------------------------------------------------------------- published


def published() -> list[Row]:
    """The paper's main table, as rows that are marked as such: their data, metric and planners are its own."""
    found = []
    for row in published_rows("2"):
        parts = {
            group: {
                metric: _published(row[f"{group}_{key}"])
                for metric, key in (("accuracy", "accuracy"), ("normalised_return", "return"))
            }
            for group in ("discrete", "continuous")
        }
        weights = {"discrete": 6 / 18, "continuous": 12 / 18}
        parts["all"] = {name: _weighted(parts, weights, name) for name in ("accuracy", "normalised_return")}
        found.append(
            Row(
                slug="",
                name="arXiv 2405.15383, table 2",
                kind="published",
                verdict=None,
                obstacles=["it is the paper's, with other data, another metric and other planners"],
                suite="cwmb18",
                protocol="of the paper",
                descriptions="of the paper",
                strategy=row["strategy"],
                label=row["strategy"],
                model=row["model"],
                openness="open" if row["model"].startswith("Llama") else "closed",
                calls=row["budget"],
                early=False,
                simulated=False,
                marks="",
                cells=18 * row["seeds"],
                failed=0,
                metrics=parts,
            )
        )
    return found


def _published(pair: Sequence[float]) -> Metric:
    value, error = pair
    return Metric(value, value - _Z * error, value + _Z * error)


def _weighted(parts: dict[str, dict[str, Metric]], weights: dict[str, float], name: str) -> Metric:
    value = sum(parts[g][name].value * w for g, w in weights.items())
    wide = math.hypot(*((parts[g][name].value - (parts[g][name].low or 0.0)) * w for g, w in weights.items()))
    return Metric(value, value - wide, value + wide)


# --------------------------------------------------------------------------------------------------------- download


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The board for programs to read."""
    import msgspec

    return [msgspec.to_builtins(row) for row in rows]


_PLAIN = (
    *("rank", "name", "kind", "verdict", "suite", "protocol", "descriptions", "strategy", "label", "model", "openness"),
    *("calls", "early", "simulated", "marks", "cells", "failed", "tokens", "dollars", "speed", "slug"),
)


def as_csv(rows: Iterable[Row]) -> str:
    """The board for spreadsheets: one line for each row, the metrics of each group in columns of their own."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = [(group, name) for group in GROUPS for name in METRICS]
    heads = [f"{group}_{name}{part}" for group, name in columns for part in ("", "_low", "_high")]
    writer.writerow([*_PLAIN, *heads])
    for row in rows:
        metrics = [row.metric(name, group) for group, name in columns]
        figures = [(m.value, m.low, m.high) if m else (None, None, None) for m in metrics]
        plain = (getattr(row, name) for name in _PLAIN)
        writer.writerow([*(in_csv(v) if isinstance(v, str) else v for v in plain), *(v for f in figures for v in f)])
    return out.getvalue()
