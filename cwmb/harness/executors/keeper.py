"""What stays on the run's own machine while its cells run on others: their ledgers, their pace, and what they report.

A cell that is begun again, as its node seems to be lost, begins with all that was paid for so far. Should the node live
on after all, its attempt is over: nothing that it sends is kept any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

from cwmb.errors import InfrastructureError
from cwmb.harness.files import append, make_folder, write_whole
from cwmb.harness.ledger import JOURNALS
from cwmb.harness.records import Cell
from cwmb.harness.run import Run
from cwmb.journal import read_whole
from cwmb.models.openai.pace import Minute, Rate, Turn


@dataclass(frozen=True)
class Attempt:
    """A cell that runs somewhere. number: counts them; journals: the contents of JOURNALS so far."""

    cell: Cell
    number: int
    journals: Mapping[str, bytes]


class News(NamedTuple):
    """A call of a display's method."""

    what: str
    cell: Cell
    values: tuple[Any, ...]
    more: Mapping[str, Any]


class Keeper:
    """See the module. Safe to use from many threads.

    run: whose lock this process shares, lest another run begins while it still writes; rate: of all nodes together.
    """

    def __init__(self, run: Run, rate: Rate) -> None:
        self._run = run
        self._minute = Minute(rate)
        self._attempts: Counter[Cell] = Counter()
        self._turns: dict[Cell, Lock] = {}  # one operation at a time on the files of a cell
        self._turning = Lock()
        self._news: list[News] = []

    def join(self) -> None:
        """Take part in the run. Raises CwmbError if the lock is another's."""
        self._lock = self._run.join()

    def begin(self, cell: Cell) -> Attempt:
        """A cell begins. Raises StorageError."""
        with self._turn(cell):
            folder = self._run.cell_folder(cell)
            make_folder(folder)
            self._attempts[cell] += 1
            journals = {name: read_whole(folder / name, repair=True) for name in JOURNALS}
            return Attempt(cell, self._attempts[cell], journals)

    def append(self, cell: Cell, number: int, name: str, data: bytes, flush: bool) -> None:
        """Append to a journal of an attempt; it is durable on return. Raises StorageError."""
        with self._turn(cell):
            self._check(cell, number)
            append(self._run.cell_folder(cell) / name, data, flush=flush)

    def finish(self, cell: Cell, number: int, files: Mapping[str, str]) -> None:
        """Write the other files of an attempt that has ended. Raises StorageError."""
        with self._turn(cell):
            self._check(cell, number)
            folder = self._run.cell_folder(cell)
            (folder / "traceback.txt").unlink(missing_ok=True)  # of an earlier attempt
            for name, text in files.items():
                write_whole(folder / name, text)

    def take(self, tokens: int) -> Turn:
        """See cwmb.models.openai.pace.Turns."""
        return self._minute.take(tokens)

    def correct(self, number: int, tokens: int) -> None:
        """See cwmb.models.openai.pace.Turns."""
        self._minute.correct(number, tokens)

    def tell(self, what: str, cell: Cell, *values: Any, **more: Any) -> None:
        """Report to the display: the method's name and its arguments."""
        self._news.append(News(what, cell, values, more))

    def news(self) -> list[News]:
        """What was reported since the last time."""
        count = len(self._news)
        news, self._news[:count] = self._news[:count], []
        return news

    def _turn(self, cell: Cell) -> Lock:
        with self._turning:
            return self._turns.setdefault(cell, Lock())

    def _check(self, cell: Cell, number: int) -> None:
        if self._attempts[cell] != number:
            raise InfrastructureError(f"{cell.environment} seed {cell.seed} was given to another node meanwhile")
