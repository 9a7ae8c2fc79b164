"""Cells in threads of this process: they wait for their models at the same time, and compute in turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cwmb.catalog import environment
from cwmb.errors import EndpointRefused
from cwmb.harness.cell import CellRun, Setup
from cwmb.harness.executors import Display, Ended, Execute
from cwmb.harness.files import Append, append
from cwmb.harness.records import Cell


def local(setup: Setup, folder: Callable[[Cell], Path], display: Display, stopping: Callable[[], bool]) -> Execute:
    """Runs cells in the calling thread, in their folders."""

    def execute(cell: Cell) -> Ended:
        return run_cell(setup, cell, folder(cell), display, stopping)

    return execute


def run_cell(
    setup: Setup,
    cell: Cell,
    folder: Path,
    display: Display,
    stopping: Callable[[], bool],
    journal: Append = append,
) -> Ended:
    """Run a cell. journal: appends to its ledger. Raises what CellRun.run() raises."""
    cell_run = CellRun(
        setup=setup,
        spec=environment(cell.environment),
        seed=cell.seed,
        folder=folder,
        stopping=stopping,
        watch=lambda **progress: display.search(cell, **progress),
        stage=lambda stage: display.stage(cell, stage),
        journal=journal,
    )
    record = cell_run.run()
    trouble = cell_run.meter.trouble
    return Ended(record, trouble if isinstance(trouble, EndpointRefused) else None)
