"""What the commands do, behind the command line's declarations."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

from rich.console import Console

from cwmb.benchmark import trajectories
from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.protocols import protocol
from cwmb.errors import EXIT_INTERRUPTED, CwmbError, InfrastructureError, unknown
from cwmb.harness.records import Record
from cwmb.sandbox import Sandbox
from cwmb.types import SPLITS


def evaluate(
    strategy_name: str,
    model_name: str,
    *,
    envs: str,
    calls: int | None,
    tokens: int | None,
    dollars: float | None,
    seconds: float | None,
    max_new_tokens: int | None,
    seeds: int | None,
    protocol_name: str,
    descriptions: str,
    jobs: int,
    out: Path | None,
    options: Sequence[str],
    executor: str,
    address: str | None,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    unsafe: bool,
) -> set[str]:
    """Run a strategy over environments and print the tables; returns the states of the cells."""
    from cwmb import models
    from cwmb.benchmark.descriptions import description, description_sets
    from cwmb.cli.progress import RunProgress
    from cwmb.harness.cell import Assignment
    from cwmb.harness.executors import find
    from cwmb.harness.matrix import Configuration, Extent, open_run, run_cells
    from cwmb.harness.metering import Budget, Interrupted
    from cwmb.harness.plugins import STRATEGIES, package, strategy
    from cwmb.models.pace import Rate
    from cwmb.report import terminal

    rules_of = protocol(protocol_name)
    counts = {
        "--budget": calls,
        "--seeds": seeds,
        "--jobs": jobs,
        "--max-tokens": tokens,
        "--max-new-tokens": max_new_tokens,
        "--requests-per-minute": requests_per_minute,
        "--tokens-per-minute": tokens_per_minute,
    }
    for name, value in counts.items():
        if value is not None and value < 1:
            raise CwmbError(f"{name} is {value}: it must be at least 1")
    for name, amount in (("--max-dollars", dollars), ("--max-seconds", seconds)):
        if amount is not None and not 0 < amount < float("inf"):
            raise CwmbError(f"{name} is {amount}: it must be more than 0")
    executing, rate = find(executor, address), Rate(requests_per_minute, tokens_per_minute)
    if descriptions not in description_sets():
        raise unknown("description set", descriptions, description_sets())
    names = list(environment_ids()) if envs == "all" else [environment(n.strip()).id for n in envs.split(",")]
    made, plain = strategy(strategy_name, _options(options))
    provider = models.load(model_name)
    budget = Budget(rules_of.calls if calls is None else calls, tokens, dollars, seconds)
    extent = Extent(sorted(set(names)), rules_of.seeds if seeds is None else seeds)
    configuration = Configuration(
        strategy_name, plain, model_name, protocol_name, rules_of.checksum, budget, descriptions, max_new_tokens
    )
    if max_new_tokens is not None:
        rules_of = replace(rules_of, sampling=replace(rules_of.sampling, max_new_tokens=max_new_tokens))
    folder = out or Path("runs") / _folder_name(strategy_name, model_name, protocol_name)
    for name in extent.environments:  # what is missing or damaged is known before anything is paid for
        description(name, descriptions)
        for chosen in SPLITS:
            trajectories.transitions(environment(name), chosen)
    console = Console(stderr=True)
    assignment = Assignment(
        strategy_name, made, plain, package(STRATEGIES, strategy_name), model_name, rules_of, budget, descriptions
    )

    with open_run(folder, configuration, extent) as run, _stop_on_interrupt(console, folder) as stop:
        done = sum(r.state == "done" for r in run.finished().values())
        try:
            with (
                RunProgress(console, len(run.extent.cells()), done) as display,
                executing(assignment, provider, run, display, stop, jobs=jobs, rate=rate, unsafe=unsafe) as execute,
            ):
                records = run_cells(run, rules_of, execute, jobs=jobs, display=display, stop=stop)
        except Interrupted:
            raise KeyboardInterrupt from None
        except InfrastructureError as error:
            raise InfrastructureError(
                f"{error}. Once that is put right, the same command goes on in {folder}"
            ) from error
    print(terminal([folder]))
    _say_what_failed(console, records)
    console.print(f"\nRecords, programs and ledgers: {folder}", highlight=False, soft_wrap=True)
    return {r.state for r in records}


def _options(options: Sequence[str]) -> dict[str, str]:
    pairs = [o.partition("=") for o in options]
    for name, equals, _ in pairs:
        if not equals:
            raise CwmbError(f"option {name!r} has no value: write -o {name}=VALUE")
    return {name: value for name, _, value in pairs}


def _folder_name(strategy: str, model: str, protocol_name: str) -> str:
    safe = "".join(c if c.isalnum() or c in "._" else "_" for c in model)
    return f"{strategy}-{safe}-{protocol_name}"


def _say_what_failed(console: Console, records: Sequence[Record]) -> None:
    failed = [r for r in records if r.state != "done"]
    for record in failed:
        message = f"{record.environment} seed {record.seed}: {record.failure.message if record.failure else ''}"
        console.print(message, highlight=False, markup=False, soft_wrap=True)
    if failed:
        console.print(f"The same command tries {len(failed)} cells again, from where each failed.", highlight=False)


@contextmanager
def _stop_on_interrupt(console: Console, folder: Path) -> Iterator[Event]:
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

    previous = {number: signal.signal(number, handle) for number in signals}
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


def show_baselines(protocol_name: str, format_: str) -> str:
    """The stored baselines as a table."""
    from cwmb.report.baselines import baseline_table
    from cwmb.report.render import render

    return render([baseline_table(protocol_name)], format_)


def measure_baselines(names: Sequence[str], protocol_name: str) -> None:
    """Measure floors, ceilings, random and oracle returns."""
    from cwmb.harness.measure import measure

    console = Console(stderr=True)
    ids = [environment(name).id for name in names] or list(environment_ids())
    with Sandbox() as sandbox:
        measure(protocol(protocol_name), ids, sandbox, lambda line: console.print(line, highlight=False))
