"""The table of runs over problems of programming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cwmb.harness.problems import RECORDS, ProblemRecord, read_problem_records
from cwmb.report.statistics import standard_error
from cwmb.report.table import Column, Estimate, Table, Value

COLUMNS = (
    Column("strategy", "strategy"),
    Column("model", "model"),
    Column("problems", "problems"),
    Column("budget", "calls"),
    Column("strict_accuracy", "strict, %", digits=1),
    Column("average_accuracy", "average, %", digits=1),
    Column("any_accuracy", "any script, %", digits=1),
    Column("used_calls", "calls used", digits=1),
)


def is_of_problems(folder: Path) -> bool:
    """Whether a folder is a run over problems."""
    return (folder / RECORDS).is_file()


def problem_table(folders: Sequence[Path]) -> Table:
    """One row a run. Raises CwmbError: a folder holds no records of problems."""
    rows = tuple(problem_rows(folders))
    return Table(
        "problems",
        "Problems of programming: share that the judged script solves completely, its share of the tests, and share "
        "that some script of the search solves.",
        COLUMNS,
        rows,
        ("Searches see the first half of each problem's tests.", *_simulated(folders)),
    )


def problem_rows(folders: Sequence[Path]) -> Iterator[tuple[Value, ...]]:
    """The rows, in the order of the columns."""
    for folder in folders:
        records = [r for r in read_problem_records(folder) if r.state == "done"]
        if not records:
            continue
        first = records[0]
        yield (
            first.strategy,
            first.model,
            len({r.problem for r in records}),
            first.budget,
            percent([r.strict for r in records]),
            percent([r.accuracy for r in records]),
            percent([r.any for r in records]),
            float(np.mean([r.usage.calls for r in records])),
        )


def percent(values: Sequence[float]) -> Estimate:
    """Mean in percent with its standard error over the cells."""
    numbers = 100 * np.asarray(values, dtype=np.float64)
    return Estimate(float(numbers.mean()), standard_error(numbers))


def _simulated(folders: Sequence[Path]) -> tuple[str, ...]:
    records: list[ProblemRecord] = [r for folder in folders for r in read_problem_records(folder)]
    if any(r.simulated for r in records):
        return ("The model simulated knows the answers: its rows test code, and say nothing about strategies.",)
    return ()
