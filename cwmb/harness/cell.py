"""One cell: a search under a budget and the judged program's scores; later its planning in the real environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.trajectories import transitions
from cwmb.errors import CwmbError, InfrastructureError, StorageError
from cwmb.harness.files import Append, append, write_whole
from cwmb.harness.ledger import Ledger
from cwmb.harness.metering import Meter, Watcher
from cwmb.harness.planning import plan, planning
from cwmb.harness.records import Outcome, Planning, Record, record
from cwmb.harness.run import JUDGED
from cwmb.harness.scores import anytime, score
from cwmb.harness.search import described, search, write_search
from cwmb.harness.setup import Job, Setup, Stage
from cwmb.judging.judge import Judge
from cwmb.models.pausing import Pause, sleep
from cwmb.types import SPLITS, Failure, Program


@dataclass
class CellRun:
    """Runs one cell in its folder. Everything that costs something goes through the ledger, so that it can go on.

    pause: how a provider waits; journal: appends to the ledger.
    """

    setup: Setup
    spec: EnvironmentSpec
    seed: int
    folder: Path
    stopping: Callable[[], bool]
    watch: Watcher = lambda **_: None
    stage: Callable[[Stage], None] = lambda _: None
    pause: Pause = sleep
    journal: Append = append

    def run(self) -> Record:
        """Search and score; the record, which is not written here, lacks the planning result.

        Raises:
            Interrupted: stopping() said so.
            StorageError: what was done cannot be kept.
            LedgerError: the ledger is damaged or belongs to something else.
            CwmbError: no cell can go on (damaged data, a budget that cannot be held).
        """
        ledger = Ledger(self.folder, self.journal)
        self.meter = Meter(self.setup.budget, self.stopping, self.watch, self.pause)
        try:
            outcome = self._outcome(ledger)
        except StorageError:
            raise
        except InfrastructureError as error:
            outcome = self._failed(str(error))
        except CwmbError:
            raise
        except (Exception, SystemExit) as error:  # a fault of the harness or of a provider: it costs this cell only
            outcome = self._failed(described(self.folder, error))
        return record(self.setup, self.spec, self.seed, self.meter, outcome)

    def _outcome(self, ledger: Ledger) -> Outcome:
        (self.folder / "traceback.txt").unlink(missing_ok=True)
        setup, spec = self.setup, self.spec
        strategy = setup.strategy.make()
        job = Job(
            setup=setup,
            spec=spec,
            seed=self.seed,
            folder=self.folder,
            ledger=ledger,
            meter=self.meter,
            judge=Judge.of(setup.sandbox, setup.protocol, spec, setup.cores.share),
            data={split: transitions(spec, split) for split in SPLITS},
            stage=self.stage,
        )
        self.stage(Stage("search", 0, setup.budget.calls))
        found = search(job, strategy)
        write_search(self.folder, self.meter)
        if found.failure is not None:
            return Outcome("failed", found.stop, found.failure)
        self.stage(Stage("score"))
        if found.program is not None:
            write_whole(self.folder / JUDGED, found.program.source)
        return Outcome(
            "done",
            found.stop,
            limit=found.limit,
            program=found.program,
            train=score(job, found.program, "train"),
            test=score(job, found.program, "test"),
            anytime=anytime(job, strategy),
            planning=planning(spec, setup.protocol, []) if found.program is None else None,
        )

    def plan(self, program: Program) -> Planning:
        """Plan with the judged program, from the episodes on that the ledger has.

        Raises:
            Interrupted: stopping() said so.
            InfrastructureError: the machine or the harness failed: the result is still missing.
            LedgerError: the ledger is damaged or belongs to something else.
        """
        ledger = Ledger(self.folder, self.journal)
        try:
            return plan(self.setup, self.spec, program, ledger, self.stopping, self.stage)
        except CwmbError:
            raise
        except (Exception, SystemExit) as error:
            raise InfrastructureError(described(self.folder, error)) from error

    def _failed(self, message: str) -> Outcome:
        write_search(self.folder, self.meter)
        return Outcome("infrastructure", "error", Failure("infrastructure", message))
