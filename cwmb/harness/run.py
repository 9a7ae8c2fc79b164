"""A run's folder: its configuration, how far it goes, and where each of its cells keeps what is its own.

A run's folder holds ``run.json`` (the configuration), ``records.jsonl`` (rebuilt in sorted order after each finished
cell; from 100 cells on, after every hundredth part of them and at the end) and ``cells/<environment>/seed-<k>/`` with
each cell's ledger, programs, the judged one among them, search tree, record and timings.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

import msgspec

from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.protocols import BenchmarkProtocol
from cwmb.benchmark.suites import ORIGINAL, Worlds
from cwmb.conversion import convert
from cwmb.errors import CwmbError, LedgerError
from cwmb.harness.files import dumps, make_folder, remove_temporary, storage_error, write_whole
from cwmb.harness.metering import Budget
from cwmb.harness.records import Cell, Record, parse_record
from cwmb.types import Program

JUDGED = "program.py"  # of a cell's folder: the program that its scores are of
MOST_SEEDS = 100_000


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
    suite: str = ORIGINAL
    world_seed: int | None = None  # of a suite whose worlds are drawn

    @property
    def folder_name(self) -> str:
        """What the run's folder is called unless somebody says otherwise."""
        model = "".join(c if c.isalnum() or c in "._" else "_" for c in self.model)
        drawn = "" if self.suite == ORIGINAL else f"-{Worlds(self.suite, self.world_seed).label}"
        return f"{self.strategy}-{model}-{self.protocol}{drawn}"


@dataclass(frozen=True)
class Extent:
    """How far a run goes; it may be extended."""

    environments: list[str]
    seeds: Annotated[int, msgspec.Meta(ge=1, le=MOST_SEEDS)]

    def cells(self) -> list[Cell]:
        """All cells in the order in which they run: every environment's first seed first."""
        order = {name: i for i, name in enumerate(environment_ids())}
        names = sorted(self.environments, key=lambda name: (order.get(name, len(order)), name))
        return [Cell(name, seed) for seed in range(self.seeds) for name in names]


def is_custom(configuration: Configuration, extent: Extent, protocol: BenchmarkProtocol) -> bool:
    """Whether a run's budget, seeds or length of answers are not its protocol's."""
    own = configuration.budget == Budget(protocol.calls) and configuration.max_new_tokens is None
    return not own or extent.seeds != protocol.seeds


@dataclass(frozen=True)
class Run:
    """A run's folder, locked by this process while it works there. lock: the descriptor of the lock's file."""

    folder: Path
    configuration: Configuration
    extent: Extent
    lock: int

    def cell_folder(self, cell: Cell) -> Path:
        """Where a cell keeps everything of its own."""
        return self.folder / cell.path

    def record_file(self, cell: Cell) -> Path:
        """Where a cell's record is, once it has ended."""
        return self.cell_folder(cell) / "record.json"

    def judged(self, record: Record) -> Program:
        """The program that a cell was judged by.

        Raises:
            LedgerError: it is missing, or another one.
        """
        return judged(self.cell_folder(record.cell), record)

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
                content = path.read_bytes()
                json.loads(content)
            except (FileNotFoundError, ValueError):
                continue
            try:
                records[cell] = parse_record(content, str(path))
            except CwmbError as error:
                raise CwmbError(f"{error}; remove it, and the cell is completed") from error
        return records


def judged(folder: Path, record: Record) -> Program:
    """The program that the record of a cell in that folder was judged by. Raises LedgerError: see Run.judged()."""
    path = folder / JUDGED
    with suppress(OSError, UnicodeDecodeError):
        program = Program(path.read_bytes().decode("utf-8", "surrogatepass"))
        if program.hash == record.program:
            return program
    raise LedgerError(f"{path} is not the program that was scored: restore it, or remove the cell's folder")


@contextmanager
def open_run(folder: Path, configuration: Configuration, extent: Extent) -> Iterator[Run]:
    """Open a run's folder for writing: a new one, or one of the same configuration, which is extended.

    Raises:
        CwmbError: the folder belongs to another configuration, or another process works in it.
        StorageError: it cannot be written.
    """
    file = folder / "run.json"
    if folder.exists() and not folder.is_dir():
        raise CwmbError(f"{folder} is a file: name a folder with --out")
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
            known, before = read_run(file)
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


def read_run(file: Path) -> tuple[Configuration, Extent]:
    """What a run's ``run.json`` says. Raises CwmbError: there is none, or it is no run's."""
    try:
        content = json.loads(file.read_bytes())
        extent = convert(content, Extent)
        for name in extent.environments:
            environment(name)
        return convert(content["configuration"], Configuration), extent
    except (OSError, ValueError, KeyError, TypeError, RecursionError, CwmbError) as error:
        raise CwmbError(f"{file} is no run's configuration ({error}): name another --out") from error


def _refuse_other(folder: Path, old: Configuration, new: Configuration) -> None:
    for name in Configuration.__dataclass_fields__:
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            before, now = (dumps(x) for x in (before, now))
            raise CwmbError(f"{folder} belongs to a run with {name} {before}, not {now}: name another --out")
