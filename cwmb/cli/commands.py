"""What the commands do, behind the command line's declarations."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING

from rich.console import Console

from cwmb.benchmark import trajectories
from cwmb.benchmark.catalog import EnvironmentSpec, environment, environment_ids
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import ORIGINAL, ORIGINALS, Worlds, chosen, told
from cwmb.errors import EXIT_INTERRUPTED, CwmbError, InfrastructureError
from cwmb.harness.records import Record
from cwmb.sandbox import Sandbox
from cwmb.text import line
from cwmb.types import SPLITS, Provider, Strategy

if TYPE_CHECKING:
    from cwmb.harness.run import Run
    from cwmb.harness.setup import Assignment


@dataclass(frozen=True)
class Wanted:
    """What ``cwmb eval`` is asked for: its options; None is the protocol's own."""

    strategy: str | Strategy  # one of one's own is taken with the options that it has
    model: str | Provider
    envs: str
    protocol: str
    descriptions: str
    jobs: int
    executor: str
    calls: int | None = None
    tokens: int | None = None
    dollars: float | None = None
    seconds: float | None = None
    max_new_tokens: int | None = None
    seeds: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    address: str | None = None
    out: Path | None = None
    suite: str = ORIGINAL
    worlds: Path | None = None
    options: Sequence[str] = ()
    no_plan: bool = False
    batch: bool = False
    unsafe_no_sandbox: bool = False


def evaluate(asked: Wanted) -> set[str]:
    """Run a strategy over environments and print the tables; returns the states of the cells."""
    from cwmb.report import terminal

    console = Console(stderr=True)
    folder, records = complete(asked, console)
    print(terminal([folder]))
    say_what_failed(console, records)
    console.print(f"\nRecords, programs and ledgers: {folder}", highlight=False, soft_wrap=True)
    return {r.state for r in records}


def complete(asked: Wanted, console: Console) -> tuple[Path, list[Record]]:
    """Run a strategy over environments, showing how far it is; returns the run's folder and its records.

    Raises:
        KeyboardInterrupt: it was stopped; the same call goes on.
        CwmbError: something asked for does not exist, or the run cannot go on.
    """
    from cwmb import models
    from cwmb.cli.progress import RunProgress
    from cwmb.harness.executors import find
    from cwmb.harness.matrix import run_cells
    from cwmb.harness.metering import Budget, Interrupted
    from cwmb.harness.run import Configuration, Extent, open_run
    from cwmb.harness.setup import Assignment
    from cwmb.models.openai.pace import Rate
    from cwmb.plugins import chosen_strategy, options

    rules_of, worlds = protocol(asked.protocol), chosen(asked.suite, asked.worlds)
    executing = find(asked.executor, asked.address)
    rate = Rate(asked.requests_per_minute, asked.tokens_per_minute)
    strategy = chosen_strategy(asked.strategy, options(asked.options))
    provider = models.load(asked.model, worlds) if isinstance(asked.model, str) else asked.model
    budget = Budget(asked.calls or rules_of.calls, asked.tokens, asked.dollars, asked.seconds)
    extent = Extent(sorted(chosen_environments(asked.envs, worlds)), asked.seeds or rules_of.seeds)
    _check_data([worlds.environment(name) for name in extent.environments], asked.descriptions)
    configuration = Configuration(
        strategy=strategy.name,
        options=strategy.options,
        model=provider.name,
        protocol=asked.protocol,
        protocol_sha256=rules_of.checksum,
        budget=budget,
        descriptions=asked.descriptions,
        max_new_tokens=asked.max_new_tokens,
        suite=worlds.suite,
        world_seed=worlds.seed,
    )
    folder = asked.out or Path("runs") / configuration.folder_name
    assignment = Assignment(
        strategy=strategy,
        model_name=asked.model if isinstance(asked.model, str) else provider.name,
        protocol=rules_of.with_answers_of(asked.max_new_tokens),
        budget=budget,
        descriptions=asked.descriptions,
        worlds=worlds,
    )
    with open_run(folder, configuration, extent) as run, stop_on_interrupt(console, folder) as stop:
        before = [r for r in run.finished().values() if r.state == "done"]
        done = len(before), sum(r.planning is not None for r in before)
        try:
            if asked.batch:
                provider = _asked_at_once(asked, assignment, provider, run, console, stop)
            with (
                RunProgress(console, len(run.extent.cells()), *done, plan=not asked.no_plan) as display,
                executing(
                    assignment, provider, run, display, stop, jobs=asked.jobs, rate=rate, unsafe=asked.unsafe_no_sandbox
                ) as execution,
            ):
                records = run_cells(
                    run, rules_of, execution, jobs=asked.jobs, display=display, stop=stop, plan=not asked.no_plan
                )
        except Interrupted:
            raise KeyboardInterrupt from None
        except InfrastructureError as error:
            raise InfrastructureError(
                f"{error}. Once that is put right, the same command goes on in {folder}"
            ) from error
    return folder, records


def _asked_at_once(
    asked: Wanted, assignment: Assignment, provider: Provider, run: Run, console: Console, stop: Event
) -> Provider:
    """A provider that has asked all questions of the cells that are not done, in a batch."""
    from cwmb.harness.batch import Batch, questions
    from cwmb.harness.metering import Interrupted
    from cwmb.models.openai import OpenAI
    from cwmb.models.requests import request_hash

    if asked.executor != "local" or asked.tokens or asked.dollars or asked.seconds:
        raise CwmbError("--batch asks everything beforehand: leave out --executor, --max-tokens, -dollars and -seconds")
    if not isinstance(provider, OpenAI) or not provider.takes_batches:
        raise CwmbError(f"--batch needs one endpoint of openai: with its chat completions, not {provider.name}")

    def wait(seconds: float, why: str) -> None:
        console.print(line(why), highlight=False, markup=False)
        if stop.wait(seconds):
            raise Interrupted

    done = {cell for cell, record in run.finished().items() if record.state == "done"}
    cells = [cell for cell in run.extent.cells() if cell not in done]
    requests = {request_hash(r): r for cell in cells for r in questions(assignment, cell)}
    batch = Batch(provider, run.folder / "batch", wait)
    batch.prepare(requests)
    return batch


def chosen_environments(names: str, worlds: Worlds = ORIGINALS) -> set[str]:
    """The ids in a list with commas, or all of them. Raises CwmbError: one does not exist."""
    return set(worlds.ids) if names == "all" else {worlds.environment(n.strip()).id for n in names.split(",")}


def _check_data(specs: Sequence[EnvironmentSpec], descriptions: str) -> None:
    """What is missing or damaged is known before anything is paid for. Raises CwmbError."""
    for spec in specs:
        told(spec, descriptions)
        for split in SPLITS:
            trajectories.transitions(spec, split)


def say_what_failed(console: Console, records: Sequence[Record]) -> None:
    """Say on the console which cells failed and what is missing, and what to do."""
    for record in records:
        for kind, what in (("context_exceeded", "did not fit into the context window"), ("refused", "were refused")):
            if number := record.answers.get(kind):
                message = f"{record.environment} seed {record.seed}: {number} of {record.usage.calls} prompts {what}"
                console.print(line(message), highlight=False, markup=False, soft_wrap=True)
    unplanned = sum(r.state == "done" and r.planning is None for r in records)
    if unplanned:
        console.print(f"{unplanned} cells have no planning result: the same command without --no-plan makes it up.")
    failed = [r for r in records if r.state != "done"]
    for record in failed:
        message = f"{record.environment} seed {record.seed}: {record.failure.message if record.failure else ''}"
        console.print(line(message), highlight=False, markup=False, soft_wrap=True)
    if failed:
        console.print(f"The same command tries {len(failed)} cells again, from where each failed.", highlight=False)


@contextmanager
def stop_on_interrupt(console: Console, folder: Path) -> Iterator[Event]:
    """The first Ctrl-C lets the calls in flight finish and be saved; the second ends the process at once."""
    stop = Event()
    asked_before = False
    signals = (signal.SIGINT, signal.SIGTERM)  # the latter is how schedulers announce the end

    def handle(*_: object) -> None:
        nonlocal asked_before
        if asked_before:
            console.show_cursor()  # the live display hid it
            os._exit(EXIT_INTERRUPTED)  # worker threads would hold up any other way out
        asked_before = True
        stop.set()
        console.print(
            f"Stopping: finishing the calls in flight. The same command goes on in {folder}. Ctrl-C again to quit now.",
            highlight=False,
            soft_wrap=True,
        )

    here = current_thread() is main_thread()  # only there signals are handled
    previous = {number: signal.signal(number, handle) for number in signals if here}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def collect_trajectories(names: Sequence[str], force: bool) -> None:
    """Collect the data sets of environments."""
    from cwmb.collect import Collected, collect_all

    ids = [environment(name).id for name in names] or list(environment_ids())
    console = Console(stderr=True)

    def say(done: Collected) -> None:
        how = "is there" if done.skipped else "recorded"
        console.print(f"{done.environment:26} {done.split:5} {done.transitions:6,} transitions {how}", highlight=False)

    collect_all(ids, force=force, progress=say)


def show_baselines(protocol_name: str, format_: str, worlds: Worlds = ORIGINALS) -> str:
    """The stored baselines as a table."""
    from cwmb.report.baselines import baseline_table
    from cwmb.report.render import render

    return render([baseline_table(protocol_name, worlds)], format_)


def measure_baselines(names: Sequence[str], protocol_name: str, worlds: Worlds = ORIGINALS) -> None:
    """Measure floors, ceilings, random and oracle returns."""
    from cwmb.harness.measure import measure

    console = Console(stderr=True)
    specs = [worlds.environment(name) for name in names or worlds.ids]
    with Sandbox() as sandbox:
        measure(protocol(protocol_name), specs, sandbox, lambda line: console.print(line, highlight=False))
