"""What a search had found after so many calls, tokens and dollars: read from the cells' ledgers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from cwmb.errors import CwmbError
from cwmb.harness.records import Record
from cwmb.report.configuration import Configuration
from cwmb.report.frame import Run, canonical
from cwmb.report.results import BUDGET, MARKS, MODEL, STRATEGY, notes, scope
from cwmb.report.statistics import standard_error
from cwmb.report.table import Column, Table, Value, estimate
from cwmb.types import Usage

CHECKPOINTS = (1, 2, 3, 5, 10, 20, 30, 50)


@dataclass(frozen=True)
class Point:
    """The best program after a call.

    train_accuracy: its training score, 0 where there is none yet; test_accuracy: its test score where that was
    measured (of the finally judged program, and of those at the protocol's smaller budgets).
    """

    usage: Usage
    train_accuracy: float = 0.0
    exact: float = 0.0
    program: str | None = None
    test_accuracy: float | None = None


class _Entry(msgspec.Struct):
    type: str
    key: str
    value: msgspec.Raw


class _Reply(msgspec.Struct):
    usage: Usage


class _Evaluation(msgspec.Struct):
    accuracy: float
    exact: float = 0.0


def curve(ledger: bytes, name: str = "ledger") -> list[Point]:
    """The points after no call, after the first, after the second, … of a ledger's content; none if it is empty.

    The best program is the one of the highest training score, then of the highest exact rate, then the earliest.

    Raises:
        CwmbError: a line, the last one excepted (its writer may have been killed), is no entry.
    """
    if not ledger:
        return []
    points, test = [Point(Usage())], {}
    whole = ledger[: ledger.rfind(b"\n") + 1]
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            entry = msgspec.json.decode(line, type=_Entry)
            if entry.type == "call":
                spent = msgspec.json.decode(entry.value, type=_Reply).usage
                points.append(replace(points[-1], usage=points[-1].usage + replace(spent, calls=1)))
            elif entry.type == "evaluation":
                found = msgspec.json.decode(entry.value, type=_Evaluation)
                best = points[-1]
                better = (found.accuracy, found.exact) > (best.train_accuracy, best.exact)
                if best.program is None or better:
                    points[-1] = Point(best.usage, found.accuracy, found.exact, entry.key)
            elif entry.type == "score" and entry.key.startswith("test:"):
                program = entry.key.removeprefix("test:")
                test[program] = msgspec.json.decode(entry.value, type=_Evaluation).accuracy
        except msgspec.DecodeError as error:
            raise CwmbError(f"{name}:{number} is no ledger entry: {error}") from error
    return [replace(p, test_accuracy=test.get(p.program) if p.program else None) for p in points]


@dataclass(frozen=True)
class Curve:
    """The curve of a cell."""

    record: Record
    points: list[Point]

    def after(self, calls: int) -> Point:
        """The point after so many calls; the last one where the search ended earlier."""
        return self.points[min(calls, len(self.points) - 1)]


def curves(runs: Sequence[Run]) -> list[Curve]:
    """The curves of all cells that have a score and whose ledgers are at hand."""
    found = (
        Curve(record, curve(run.cell_file(record, "ledger.jsonl"), f"{run.path}: ledger of {_cell(record)}"))
        for run in runs
        for record in run.records
        if record.state == "done"
    )
    return [curve for curve in found if curve.points]


def anytime_table(curves: Sequence[Curve], configurations: Sequence[Configuration]) -> Iterator[Table]:
    """One table of averages after 1, 2, 3, 5, 10, … calls, or none where no ledger is at hand."""
    columns = (
        STRATEGY,
        MODEL,
        BUDGET,
        Column("after", "after"),
        Column("cells", "cells"),
        Column("tokens", "tokens", digits=0),
        Column("dollars", "dollars", digits=4),
        Column("train_discrete", "train, discrete"),
        Column("train_continuous", "continuous"),
        Column("test_discrete", "test, discrete"),
        Column("test_continuous", "continuous"),
        MARKS,
    )
    of_configuration: dict[tuple[str, str, str, int], list[Curve]] = {}
    for c in curves:
        of_configuration.setdefault(_key(c.record), []).append(c)
    rows: list[tuple[Value, ...]] = []
    shown = []
    for configuration in configurations:
        key = (
            configuration.first("strategy"),
            configuration.first("options"),
            configuration.model,
            configuration.budget,
        )
        own = [] if configuration.flags["early"] else of_configuration.get(key, [])
        if not own:
            continue
        shown.append(configuration)
        budget = configuration.budget
        for calls in sorted({*(n for n in CHECKPOINTS if n < budget), budget}):
            points = [(c.record.group, c.after(calls)) for c in own]
            dollars = [p.usage.dollars for _, p in points]
            rows.append(
                (
                    configuration.label,
                    configuration.model,
                    budget,
                    calls,
                    len(points),
                    float(np.mean([p.usage.prompt_tokens + p.usage.completion_tokens for _, p in points])),
                    None if None in dollars else float(np.mean([d for d in dollars if d is not None])),
                    *(_average([p.train_accuracy for g, p in points if g == group]) for group in _GROUPS),
                    *(_average([p.test_accuracy for g, p in points if g == group]) for group in _GROUPS),
                    configuration.marks,
                )
            )
    if rows:
        yield Table(
            "anytime",
            f"The search as it goes: averages over cells after so many calls. {scope(shown)} Tokens and dollars are "
            "what a cell has spent by then; train is the best training score so far, test the test score of that "
            "program, where it is known of all cells; ± is one standard error over cells.",
            columns,
            tuple(rows),
            notes(shown),
        )


_GROUPS = ("discrete", "continuous")


def _cell(record: Record) -> str:
    return f"{record.environment} seed {record.seed}"


def _key(record: Record) -> tuple[str, str, str, int]:
    return record.strategy, canonical(record.options), record.model, record.budget


def _average(values: Sequence[float | None]) -> Value:
    known = np.array([v for v in values if v is not None])
    if not len(known) or len(known) < len(values):
        return None
    return estimate(float(known.mean()), standard_error(known))
