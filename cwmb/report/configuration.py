"""The cells of one configuration: a strategy with its options, a model and a budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cwmb.benchmark.protocols import protocol
from cwmb.report.frame import KEY, expected_cells
from cwmb.report.statistics import standard_error
from cwmb.report.table import number
from cwmb.types import Floats

if TYPE_CHECKING:
    import pandas as pd

GROUPS = ("discrete", "continuous", "all")
FLAGS = ("simulated", "custom", "incomplete", "unsandboxed", "guessed", "early")


@dataclass(frozen=True, eq=False)
class Configuration:
    """Rows of a frame of cells as numpy columns, which many small sums are quick on.

    columns: the frame's columns, whole; rows: the indices [n] of those that are meant; group: the part of the
    environments that they are of.
    """

    columns: Mapping[str, NDArray[Any]]
    rows: NDArray[np.int64]
    group: str = "all"

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name][self.rows]

    def first(self, name: str) -> Any:
        """The first row's value, for a column in which all rows agree."""
        return self.columns[name][self.rows[0]]

    @property
    def label(self) -> str:
        """The strategy with its options."""
        return str(self.first("label"))

    @property
    def model(self) -> str:
        """provider:name."""
        return str(self.first("model"))

    @property
    def budget(self) -> int:
        """LLM calls that the rows tell about."""
        return int(self.first("budget"))

    @property
    def protocol(self) -> str:
        """The protocol's name."""
        return str(self.first("protocol"))

    @property
    def descriptions(self) -> str:
        """The description set's name."""
        return str(self.first("descriptions"))

    def take(self, index: NDArray[Any], group: str | None = None) -> Configuration:
        """The rows at a numpy index."""
        return Configuration(self.columns, self.rows[index], group or self.group)

    def of_group(self, group: str) -> Configuration:
        """The rows of ``discrete``, ``continuous`` or ``all`` environments."""
        return self if group == "all" else self.take(self["group"] == group, group)

    @cached_property
    def environments(self) -> dict[str, NDArray[np.int64]]:
        """Indices of each environment's rows, those with discrete actions first, each half by name."""
        rows: dict[tuple[bool, str], list[int]] = {}
        for i, (group, name) in enumerate(zip(self["group"], self["environment"], strict=True)):
            rows.setdefault((group != "discrete", str(name)), []).append(i)
        return {name: np.array(rows[_, name], dtype=np.int64) for _, name in sorted(rows)}

    def strata(self, name: str) -> list[Floats]:
        """The values of a column for each environment that has any."""
        column = self[name]
        values = (column[index] for index in self.environments.values())
        known = (v[~np.isnan(v)] for v in values)
        return [v for v in known if len(v)]

    def averages(self, name: str) -> Floats:
        """Averages over seeds of a column, one for each environment that has any."""
        return np.array([v.mean() if len(v) > 1 else v[0] for v in self.strata(name)])

    def mean(self, name: str) -> float | None:
        """Mean of a column's known values."""
        known = self.known(name)
        return float(known.mean()) if len(known) else None

    def sem(self, name: str) -> float | None:
        """Standard error of that mean."""
        return number(standard_error(self.known(name)))

    def known(self, name: str) -> Floats:
        """A column's values that are there."""
        values = np.asarray(self[name], dtype=np.float64)
        return values[~np.isnan(values)]

    @cached_property
    def flags(self) -> dict[str, bool]:
        """What has to be said of these rows."""
        counted = self["scored"] & (self["seed"] < protocol(self.protocol).seeds)
        group = None if self.group == "all" else self.group
        return {
            "simulated": bool(self["simulated"].any()),
            "custom": bool(self["custom"].any()),
            "incomplete": int(counted.sum()) < expected_cells(self.protocol, group, self.first("suite"))
            or self.unplanned > 0,
            "unsandboxed": bool(self["unsandboxed"].any()),
            "guessed": bool(self["guessed"].any()),
            "early": bool((self["budget"] < self["run_budget"]).any()),
        }

    @property
    def unplanned(self) -> int:
        """How many cells have a score, but no planning result yet (what is read off a larger run never has one)."""
        missing = self["scored"] & np.isnan(self["episodes"]) & (self["budget"] == self["run_budget"])
        return int(missing.sum())

    @property
    def marks(self) -> str:
        """The initials of the flags that are set."""
        return "".join(name[0].upper() for name, is_set in self.flags.items() if is_set)


def configurations(cells: pd.DataFrame) -> list[Configuration]:
    """The configurations in a frame of cells, in order of appearance."""
    columns = {str(name): cells[name].to_numpy() for name in cells.columns}
    number_of = cells.groupby(KEY, sort=False).ngroup().to_numpy()
    order = np.argsort(number_of, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(number_of))[:-1])
    return [Configuration(columns, rows) for rows in parts]


def each_group(configuration: Configuration) -> Iterator[Configuration]:
    """Its discrete, its continuous and all environments, so far as there are any."""
    parts = (configuration.of_group(group) for group in GROUPS)
    return (part for part in parts if len(part))
