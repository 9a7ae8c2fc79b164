"""Where cells run: in this process or on a cluster. An executor prepares functions that search and plan a cell."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Protocol

from cwmb.errors import CwmbError, EndpointRefused, unknown
from cwmb.harness.records import Cell, Planning, Record
from cwmb.harness.setup import Assignment, Stage
from cwmb.models.openai.pace import Rate
from cwmb.types import Evaluation, Program, Provider, Usage

if TYPE_CHECKING:
    from cwmb.harness.run import Run


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

    def waits(self, cell: Cell, why: str) -> None:
        """Its model waits, until it goes on."""
        ...

    def finish(self, cell: Cell, record: Record) -> None:
        """It has ended but for its planning, which may begin later: the cell is then started once more."""
        ...

    def planned(self, cell: Cell, record: Record) -> None:
        """Its planning has ended."""
        ...


@dataclass(frozen=True)
class Ended:
    """How a cell ended. refused: the endpoint refuses everybody, so that other cells would ask it in vain."""

    record: Record
    refused: EndpointRefused | None = None


@dataclass(frozen=True)
class Execution:
    """What an executor does with cells; called from as many threads as cells are searched and planned at a time.

    search: searches and scores, after which the cell's files but for its record are in the run's folder; raises what
    CellRun.run() raises. plan: plans with the judged program; raises what CellRun.plan() raises. plans: how many cells
    it makes sense to plan at a time.
    """

    search: Callable[[Cell], Ended]
    plan: Callable[[Cell, Program], Planning]
    plans: int


class Executor(Protocol):
    """A place to run cells."""

    def __call__(
        self,
        assignment: Assignment,
        provider: Provider,
        run: Run,
        display: Display,
        stop: Event,
        *,
        jobs: int,
        rate: Rate,
        unsafe: bool,
    ) -> AbstractContextManager[Execution]:
        """Prepare for ``jobs`` cells at a time. rate: of all of them together; unsafe: without a sandbox."""
        ...


def find(name: str, address: str | None) -> Executor:
    """An executor by its name. address: of the cluster, if not the one that is found without.

    Raises:
        CwmbError: there is none, or it is not installed.
    """
    if name == "local" and address is None:
        from cwmb.harness.executors.local import threads

        return threads
    if name == "local":
        raise CwmbError(f"--address {address} is that of a cluster: add --executor ray")
    if name == "ray":
        try:
            from cwmb.harness.executors.cluster import cluster
        except ImportError as error:
            raise CwmbError(f"--executor ray needs Ray ({error}): pip install 'cwmb[scale]'") from error
        return partial(cluster, address=address)
    raise unknown("executor", name, ("local", "ray"))
