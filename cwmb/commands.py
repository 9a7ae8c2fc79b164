"""What the commands do, behind the command line's declarations."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from rich.console import Console

from cwmb import trajectories
from cwmb.adapters import make
from cwmb.catalog import EnvironmentSpec, environment, environment_ids
from cwmb.errors import EXIT_INTERRUPTED, CwmbError, InfrastructureError, unknown
from cwmb.harness.judge import Judge
from cwmb.harness.records import Record
from cwmb.protocols import protocol
from cwmb.sandbox import Sandbox
from cwmb.types import Evaluation, Mistake, Program, Space, Split, Transitions

SHOWN_MISTAKES = 3
SPLITS: tuple[Split, ...] = ("train", "test")


def read_program(file: Path) -> Program:
    """A program from a file.

    Raises:
        CwmbError: there is none, it is no text, or defines no class Environment.
    """
    try:
        source = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CwmbError(f"cannot read the program {file}: {getattr(error, 'strerror', None) or error}") from error
    if "Environment" not in source:
        raise CwmbError(f"{file} defines no class Environment: see 'cwmb describe ENV' for the class to write")
    return Program(source)


def score_program(
    env: str, file: Path, split: str, data: str | None, protocol_name: str, as_json: bool, unsafe: bool
) -> str:
    """Score a program on recorded transitions; returns what is printed."""
    from cwmb.harness.bounds import bounds
    from cwmb.harness.records import score
    from cwmb.harness.seeds import Purpose, generator
    from cwmb.scoring import rules

    spec, rules_of = environment(env), protocol(protocol_name)
    program = read_program(file)
    truth, train, checksum = _data(spec, split, data)
    simulator = make(spec)
    with Sandbox(workers=1, unsafe=unsafe) as sandbox:
        judge = Judge(
            sandbox,
            rules_of,
            rules(spec, rules_of.scoring),
            simulator.observation_space,
            simulator.action_space,
        )
        evaluation, _ = judge.score(program, truth, generator(0, spec.id, Purpose.AUDIT), show=SHOWN_MISTAKES)
        known = bounds(spec, judge, simulator, truth, train, checksum)
    result = score(evaluation, known.floor, known.ceiling)
    if as_json:
        fields = ("accuracy", "state", "reward", "done", "exact", "floor", "ceiling", "skill", "n")
        failure = evaluation.failure
        brief = {"kind": failure.kind, "message": failure.message} if failure else None
        return json.dumps({**{name: getattr(result, name) for name in fields}, "failure": brief})
    return "\n".join(_score_lines(spec, result, evaluation, simulator.observation_space, simulator.action_space))


def _data(spec: EnvironmentSpec, split: str, data: str | None) -> tuple[Transitions, Transitions, str]:
    """The transitions to score on, those that the trivial program learns from, and the checksum of the former."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    chosen: Split = "train" if split == "train" else "test"
    if data is None:
        truth = trajectories.transitions(spec, chosen)
        return truth, trajectories.transitions(spec, "train"), trajectories.dataset(spec, chosen)[1]
    path = Path(data)
    truth = trajectories.read(path) if path.is_dir() else trajectories.load_npz(path, spec)
    return truth, truth, ""


def _score_lines(
    spec: EnvironmentSpec, result: Any, evaluation: Evaluation, observations: Space, actions: Space
) -> Iterator[str]:
    skill = "–" if result.skill is None else f"{result.skill:.4f}"
    yield f"{spec.id}: accuracy {result.accuracy:.4f} on {result.n} transitions"
    yield f"  skill    {skill}   (floor {result.floor:.4f}, ceiling {result.ceiling:.4f})"
    yield f"  exact    {result.exact:.4f}   all parts right"
    yield f"  state    {result.state:.4f}   reward {result.reward:.4f}   done {result.done:.4f}"
    if result.ran < 1:
        yield f"  ran      {result.ran:.4f}   of the transitions"
    failure = evaluation.failure
    if failure is not None:
        where = f" (line {failure.line}: {failure.code})" if failure.line else ""
        yield f"  failure  {failure.kind}: {failure.message}{where}"
    for mistake in evaluation.mistakes:
        yield ""
        yield from _mistake_lines(mistake, observations, actions)


def _mistake_lines(mistake: Mistake, observations: Space, actions: Space) -> Iterator[str]:
    observation = observations.decode(np.array(mistake.observation))
    action = actions.decode(np.array(mistake.action))
    yield f"transition {mistake.index}: observation {_value(observation)}, action {_value(action)}"
    wrong = mistake.wrong_elements
    if len(wrong) == 0 and not mistake.reward_wrong and not mistake.done_wrong:
        yield "  observation of the wrong shape or kind"
    for column in wrong[:20]:
        truth, said = mistake.next_observation[column], mistake.predicted_observation[column]
        name = f"observation[{column}]" if observations.size > 1 else "observation"
        yield f"  {name:18} {said:.9g} should be {truth:.9g}"
    if len(wrong) > 20:
        yield f"  … and {len(wrong) - 20} more elements"
    if mistake.reward_wrong:
        yield f"  {'reward':18} {mistake.predicted_reward:.9g} should be {mistake.reward:.9g}"
    if mistake.done_wrong:
        yield f"  {'done':18} {mistake.predicted_done} should be {mistake.done}"


def _value(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=6, threshold=40, max_line_width=10**6)
    return repr(value)


def plan_with_program(
    env: str, file: Path, protocol_name: str, episodes: int | None, as_json: bool, unsafe: bool
) -> str:
    """Plan with a program in the real environment; returns what is printed."""
    from cwmb.harness.planning import plan_episodes, planning

    spec, rules_of = environment(env), protocol(protocol_name)
    program = read_program(file)
    with Sandbox(workers=1, unsafe=unsafe) as sandbox:
        result = planning(spec, rules_of, plan_episodes(sandbox, make(spec), spec, rules_of, program, count=episodes))
    if as_json:
        fields = ("return_mean", "return_sem", "normalised_return", "normalised_sem", "episodes", "random_actions")
        failure = result.failure
        brief = {"kind": failure.kind, "message": failure.message} if failure else None
        return json.dumps({**{name: getattr(result, name) for name in fields}, "failure": brief})
    normalised = (
        "– (the oracle does not clearly beat the random policy here, or was not measured)"
        if result.normalised_return is None
        else f"{result.normalised_return:.3f} ± {result.normalised_sem:.3f}"
    )
    lines = [
        f"{spec.id}: return {result.return_mean:.3f} ± {result.return_sem:.3f} over {result.episodes} episodes",
        f"  normalised   {normalised}",
        f"  model steps  {result.model_steps:,} ({result.failed_steps:,} failed)",
        f"  random       {result.random_actions} actions of {result.steps}",
    ]
    if result.failure is not None:
        lines.append(f"  failure      {result.failure.kind}: {result.failure.message}")
    return "\n".join(lines)


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
    unsafe: bool,
) -> set[str]:
    """Run a strategy over environments and print the tables; returns the states of the cells."""
    from cwmb import models
    from cwmb.descriptions import description, description_sets
    from cwmb.harness.cell import Setup
    from cwmb.harness.matrix import Configuration, Extent, open_run, run_cells
    from cwmb.harness.metering import Budget, Interrupted
    from cwmb.harness.plugins import STRATEGIES, package, strategy
    from cwmb.progress import RunProgress
    from cwmb.report import terminal

    rules_of = protocol(protocol_name)
    counts = {
        "--budget": calls,
        "--seeds": seeds,
        "--jobs": jobs,
        "--max-tokens": tokens,
        "--max-new-tokens": max_new_tokens,
    }
    for name, value in counts.items():
        if value is not None and value < 1:
            raise CwmbError(f"{name} is {value}: it must be at least 1")
    for name, amount in (("--max-dollars", dollars), ("--max-seconds", seconds)):
        if amount is not None and not 0 < amount < float("inf"):
            raise CwmbError(f"{name} is {amount}: it must be more than 0")
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
    with (
        Sandbox(unsafe=unsafe) as sandbox,
        open_run(folder, configuration, extent) as run,
        _stop_on_interrupt(console, folder) as stop,
    ):
        setup = Setup(
            strategy_name, made, plain, package(STRATEGIES, strategy_name), model_name, provider, rules_of, budget,
            descriptions, sandbox,
        )  # fmt: skip
        done = sum(r.state == "done" for r in run.finished().values())
        try:
            with RunProgress(console, len(run.extent.cells()), done) as display:
                records = run_cells(run, setup, jobs=jobs, display=display, stop=stop)
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


def measure_baselines(names: Sequence[str], protocol_name: str) -> None:
    """Measure floors, ceilings, random and oracle returns."""
    from cwmb.harness.measure import measure

    console = Console(stderr=True)
    ids = [environment(name).id for name in names] or list(environment_ids())
    with Sandbox() as sandbox:
        measure(protocol(protocol_name), ids, sandbox, lambda line: console.print(line, highlight=False))
