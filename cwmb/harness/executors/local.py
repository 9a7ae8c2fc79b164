"""Cells in threads of this process: they wait for their models at the same time, and compute in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from cwmb.errors import EndpointRefused
from cwmb.harness.cell import CellRun
from cwmb.harness.executors import Display, Ended, Execution
from cwmb.harness.files import Append, append
from cwmb.harness.metering import Interrupted
from cwmb.harness.records import Cell, Planning
from cwmb.harness.run import Run
from cwmb.harness.setup import Assignment, Setup
from cwmb.machine import cores
from cwmb.models.openai.pace import Minute, Pace, Rate, Turns, paced
from cwmb.sandbox import Sandbox
from cwmb.types import Program, Provider


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
) -> Iterator[Execution]:
    """Searches and plans in the calling threads, in the cells' folders. See Executor."""
    if rate.limited:
        provider = in_turn(provider, Minute(rate), stop)
    with Sandbox(unsafe=unsafe) as sandbox:
        setup = Setup(**vars(assignment), provider=provider, sandbox=sandbox)
        yield in_folders(setup, run, display, stop)


def in_folders(setup: Setup, run: Run, display: Display, stop: Event) -> Execution:
    """Searches and plans cells in their folders of a run."""

    def cell_run(cell: Cell) -> CellRun:
        return prepared(setup, cell, run.cell_folder(cell), display, stop)

    def plan(cell: Cell, program: Program) -> Planning:
        return cell_run(cell).plan(program)

    # Twice the cores, so that a core that falls free finds another cell's next episode, before one that may not count.
    return Execution(lambda cell: search(cell_run(cell)), plan, plans=2 * cores())


def search(cell_run: CellRun) -> Ended:
    """Search and score a cell. Raises what CellRun.run() raises."""
    record = cell_run.run()
    trouble = cell_run.meter.trouble
    return Ended(record, trouble if isinstance(trouble, EndpointRefused) else None)


def prepared(
    setup: Setup, cell: Cell, folder: Path, display: Display, stop: Event, journal: Append = append
) -> CellRun:
    """A cell that is to be run. journal: appends to its ledger."""

    def pause(seconds: float, why: str) -> None:
        display.waits(cell, why)
        if stop.wait(seconds):
            raise Interrupted

    return CellRun(
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


def in_turn(provider: Provider, turns: Turns, stop: Event) -> Provider:
    """A provider that asks when it may, and no more once stop is set: it then raises Interrupted."""

    def pause(seconds: float) -> None:
        if stop.wait(seconds):
            raise Interrupted

    return paced(provider, Pace(turns, pause))
