"""Where cells run. An executor is a function that runs one cell, called from as many threads as run at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cwmb.errors import EndpointRefused
from cwmb.harness.cell import Stage
from cwmb.harness.records import Cell, Record
from cwmb.types import Evaluation, Usage


class Display(Protocol):
    """Shows what the cells of a run are doing. Called from several threads."""

    def start(self, cell: Cell) -> None:
        """A cell has begun."""
        ...

    def stage(self, cell: Cell, stage: Stage) -> None:
        """It goes on to another stage."""
        ...

    def search(self, cell: Cell, *, calls: int, best: Evaluation | None, usage: Usage) -> None:
        """Its search has advanced."""
        ...

    def finish(self, cell: Cell, record: Record) -> None:
        """It has ended."""
        ...


@dataclass(frozen=True)
class Ended:
    """How a cell ended. refused: the endpoint refuses everybody, so that other cells would ask it in vain."""

    record: Record
    refused: EndpointRefused | None = None


Execute = Callable[[Cell], Ended]
"""Runs a cell, whose files but for its record are then in the run's folder. Raises what CellRun.run() raises."""
