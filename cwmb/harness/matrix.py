"""Many cells: a run's folder, its configuration, its workers and its records.

A run's folder holds ``run.json`` (the configuration), ``records.jsonl`` (rebuilt in sorted order after each finished
cell; from 100 cells on, after every hundredth part of them and at the end) and ``cells/<environment>/seed-<k>/`` with
each cell's ledger, programs, search tree, record and timings.
"""

from __future__ import annotations

import fcntl
import json
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock
from typing import Any, TextIO

import msgspec

from cwmb.benchmark.catalog import environment_ids
from cwmb.benchmark.protocols import BenchmarkProtocol
from cwmb.conversion import convert
from cwmb.errors import CwmbError, InfrastructureError, LedgerError, StorageError
from cwmb.harness.executors import Display, Execute
from cwmb.harness.files import dumps, make_folder, remove_temporary, storage_error, write_whole
from cwmb.harness.metering import Budget, Interrupted
from cwmb.harness.records import Cell, Record, write_record


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
    max_new_tokens: int | None = None  # of an answer, where it is not the protocol's


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


@dataclass(frozen=True)
class Run:
    """A run's folder, locked by this process while it works there. lock: the descriptor of the lock's file."""

    folder: Path
    configuration: Configuration
    extent: Extent
    lock: int

    def cell_folder(self, cell: Cell) -> Path:
        """Where a cell keeps everything of its own."""
        return self.folder / "cells" / cell.environment / f"seed-{cell.seed}"

    def record_file(self, cell: Cell) -> Path:
        """Where a cell's record is, once it has ended."""
        return self.cell_folder(cell) / "record.json"

    def share(self) -> None:
        """Let other processes of this run join. Raises CwmbError if another run has seized the folder meanwhile."""
        _lock(self.folder, self.lock, fcntl.LOCK_SH)

    def join(self) -> TextIO:
        """In such a process: hold the lock, too, until the file is closed. Raises CwmbError if it is another run's."""
        file = (self.folder / ".lock").open()
        _lock(self.folder, file.fileno(), fcntl.LOCK_SH)
        return file

    def finished(self) -> dict[Cell, Record]:
        """The records of all cells that ended, whether done or failed.

        A record that is torn (the machine lost power) counts as none: its ledger makes it anew at no cost.
        """
        records = {}
        for cell in self.extent.cells():
            path = self.record_file(cell)
            try:
                content = json.loads(path.read_bytes())
            except (FileNotFoundError, ValueError):
                continue
            try:
                records[cell] = convert(content, Record)
            except msgspec.ValidationError as error:
                raise CwmbError(f"{path} is no record ({error}); remove it, and the cell is completed") from error
        return records


@contextmanager
def open_run(folder: Path, configuration: Configuration, extent: Extent) -> Iterator[Run]:
    """Open a run's folder for writing: a new one, or one of the same configuration, which is extended.

    Raises:
        CwmbError: the folder belongs to another configuration, or another process works in it.
        StorageError: it cannot be written.
    """
    file = folder / "run.json"
    if not file.exists() and folder.exists() and not all(_ours(path.name) for path in folder.iterdir()):
        raise CwmbError(f"{folder} is not empty and no run's folder: name another one with --out")
    with ExitStack() as stack:
        try:
            make_folder(folder)
            lock = stack.enter_context((folder / ".lock").open("w"))
            _lock(folder, lock.fileno(), fcntl.LOCK_EX)
            remove_temporary(folder)
        except OSError as error:
            raise storage_error(folder, error) from error
        if file.exists():
            known, before = _read_run(file)
            _refuse_other(folder, known, configuration)
            extent = Extent(sorted({*before.environments, *extent.environments}), max(before.seeds, extent.seeds))
        content = {"configuration": configuration, "environments": extent.environments, "seeds": extent.seeds}
        write_whole(file, dumps(content, indent=2) + "\n")
        yield Run(folder, configuration, extent, lock.fileno())


def _lock(folder: Path, descriptor: int, how: int) -> None:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CwmbError(f"another process runs in {folder}: wait for it, or name another --out") from error


def _ours(name: str) -> bool:
    """Whether this is what a run leaves behind that was killed before it had written anything."""
    return name == ".lock" or name.startswith(".run.json.")


def _read_run(file: Path) -> tuple[Configuration, Extent]:
    try:
        content = json.loads(file.read_bytes())
        return convert(content["configuration"], Configuration), convert(content, Extent)
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
    protocol: BenchmarkProtocol,
    execute: Execute,
    *,
    jobs: int,
    display: Display,
    stop: Event,
) -> list[Record]:
    """Run all cells of a run that are not done, ``jobs`` at a time. Returns the records of all, sorted.

    A cell that fails is noted in its record, and the others go on. Nothing more is begun where that would be in vain:
    when files cannot be written, the endpoint refuses everything, or so many cells in a row failed for infrastructure.

    Raises:
        Interrupted: stop was set; what was finished and paid for is kept.
        LedgerError: a cell could not go on; the others did.
        CwmbError: nothing can go on; what was finished and paid for is kept.
    """
    records = _Records(run, protocol)
    todo = deque(cell for cell in run.extent.cells() if not records.done(cell))
    errors: list[BaseException] = []

    def work(cell: Cell) -> None:
        if stop.is_set():
            raise Interrupted
        display.start(cell)
        ended = execute(cell)
        in_vain = records.add(ended.record)
        display.finish(cell, ended.record)
        if ended.refused is not None:
            raise ended.refused
        if in_vain > jobs + 1:
            raise InfrastructureError(f"{in_vain} cells in a row failed, the last one so: {_message(ended.record)}")

    def attempt(cell: Cell) -> None:
        try:
            work(cell)
        except BaseException as error:
            errors.append(error)
            if not isinstance(error, LedgerError):
                stop.set()  # in this thread, which would begin the next cell; the others finish their call in flight

    def attempt_all() -> None:
        with suppress(IndexError):
            while True:
                attempt(todo.popleft())

    workers = min(jobs, len(todo))
    with ThreadPoolExecutor(max_workers=workers or 1, thread_name_prefix="cell") as pool:
        pending = {pool.submit(attempt_all) for _ in range(workers)}
        while pending:
            pending = wait(pending, timeout=0.2).not_done  # awake now and then, to notice signals
    if errors:
        with suppress(StorageError):  # which may be what this is about
            records.write()
        raise min(errors, key=_consequence)
    return records.write()


def _consequence(error: BaseException) -> int:
    """Causes first, then what they led to; last what concerns one cell only."""
    return 2 if isinstance(error, LedgerError) else 1 if isinstance(error, Interrupted) else 0


def _message(record: Record) -> str:
    return record.failure.message if record.failure else ""


class _Records:
    """The records of a run and the lines of its records.jsonl, kept so that each record is serialised once."""

    def __init__(self, run: Run, protocol: BenchmarkProtocol) -> None:
        self._run = run
        # Only the whole run knows whether it is the protocol's own.
        chosen = run.configuration
        own = chosen.budget == Budget(protocol.calls) and chosen.max_new_tokens is None
        self._custom = not own or run.extent.seeds != protocol.seeds
        self._lock = Lock()
        self._records: dict[Cell, Record] = {}
        self._lines: dict[Cell, str] = {}
        self._infrastructure = 0
        self._new = 0  # since they were written
        for record in run.finished().values():
            self._keep(record)

    def done(self, cell: Cell) -> bool:
        """Whether a cell needs no further work."""
        return cell in self._records and self._records[cell].state == "done"

    def add(self, record: Record) -> int:
        """Write a record. Returns how many cells in a row have failed for infrastructure."""
        with self._lock:
            write_record(self._run.record_file(record.cell), record)
            self._keep(record)
            self._new += 1
            if self._new > len(self._lines) // 100:  # else writing all of them would take quadratic time
                self._write()
            self._infrastructure = self._infrastructure + 1 if record.state == "infrastructure" else 0
            return self._infrastructure

    def write(self) -> list[Record]:
        """Write them all. Returns them sorted by cell."""
        with self._lock:
            self._write()
            return [self._records[cell] for cell in sorted(self._records)]

    def _keep(self, record: Record) -> None:
        self._records[record.cell] = replace(record, custom=self._custom)
        self._lines[record.cell] = dumps(self._records[record.cell]) + "\n"

    def _write(self) -> None:
        self._new = 0
        write_whole(self._run.folder / "records.jsonl", "".join(self._lines[cell] for cell in sorted(self._lines)))
