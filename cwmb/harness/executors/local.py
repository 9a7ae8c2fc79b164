"""Cells in threads of this process: they wait for their models at the same time, and compute in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from cwmb.errors import EndpointRefused
from cwmb.harness.cell import CellRun
from cwmb.harness.executors import Display, Ended, Execute
from cwmb.harness.files import Append, append
from cwmb.harness.metering import Interrupted
from cwmb.harness.records import Cell
from cwmb.harness.run import Run
from cwmb.harness.setup import Assignment, Setup
from cwmb.models.openai.pace import Minute, Pace, Rate, Turns, paced
from cwmb.sandbox import Sandbox
from cwmb.types import Provider


@contextmanager
def threads(
    assignment: Assignment,
    provider: Provider,
    run: Run,
    display: Display,
    stop: Event,
    *,
    jobs: int,
    rate: Rate,
    unsafe: bool,
) -> Iterator[Execute]:
    """Runs cells in the calling threads, in their folders. See Executor."""
    if rate.limited:
        provider = in_turn(provider, Minute(rate), stop)
    with Sandbox(unsafe=unsafe) as sandbox:
        setup = Setup(**vars(assignment), provider=provider, sandbox=sandbox)
        yield lambda cell: run_cell(setup, cell, run.cell_folder(cell), display, stop)


def run_cell(setup: Setup, cell: Cell, folder: Path, display: Display, stop: Event, journal: Append = append) -> Ended:
    """Run a cell. journal: appends to its ledger. Raises what CellRun.run() raises."""

    def pause(seconds: float, why: str) -> None:
        display.waits(cell, why)
        if stop.wait(seconds):
            raise Interrupted

    cell_run = CellRun(
        setup=setup,
        spec=setup.worlds.environment(cell.environment),
        seed=cell.seed,
        folder=folder,
        stopping=stop.is_set,
        watch=lambda **progress: display.search(cell, **progress),
        stage=lambda stage: display.stage(cell, stage),
        pause=pause,
        journal=journal,
    )
    record = cell_run.run()
    trouble = cell_run.meter.trouble
    return Ended(record, trouble if isinstance(trouble, EndpointRefused) else None)


def in_turn(provider: Provider, turns: Turns, stop: Event) -> Provider:
    """A provider that asks when it may, and no more once stop is set: it then raises Interrupted."""

    def pause(seconds: float) -> None:
        if stop.wait(seconds):
            raise Interrupted

    return paced(provider, Pace(turns, pause))
