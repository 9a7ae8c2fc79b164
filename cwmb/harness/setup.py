"""What cells are to do and with what, wherever they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import BenchmarkProtocol
from cwmb.benchmark.suites import ORIGINALS, Worlds
from cwmb.harness.cores import Cores
from cwmb.harness.ledger import Ledger
from cwmb.harness.metering import Budget, Interrupted, Meter
from cwmb.judging.judge import Judge
from cwmb.machine import cores
from cwmb.plugins import Chosen
from cwmb.sandbox import Sandbox
from cwmb.seeds import Purpose, generator, unforeseen
from cwmb.types import Program, Provider, Split, Transitions


@dataclass(frozen=True)
class Assignment:
    """What all cells of a run are to do, wherever they run.

    strategy: of which each cell makes a fresh one; budget: of one cell; worlds: the environments of which suite.
    """

    strategy: Chosen
    model_name: str
    protocol: BenchmarkProtocol
    budget: Budget
    descriptions: str
    worlds: Worlds = field(default=ORIGINALS, kw_only=True)


@dataclass(frozen=True)
class Setup(Assignment):
    """The same with what the cells of one process share.

    cores: lent to programs while they run, so that hundreds of cells that wait for their models do not get into each
    other's way when they compute.
    """

    provider: Provider
    sandbox: Sandbox
    cores: Cores = field(default_factory=lambda: Cores(cores()))


@dataclass(frozen=True)
class Stage:
    """What a cell is doing, for the progress display."""

    name: str
    done: int = 0
    of: int = 0


@dataclass(frozen=True)
class Job:
    """A cell at work: what its search and its scores share.

    folder: where everything of its own is kept; stage: told what is going on.
    """

    setup: Setup
    spec: EnvironmentSpec
    seed: int
    folder: Path
    ledger: Ledger
    meter: Meter
    judge: Judge
    data: Mapping[Split, Transitions]
    stage: Callable[[Stage], None] = lambda _: None

    def draws(self, purpose: Purpose, *index: int) -> np.random.Generator:
        """The cell's generator of a purpose."""
        return generator(self.seed, self.spec.id, purpose, *index)

    def audit(self, program: Program) -> np.random.Generator:
        """What draws the transitions of a program's audit."""
        return unforeseen(self.seed, self.spec.id, Purpose.AUDIT, program.source)

    @contextmanager
    def core(self) -> Iterator[None]:
        """While a program is scored: as many at a time as there are cores. Raises Interrupted."""
        with self.setup.cores.scoring():
            if self.meter.stopping():  # since it began to wait
                raise Interrupted
            yield
