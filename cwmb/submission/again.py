"""Running a recorded cell again, without a model: its answers come from its ledger, everything else is computed anew.

The harness itself does it, so that a recomputed record is comparable field by field. A strategy of this package is run
and must ask what the ledger holds. A stranger's is never run: ``Recorded`` asks in its place what the ledger says that
it asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cwmb import plugins
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.suites import shipped
from cwmb.conversion import convert
from cwmb.errors import CwmbError, InfrastructureError
from cwmb.harness.cell import CellRun
from cwmb.harness.cores import Cores
from cwmb.harness.metering import Meter
from cwmb.harness.records import Record
from cwmb.harness.run import judged
from cwmb.harness.setup import Setup
from cwmb.journal import entries as entries_of
from cwmb.sandbox import Sandbox
from cwmb.submission.opening import BundleRun
from cwmb.types import Evaluate, LanguageModel, Message, Program, Prompt, Reply, Request, Strategy, Task

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Bench:
    """What all cells of a verification share. cores: held while a program runs; stopping: whether to give up."""

    sandbox: Sandbox
    cores: Cores
    stopping: Callable[[], bool]


@dataclass(frozen=True)
class Again:
    """What came of running a cell again: its record, what was asked and evaluated, and its ledger."""

    record: Record
    meter: Meter
    entries: list[dict[str, Any]]


class Unheld(CwmbError):
    """A cell that runs again needs what its ledger does not hold."""


@dataclass
class NoModel:
    """The provider of a replay: whatever reaches it is a question that the ledger does not hold. name: who answered."""

    name: str

    def complete(self, request: Request) -> Reply:
        """Raises Unheld."""
        raise Unheld("the strategy asks more than the ledger holds")


@dataclass(frozen=True)
class Recorded:
    """Asks and evaluates what a ledger says, in its order, and returns the program that the record names.

    programs: by their hash, those that no answer holds; chosen: the hash of the one to return.
    """

    entries: list[dict[str, Any]]
    programs: Mapping[str, Program]
    chosen: str | None
    anytime: bool = False

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        """See the class."""
        known = dict(self.programs)
        for entry in self.entries:
            if entry["type"] == "call":
                program = llm.complete(prompt_of(entry)).program
                if program is not None:
                    known[program.hash] = program
            elif entry["type"] == "evaluation":
                evaluate(_held(known, entry["key"]))
            elif entry["type"] == "analysis":
                program = _held(known, entry["program"]) if entry["program"] else None
                task.analyse(entry["script"], program)
        return _held(known, self.chosen) if self.chosen else None


def _held(programs: Mapping[str, Program], key: str) -> Program:
    if key not in programs:
        raise Unheld(f"the bundle does not hold the source of program {key[:12]!a}…")
    return programs[key]


def prompt_of(entry: Entry) -> Prompt:
    """The prompt of a ledger's call."""
    messages = tuple(convert(message, Message) for message in entry["request"]["messages"])
    return Prompt(entry["kind"], messages, entry["parent"], entry["note"], entry.get("prefix", ""))


def programs_of(run: BundleRun, record: Record, entries: list[dict[str, Any]]) -> dict[str, Program]:
    """Every program of a cell whose source is at hand outside of the answers, by its hash."""
    own = (Program(entry["source"]) for entry in entries if isinstance(entry.get("source"), str))
    return {**run.programs(record.cell), **{program.hash: program for program in own}}


def built_in(name: str, options: Mapping[str, Any]) -> Callable[[], Strategy] | None:
    """What makes a strategy of this package; None for anybody else's, which is not even imported.

    Raises:
        CwmbError: it has no such options.
    """
    try:
        point = plugins.find(plugins.STRATEGIES, "strategy", name)
    except CwmbError:
        return None
    if point.dist is None or point.dist.name != "cwmb" or not point.value.startswith("cwmb.strategies."):
        return None
    return plugins.strategy(name, options)[0]


def run_again(
    bench: Bench,
    run: BundleRun,
    record: Record,
    strategy: Callable[[], Strategy],
    entries: list[dict[str, Any]],
    folder: Path,
    episodes: int = 0,
) -> Again:
    """Run a cell in an empty folder. What stands in ``entries`` is taken as recorded, everything else computed anew.

    episodes: how many to plan.

    Raises:
        LedgerError: it asks or evaluates something else than was recorded, or in another order.
        Unheld: it needs more than was recorded.
        InfrastructureError: this machine failed.
    """
    folder.mkdir(parents=True)
    unchecked = ({name: value for name, value in entry.items() if name != "check"} for entry in entries)
    (folder / "ledger.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in unchecked), encoding="utf-8")
    chosen = run.entry.configuration
    setup = Setup(
        strategy=plugins.Chosen(chosen.strategy, strategy, chosen.options, record.provenance.strategy_package),
        model_name=chosen.model,
        protocol=run.protocol.with_answers_of(chosen.max_new_tokens),
        budget=chosen.budget,
        descriptions=chosen.descriptions,
        provider=NoModel(record.model),
        sandbox=bench.sandbox,
        cores=bench.cores,
        worlds=shipped(chosen.suite),
    )
    cell_run = CellRun(
        setup=setup,
        spec=planning(run.environment(record.environment), run.protocol.name, episodes),
        seed=record.seed,
        folder=folder,
        stopping=bench.stopping,
    )
    made = cell_run.run()
    if record.planning is not None and made.state == "done" and made.planning is None:
        made = replace(made, planning=cell_run.plan(judged(folder, made)))
    if made.state == "infrastructure":
        raise InfrastructureError(made.failure.message if made.failure else "the machine failed")
    return Again(made, cell_run.meter, list(entries_of(folder / "ledger.jsonl")))


def planning(spec: EnvironmentSpec, protocol: str, episodes: int) -> EnvironmentSpec:
    """The environment with so many episodes to plan."""
    return replace(spec, episodes={**spec.episodes, protocol: episodes})
