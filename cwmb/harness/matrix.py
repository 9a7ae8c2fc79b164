"""Many cells: a run's folder, its configuration, its workers and its records.

A run's folder holds ``run.json`` (the configuration), ``records.jsonl`` (rebuilt in sorted order after each finished
cell) and ``cells/<environment>/seed-<k>/`` with each cell's ledger, programs, search tree, record and timings.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock
from typing import Any, Protocol

import msgspec

from cwmb.catalog import environment, environment_ids
from cwmb.errors import CwmbError, InfrastructureError
from cwmb.harness.cell import CellRun, Setup, Stage
from cwmb.harness.files import dumps, write_whole
from cwmb.harness.metering import Budget, Interrupted
from cwmb.harness.records import Cell, Record, write_record
from cwmb.protocols import BenchmarkProtocol
from cwmb.types import Evaluation, Usage


@dataclass(frozen=True)
class Configuration:
    """What all cells of a run have in common and what it therefore cannot be continued without."""

    strategy: str
    options: dict[str, Any]
    model: str
    protocol: str
    protocol_sha256: str
    budget: Budget
    descriptions: str


@dataclass(frozen=True)
class Extent:
    """How far a run goes; it may be extended."""

    environments: list[str]
    seeds: int

    def cells(self) -> list[Cell]:
        """All cells in the order in which they run: every environment's first seed first."""
        order = {name: i for i, name in enumerate(environment_ids())}
        names = sorted(self.environments, key=lambda name: order[name])
        return [Cell(name, seed) for seed in range(self.seeds) for name in names]


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
class Run:
    """A run's folder, locked by this process while it works there."""

    folder: Path
    configuration: Configuration
    extent: Extent

    def cell_folder(self, cell: Cell) -> Path:
        """Where a cell keeps everything of its own."""
        return self.folder / "cells" / cell.environment / f"seed-{cell.seed}"

    def finished(self) -> dict[Cell, Record]:
        """The records of all cells that ended, whether done or failed."""
        records = {}
        for cell in self.extent.cells():
            path = self.cell_folder(cell) / "record.json"
            if path.exists():
                try:
                    records[cell] = msgspec.convert(json.loads(path.read_bytes()), Record)
                except (ValueError, msgspec.ValidationError) as error:
                    raise CwmbError(f"{path} is no record ({error}); remove it, and the cell is completed") from error
        return records


@contextmanager
def open_run(folder: Path, configuration: Configuration, extent: Extent) -> Iterator[Run]:
    """Open a run's folder for writing: a new one, or one of the same configuration, which is extended.

    Raises:
        CwmbError: the folder belongs to another configuration, or another process works in it.
        InfrastructureError: it cannot be written.
    """
    file = folder / "run.json"
    known = _read_run(file) if file.exists() else None
    if known is None and folder.exists() and any(p.name != ".lock" for p in folder.iterdir()):
        raise CwmbError(f"{folder} is not empty and no run's folder: name another one with --out")
    if known is not None:
        _refuse_other(folder, known[0], configuration)
        extent = Extent(sorted({*known[1].environments, *extent.environments}), max(known[1].seeds, extent.seeds))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CwmbError(f"another process runs in {folder}: wait for it, or name another --out") from error
            run = {"configuration": configuration, "environments": extent.environments, "seeds": extent.seeds}
            write_whole(file, dumps(run, indent=2) + "\n")
            yield Run(folder, configuration, extent)
    except OSError as error:
        raise InfrastructureError(f"cannot write the run's folder {folder}: {error.strerror}") from error


def _read_run(file: Path) -> tuple[Configuration, Extent]:
    try:
        content = json.loads(file.read_bytes())
        return msgspec.convert(content["configuration"], Configuration), msgspec.convert(content, Extent)
    except (OSError, ValueError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise CwmbError(f"{file} is no run's configuration ({error}): name another --out") from error


def _refuse_other(folder: Path, old: Configuration, new: Configuration) -> None:
    for name in Configuration.__dataclass_fields__:
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            before, now = (dumps(x) for x in (before, now))
            raise CwmbError(f"{folder} belongs to a run with {name} {before}, not {now}: name another --out")


def run_cells(
    run: Run,
    setup: Setup,
    *,
    jobs: int,
    display: Display,
    stop: Event,
) -> list[Record]:
    """Run all cells of a run that are not done, ``jobs`` at a time. Returns the records of all, sorted.

    Raises:
        Interrupted: stop was set; what was finished and paid for is kept.
        CwmbError: a cell cannot go on (its ledger belongs to something else, damaged data).
    """
    records = run.finished()
    todo = [cell for cell in run.extent.cells() if cell not in records or records[cell].state != "done"]
    lock = Lock()

    def work(cell: Cell) -> None:
        if stop.is_set():
            raise Interrupted
        display.start(cell)
        record = CellRun(
            setup=setup,
            spec=environment(cell.environment),
            seed=cell.seed,
            folder=run.cell_folder(cell),
            stopping=stop.is_set,
            watch=lambda **progress: display.search(cell, **progress),
            stage=lambda stage: display.stage(cell, stage),
        ).run()
        with lock:
            write_record(run.cell_folder(cell) / "record.json", record)
            records[cell] = record
            _write_records(run, setup.protocol, records)
        display.finish(cell, record)

    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="cell") as pool:
        pending: set[Future[None]] = {pool.submit(work, cell) for cell in todo}
        error: BaseException | None = None
        while pending:
            done, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in done:
                raised = future.exception()
                if raised is not None and error is None:
                    error = raised
                    stop.set()  # the others finish their call in flight
    if error is not None:
        raise error
    return _write_records(run, setup.protocol, records)


def _write_records(run: Run, protocol: BenchmarkProtocol, records: Mapping[Cell, Record]) -> list[Record]:
    """Rebuild records.jsonl; only now is it known whether the run is the protocol's own."""
    custom = run.configuration.budget != Budget(protocol.calls) or run.extent.seeds != protocol.seeds
    result = [replace(records[cell], custom=custom) for cell in sorted(records)]
    write_whole(run.folder / "records.jsonl", "".join(dumps(r) + "\n" for r in result))
    return result
