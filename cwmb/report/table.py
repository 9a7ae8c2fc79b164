"""A result table as plain values: what it says is decided here, how it looks in ``cwmb.report.render``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error, None where there is nothing to estimate it from."""

    value: float
    error: float | None = None


Value = str | bool | int | float | Estimate | None


@dataclass(frozen=True)
class Column:
    """One column.

    key: its name in CSV and JSON, where an Estimate has a second field ``<key>_error``; title: its heading for people;
    digits: decimals that are shown, None as many as the error (or the magnitude) deserves; detail: only for CSV and
    JSON, since it would make the table too wide to read.
    """

    key: str
    title: str
    digits: int | None = 2
    detail: bool = False


@dataclass(frozen=True)
class Table:
    """A table: rows hold one value per column; notes stand below it, one line each.

    Raises:
        ValueError: a row has not as many values as there are columns.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.name}: {len(row)} values for {len(self.columns)} columns: {row}")

    @classmethod
    def of(
        cls,
        name: str,
        caption: str,
        columns: tuple[Column, ...],
        entries: Iterable[Mapping[str, Any]],
        notes: tuple[str, ...] = (),
    ) -> Table:
        """A table with a row for each entry: what it holds under the columns' keys.

        Raises:
            KeyError: it lacks one of them.
        """
        return cls(name, caption, columns, tuple(tuple(e[c.key] for c in columns) for e in entries), notes)


def estimate(value: float | None, error: float | None = None) -> Estimate | None:
    """An Estimate, or None where the value is missing (None or NaN)."""
    mean = number(value)
    return None if mean is None else Estimate(mean, number(error))


def number(value: float | None) -> float | None:
    """A finite float, or None where it is missing: tables hold no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
