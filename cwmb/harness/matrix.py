"""Many cells: those of a run that are not done are run, and their records kept."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from threading import Event, Lock

from cwmb.benchmark.protocols import BenchmarkProtocol
from cwmb.errors import InfrastructureError, LedgerError, StorageError
from cwmb.harness.executors import Display, Execute
from cwmb.harness.files import dumps, write_whole
from cwmb.harness.metering import Interrupted
from cwmb.harness.records import Cell, Record, write_record
from cwmb.harness.run import Run, is_custom


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
        self._custom = is_custom(run.configuration, run.extent, protocol)
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
