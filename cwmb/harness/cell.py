"""One cell: a search under a budget, the judged program's scores, and its planning in the real environment."""

from __future__ import annotations

import json
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Semaphore
from typing import Any

import numpy as np

from cwmb.benchmark import baselines, trajectories
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.descriptions import checksum as description_checksum
from cwmb.benchmark.descriptions import contract, description
from cwmb.benchmark.protocols import BenchmarkProtocol
from cwmb.errors import BudgetExhausted, CwmbError, InfrastructureError, StorageError
from cwmb.harness import provenance
from cwmb.harness.files import Append, append, write_whole
from cwmb.harness.ledger import Ledger
from cwmb.harness.metering import (
    Budget,
    Interrupted,
    Limit,
    Meter,
    MeteredEvaluate,
    MeteredModel,
    Scored,
    SearchOver,
    Watcher,
)
from cwmb.harness.records import SCHEMA, Anytime, Planning, Provenance, Record, Score, score
from cwmb.judging.horizon import program_horizon, recorded_trajectories
from cwmb.judging.judge import Judge
from cwmb.judging.scoring import Marks, evaluate, persistence
from cwmb.machine import cores
from cwmb.models import prompts
from cwmb.sandbox import Sandbox
from cwmb.seeds import Purpose, generator
from cwmb.types import Evaluation, Failure, Program, Provider, Split, Strategy, Task, Transitions

SIMULATED = "simulated"  # the name of the model that is none, in replies and on the command line


@dataclass(frozen=True)
class Assignment:
    """What all cells of a run are to do, wherever they run.

    strategy: makes a fresh one for each cell; budget: of one cell.
    """

    strategy_name: str
    strategy: Callable[[], Strategy]
    options: dict[str, Any]
    strategy_package: str
    model_name: str
    protocol: BenchmarkProtocol
    budget: Budget
    descriptions: str


@dataclass(frozen=True)
class Setup(Assignment):
    """The same with what the cells of one process share.

    cores: held while a program runs, so that hundreds of cells that wait for their models do not get into each other's
    way when they compute.
    """

    provider: Provider
    sandbox: Sandbox
    cores: Semaphore = field(default_factory=lambda: Semaphore(cores()))


@dataclass(frozen=True)
class Stage:
    """What a cell is doing, for the progress display."""

    name: str
    done: int = 0
    of: int = 0


@dataclass
class CellRun:
    """Runs one cell in its folder. Everything that costs something goes through the ledger, so that it can go on.

    journal: appends to the ledger.
    """

    setup: Setup
    spec: EnvironmentSpec
    seed: int
    folder: Path
    stopping: Callable[[], bool]
    watch: Watcher
    stage: Callable[[Stage], None]
    journal: Append = append

    def run(self) -> Record:
        """Search, score, plan; the record is not written here.

        Raises:
            Interrupted: stopping() said so.
            StorageError: what was done cannot be kept.
            LedgerError: the ledger is damaged or belongs to something else.
            CwmbError: no cell can go on (damaged data, a budget that cannot be held).
        """
        self.ledger = Ledger(self.folder, self.journal)
        self.meter = Meter(self.setup.budget, self.stopping, self.watch)
        try:
            self._prepare()
            return self._searched_and_judged()
        except StorageError:
            raise
        except InfrastructureError as error:
            failure = Failure("infrastructure", str(error))
        except CwmbError:
            raise
        except Exception as error:  # a fault of the harness or of a provider: it costs this cell only
            failure = Failure("infrastructure", self._described(error))
        self._write_search()
        return self._record("infrastructure", "error", failure, None, None, None, [], None)

    def _prepare(self) -> None:
        (self.folder / "traceback.txt").unlink(missing_ok=True)
        setup, spec = self.setup, self.spec
        self.strategy = setup.strategy()
        self.data: dict[Split, Transitions] = {
            "train": trajectories.transitions(spec, "train"),
            "test": trajectories.transitions(spec, "test"),
        }
        self.judge = Judge.of(setup.sandbox, setup.protocol, spec)

    def _searched_and_judged(self) -> Record:
        self.stage(Stage("search", 0, self.setup.budget.calls))
        stop, failure, program = self._search()
        self._write_search()
        if failure is not None:
            return self._record("failed", stop, failure, None, None, None, [], None)
        self.stage(Stage("score"))
        train, test = self._score(program, "train"), self._score(program, "test")
        anytime: list[Anytime] = []
        if getattr(self.strategy, "anytime", False):
            smaller = [calls for calls in self.setup.protocol.report_calls if calls < self.setup.budget.calls]
            anytime = [self._anytime(calls) for calls in smaller]
        planning = self._plan(program, train)
        return self._record("done", stop, None, program, train, test, anytime, planning)

    def _described(self, error: BaseException) -> str:
        """An exception nobody expected, in one line; where it came from stands in traceback.txt."""
        write_whole(self.folder / "traceback.txt", "".join(traceback.format_exception(error)))
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"

    # ------------------------------------------------------------------------------------------------ search

    def _search(self) -> tuple[str, Failure | None, Program | None]:
        """Run the strategy. Returns why it stopped, its failure if it failed, and the program to be judged.

        What went wrong behind the model or the scorer is raised, whatever the strategy made of it.
        """
        setup = self.setup
        llm = MeteredModel(setup.provider, setup.protocol.sampling, self.ledger, self.meter, self.spec.id, self.seed)
        evaluate = MeteredEvaluate(self._training_score, self.ledger, self.meter)
        task = Task(
            environment=self.spec.id,
            description=description(self.spec.id, setup.descriptions),
            contract=contract(),
            observation_space=self.judge.observation_space,
            action_space=self.judge.action_space,
            train=self.data["train"],
        )
        rng = generator(self.seed, self.spec.id, Purpose.SEARCH)
        chosen: Program | None = None
        fault: BaseException | None = None
        try:
            chosen = self.strategy.search(task, llm, evaluate, rng)
            if not (chosen is None or isinstance(chosen, Program)):
                raise TypeError(f"search() returned {type(chosen).__name__}, not a Program or None")
        except (BudgetExhausted, SearchOver):
            pass
        except BaseException as error:  # SystemExit, too, is nobody's failure but the strategy's
            fault = error
        self.meter.close()
        if self.meter.trouble is not None:
            raise self.meter.trouble
        if isinstance(fault, CwmbError):
            raise fault
        if fault is not None:
            return "error", Failure("strategy_error", self._described(fault)), None
        best = self.meter.best()
        if chosen is None:
            chosen = best.program if best else None
        if best is not None and best.evaluation.perfect:
            return "perfect", None, chosen
        return "budget" if self._limit() else "finished", None, chosen

    def _limit(self) -> Limit | None:
        return self.meter.limit or self.meter.reached()

    def _training_score(self, program: Program, index: int, best: float) -> Evaluation:
        """What a strategy learns about a program: audited if it would be the best one."""
        first = self.setup.protocol.scoring.feedback == "first"
        with self._core():
            return self.judge.score(
                program,
                self.data["train"],
                generator(self.seed, self.spec.id, Purpose.AUDIT, index),
                audit_above=best,
                show=1,
                feedback=None if first else generator(self.seed, self.spec.id, Purpose.FEEDBACK, index),
            )[0]

    @contextmanager
    def _core(self) -> Iterator[None]:
        """While a program runs: as many at a time as there are cores. Raises Interrupted."""
        with self.setup.cores:
            if self.stopping():  # since it began to wait
                raise Interrupted
            yield

    def _write_search(self) -> None:
        """The programs as files, and the search's tree: each call with its parent, decision and outcome."""
        scores: dict[str, Evaluation] = {s.program.hash: s.evaluation for s in self.meter.scored}
        nodes = []
        for asked in self.meter.asked:
            completion = asked.completion
            evaluation = scores.get(completion.program.hash) if completion.program else None
            failure = completion.failure or (evaluation.failure if evaluation else None)
            nodes.append(
                {
                    "call": completion.index,
                    "parent": asked.prompt.parent,
                    "kind": asked.prompt.kind,
                    "program": completion.program.hash if completion.program else None,
                    "accuracy": evaluation.accuracy if evaluation else None,
                    "exact": evaluation.exact if evaluation else None,
                    "failure": failure.kind if failure else None,
                    "decision": dict(asked.prompt.note),
                }
            )
            if completion.program:
                write_whole(self.folder / "programs" / f"{completion.index:04d}.py", completion.program.source)
        write_whole(self.folder / "tree.json", json.dumps(nodes, indent=1) + "\n")

    # ------------------------------------------------------------------------------------------------ scores

    def _score(self, program: Program | None, split: Split) -> Score:
        """The audited score of a program, journaled."""
        truth = self.data[split]
        rules = self.judge.rules
        floor = evaluate(truth, persistence(truth, self.data["train"], rules), rules).accuracy
        bounds = getattr(baselines.baselines(self.setup.protocol.name).of(self.spec.id), split)
        ceiling = bounds.ceiling if bounds and bounds.data_sha256 == self._data_sha256(split) else None
        if program is None:
            nothing = Evaluation(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, len(truth), Failure("no_code", "no program was found"))
            return score(nothing, floor, ceiling)
        index = 2 * self._program_index(program) + (split == "test")
        return self.ledger.entry(
            "score", index, f"{split}:{program.hash}", Score, lambda: self._judged(program, split, floor, ceiling)
        )

    def _judged(self, program: Program, split: Split, floor: float, ceiling: float | None) -> Score:
        rng = generator(self.seed, self.spec.id, Purpose.AUDIT, len(self.data[split]))
        with self._core():
            evaluation, marks = self.judge.score(program, self.data[split], rng)
            if split == "train":
                return score(evaluation, floor, ceiling)
            horizon = program_horizon(self.judge, program, recorded_trajectories(self.data["test"], self.data["train"]))
        unseen = self._unseen_accuracy(marks) if evaluation.accuracy > 0 else None
        return score(evaluation, floor, ceiling, unseen, horizon)

    def _unseen_accuracy(self, marks: Marks) -> float | None:
        """Mean score on test pairs of observation and action that are absent from train, where some are present."""
        train, test = self.data["train"], self.data["test"]
        pairs = [np.hstack([t.observations, t.actions]) for t in (train, test)]
        seen = {pair.tobytes() for pair in pairs[0]}
        unseen = np.array([pair.tobytes() not in seen for pair in pairs[1]])
        return float(marks.score[unseen].mean()) if unseen.any() and not unseen.all() else None

    def _program_index(self, program: Program) -> int:
        """Which of the scored programs it is: a strategy may also return one that it never scored."""
        hashes = [s.program.hash for s in self.meter.scored]
        return hashes.index(program.hash) if program.hash in hashes else len(hashes)

    def _anytime(self, calls: int) -> Anytime:
        best: Scored | None = self.meter.best(calls)
        if best is None:
            return Anytime(calls, None, 0.0, None)
        return Anytime(calls, best.program.hash, best.evaluation.accuracy, self._score(best.program, "test"))

    # ---------------------------------------------------------------------------------------------- planning

    def _plan(self, program: Program | None, train: Score) -> Planning:
        """Episodes of a program's planner. A program that does not load gets the random policy's return, hence 0."""
        from cwmb.harness.planning import plan_episodes, planning

        return planning(
            self.spec,
            self.setup.protocol,
            []
            if program is None
            else plan_episodes(
                self.setup.sandbox,
                self.spec,
                self.setup.protocol,
                program,
                ledger=self.ledger,
                core=self._core,
                stopping=self.stopping,
                stage=lambda done, of: self.stage(Stage("plan", done, of)),
            ),
        )

    # ------------------------------------------------------------------------------------------------ record

    def _data_sha256(self, split: Split) -> str:
        dataset = self.spec.dataset
        return dataset.train_sha256 if split == "train" else dataset.test_sha256

    def _record(
        self,
        state: Any,
        stop: Any,
        failure: Failure | None,
        program: Program | None,
        train: Score | None,
        test: Score | None,
        anytime: list[Anytime],
        planning: Planning | None,
    ) -> Record:
        setup, spec, asked = self.setup, self.spec, self.meter.asked
        commit, dirty = provenance.commit()
        versions = provenance.versions()
        writers = [a.completion.index for a in asked if a.completion.program == program]
        return Record(
            schema=SCHEMA,
            strategy=setup.strategy_name,
            options=setup.options,
            model=setup.model_name,
            # Also where the answers are replayed from a ledger.
            simulated=any(a.reply.model == SIMULATED for a in asked) or setup.model_name.split(":")[0] == SIMULATED,
            environment=spec.id,
            group=spec.group,
            seed=self.seed,
            protocol=setup.protocol.name,
            descriptions=setup.descriptions,
            state=state,
            budget=setup.budget.calls,
            custom=False,
            stop=stop,
            limit=self._limit() if stop == "budget" else None,
            program=program.hash if program else None,
            program_call=writers[0] if program and writers else None,
            train=train,
            test=test,
            anytime=anytime,
            planning=planning,
            usage=self.meter.usage,
            prompts=dict(Counter(a.prompt.kind for a in asked)),
            answers=dict(Counter(a.completion.failure.kind if a.completion.failure else "program" for a in asked)),
            failure=failure,
            provenance=Provenance(
                cwmb=versions["cwmb"],
                commit=commit,
                dirty=dirty,
                python=versions["python"],
                numpy=versions["numpy"],
                gymnasium=versions["gymnasium"],
                mujoco=versions["mujoco"],
                machine=provenance.machine(),
                cpu_features=list(provenance.cpu_features()),
                sandbox=list(setup.sandbox.layers),
                protocol_sha256=setup.protocol.checksum,
                train_sha256=spec.dataset.train_sha256,
                test_sha256=spec.dataset.test_sha256,
                description_sha256=description_checksum(spec.id, setup.descriptions),
                prompts_sha256=prompts.checksum(),
                strategy_package=setup.strategy_package,
                sampling=asdict(setup.protocol.sampling),
                dropped_parameters=sorted({p for a in asked for p in a.reply.dropped}),
                reported_models=sorted({a.reply.model for a in asked}),
            ),
        )
