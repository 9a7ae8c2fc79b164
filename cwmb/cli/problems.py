"""``cwmb eval --suite apps``: problems of programming instead of environments."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from cwmb.cli.commands import Wanted, stop_on_interrupt
from cwmb.text import line


def evaluate_problems(asked: Wanted, source: str | None) -> set[str]:
    """Run a strategy over problems and print the table; returns the states of the cells.

    source: a file in the schema of APPS, ``hub``, or the benchmark's own problems.

    Raises:
        CwmbError: something that was asked for does not exist.
    """
    from cwmb import models
    from cwmb.benchmark import problems as known
    from cwmb.benchmark.descriptions import contract
    from cwmb.benchmark.protocols import protocol
    from cwmb.errors import CwmbError, unknown
    from cwmb.harness.cores import Cores
    from cwmb.harness.executors.local import in_turn
    from cwmb.harness.metering import Budget, Interrupted
    from cwmb.harness.problems import CALLS, ProblemRecord, ProblemRun, open_problem_run, run_problems, settings
    from cwmb.machine import cores
    from cwmb.models.openai.pace import Minute, Rate
    from cwmb.plugins import chosen_strategy, options
    from cwmb.report.problems import problem_table
    from cwmb.report.render import text
    from cwmb.sandbox import Sandbox

    console = Console(stderr=True)
    for name, given in (("--executor", asked.executor != "local"), ("--worlds", asked.worlds is not None)):
        if given:
            raise CwmbError(f"{name} is for environments: leave it out with problems of programming")
    rate = Rate(asked.requests_per_minute, asked.tokens_per_minute)
    found = known.read(source)
    if found.skipped:
        console.print(f"{found.skipped} problems ask for a function or have no tests, and are left out.")
    by_name = {problem.id: problem for problem in found.problems}
    names = list(by_name) if asked.envs == "all" else [name.strip() for name in asked.envs.split(",")]
    for name in names:
        if name not in by_name:
            raise unknown("problem", name, by_name)
    rules = protocol(asked.protocol).with_answers_of(asked.max_new_tokens)
    strategy = chosen_strategy(asked.strategy, options(asked.options))
    provider = models.load(asked.model) if isinstance(asked.model, str) else asked.model
    configuration = settings(
        strategy=strategy.name,
        options=strategy.options,
        model=provider.name,
        protocol=asked.protocol,
        budget=Budget(asked.calls or CALLS, asked.tokens, asked.dollars, asked.seconds),
        sampling=rules.sampling,
        source=Path(found.source).name,
        contract=contract(name="contract-scripts"),
    )
    model = provider.name.replace(":", "-").replace("/", "-")
    folder = asked.out or Path("runs") / f"{strategy.name}-{model}-{asked.protocol}-apps"
    with (
        open_problem_run(folder, configuration),
        stop_on_interrupt(console, folder) as stop,
        Sandbox(unsafe=asked.unsafe_no_sandbox) as sandbox,
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        if rate.limited:
            provider = in_turn(provider, Minute(rate), stop)
        run = ProblemRun(folder, configuration, strategy.make, provider, sandbox, Cores(cores()))
        bar = progress.add_task("problems", total=len(names) * (asked.seeds or 1))

        def done(record: ProblemRecord) -> None:
            progress.advance(bar)
            how = "solved" if record.strict else f"{record.accuracy:.0%} of {record.tests} tests"
            said = record.failure.message if record.failure else f"{how}, {record.usage.calls} calls"
            progress.console.print(line(f"{record.problem} seed {record.seed}: {said}"), highlight=False, markup=False)

        try:
            records = run_problems(
                run,
                [by_name[name] for name in names],
                asked.seeds or 1,
                jobs=asked.jobs,
                stopping=stop.is_set,
                done=done,
            )
        except Interrupted:
            raise KeyboardInterrupt from None
    print(text([problem_table([folder])]))
    console.print(f"\nRecords, programs and ledgers: {folder}", highlight=False, soft_wrap=True)
    return {record.state for record in records}
