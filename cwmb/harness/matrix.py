"""Many cells: those of a run that are not done are searched, then planned, and their records kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from threading import Event, Lock

from cwmb.benchmark.protocols import BenchmarkProtocol
from cwmb.errors import InfrastructureError, LedgerError, StorageError
from cwmb.harness.executors import Display, Execution
from cwmb.harness.files import dumps, write_whole
from cwmb.harness.metering import Interrupted
from cwmb.harness.records import Cell, Record, write_record
from cwmb.harness.run import Run, is_custom


def run_cells(
    run: Run,
    protocol: BenchmarkProtocol,
    execution: Execution,
    *,
    jobs: int,
    display: Display,
    stop: Event,
    plan: bool = True,
) -> list[Record]:
    """Search all cells of a run that are not done, ``jobs`` at a time, and plan those that have been searched.

    Searches go on whatever planning takes: a cell's record is written when it is scored, and completed once more when
    it is planned. A cell that fails is noted in its record, and the others go on. Nothing more is begun where that
    would be in vain: when files cannot be written, the endpoint refuses everything, or so many cells in a row failed
    for infrastructure.

    plan: whether to plan. Returns the records of all, sorted.

    Raises:
        Interrupted: stop was set; what was finished and paid for is kept.
        LedgerError, InfrastructureError: a cell could not go on, or not be planned; the others did.
        CwmbError: nothing can go on; what was finished and paid for is kept.
    """
    records = _Records(run, protocol)
    todo = deque(cell for cell in run.extent.cells() if not records.done(cell))
    errors: list[BaseException] = []
    planned: list[Future[None]] = []

    def search(cell: Cell) -> None:
        display.start(cell)
        ended = execution.search(cell)
        in_vain = records.add(ended.record)
        display.finish(cell, ended.record)
        if ended.refused is not None:
            raise ended.refused
        if in_vain > jobs + 1:
            raise InfrastructureError(f"{in_vain} cells in a row failed, the last one so: {_message(ended.record)}")
        plan_later(cell)

    def make_plan(cell: Cell) -> None:
        record = records.of(cell)
        program = run.judged(record)
        display.start(cell)
        try:
            planning = execution.plan(cell, program)
        except InfrastructureError as error:
            raise error if isinstance(error, StorageError) else _NotPlanned(error) from error
        record = replace(record, planning=planning)
        records.complete(record)
        display.planned(cell, record)

    def attempt(work: Callable[[Cell], None], cell: Cell) -> None:
        try:
            if stop.is_set():
                raise Interrupted
            work(cell)
        except BaseException as error:
            errors.append(error)
            if not isinstance(error, (LedgerError, _NotPlanned)):
                stop.set()  # in this thread, which would begin the next cell; the others finish their call in flight

    def search_all() -> None:
        with suppress(IndexError):
            while True:
                attempt(search, todo.popleft())

    def plan_later(cell: Cell) -> None:
        if plan and records.lacks_plan(cell):
            planned.append(planners.submit(attempt, make_plan, cell))

    workers = min(jobs, len(todo))
    with (
        ThreadPoolExecutor(max_workers=workers or 1, thread_name_prefix="cell") as searchers,
        ThreadPoolExecutor(max_workers=execution.plans, thread_name_prefix="plan") as planners,
    ):
        for cell in run.extent.cells():
            plan_later(cell)  # what an earlier run has searched
        _wait_for([searchers.submit(search_all) for _ in range(workers)])
        _wait_for(planned)
    if errors:
        with suppress(StorageError):  # which may be what this is about
            records.write()
        raise min(errors, key=_consequence)
    return records.write()


class _NotPlanned(InfrastructureError):
    """A cell keeps its scores; its planning result is still missing."""


def _wait_for(futures: Iterable[Future[None]]) -> None:
    """Until all are done; awake now and then, to notice signals."""
    pending = set(futures)
    while pending:
        pending = wait(pending, timeout=0.2).not_done


def _consequence(error: BaseException) -> int:
    """Causes first, then what they led to; last what concerns one cell only."""
    return 2 if isinstance(error, (LedgerError, _NotPlanned)) else 1 if isinstance(error, Interrupted) else 0


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

    def of(self, cell: Cell) -> Record:
        """The record of a cell that has one."""
        return self._records[cell]

    def done(self, cell: Cell) -> bool:
        """Whether a cell needs no further search."""
        return cell in self._records and self._records[cell].state == "done"

    def lacks_plan(self, cell: Cell) -> bool:
        """Whether a cell could be planned and has not been."""
        return self.done(cell) and self._records[cell].planning is None

    def add(self, record: Record) -> int:
        """Write the record of a search. Returns how many in a row have failed for infrastructure."""
        with self._lock:
            self._write_one(record)
            self._infrastructure = self._infrastructure + 1 if record.state == "infrastructure" else 0
            return self._infrastructure

    def complete(self, record: Record) -> None:
        """Write a record again, now with its planning result."""
        with self._lock:
            self._write_one(record)

    def write(self) -> list[Record]:
        """Write them all. Returns them sorted by cell."""
        with self._lock:
            self._write()
            return [replace(self._records[cell], custom=self._custom) for cell in sorted(self._records)]

    def _write_one(self, record: Record) -> None:
        write_record(self._run.record_file(record.cell), record)
        self._keep(record)
        self._new += 1
        if self._new > len(self._lines) // 100:  # else writing all of them would take quadratic time
            self._write()

    def _keep(self, record: Record) -> None:
        self._records[record.cell] = record
        self._lines[record.cell] = dumps(replace(record, custom=self._custom)) + "\n"

    def _write(self) -> None:
        self._new = 0
        write_whole(self._run.folder / "records.jsonl", "".join(self._lines[cell] for cell in sorted(self._lines)))
