"""The command line: ``cwmb …``. Heavy modules are imported inside the commands that use them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from cwmb import __version__
from cwmb.errors import EXIT_CELL_FAILED, EXIT_INFRASTRUCTURE, EXIT_INTERRUPTED, EXIT_USAGE, CwmbError, unknown

app = typer.Typer(
    help="The Code World Models Benchmark.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ProtocolName = Annotated[str, typer.Option("--protocol", help="A protocol of harness/.")]
EnvironmentName = Annotated[str, typer.Argument(metavar="ENV", help="An environment, such as CartPole-v1.")]
ProgramFile = Annotated[Path, typer.Argument(metavar="FILE.py", help="A program with a class Environment.")]


def main() -> NoReturn:
    """Run the command line; errors that the user can put right are one line on stderr and a distinct exit code."""
    try:
        code = app(standalone_mode=False)
    except CwmbError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", EXIT_INTERRUPTED)
    except Exception as error:
        if hasattr(error, "format_message"):  # click's usage errors
            _fail(error.format_message(), EXIT_USAGE)
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> NoReturn:
    print(f"cwmb: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


@app.command(name="list")
def list_(
    what: Annotated[str, typer.Argument(metavar="environments|strategies|models|planners|protocols")],
    as_json: Json = False,
) -> None:
    """List what there is."""
    from cwmb.catalog import environment_ids
    from cwmb.harness.plugins import names
    from cwmb.protocols import protocol_names

    kinds: dict[str, Any] = {
        "environments": environment_ids,
        "strategies": lambda: names("cwmb.strategies"),
        "models": lambda: names("cwmb.models"),
        "planners": lambda: names("cwmb.planners"),
        "protocols": protocol_names,
    }
    if what not in kinds:
        raise unknown("list", what, kinds)
    found = list(kinds[what]())
    print(json.dumps(found) if as_json else "\n".join(found))


@app.command()
def describe(
    env: EnvironmentName,
    descriptions: Annotated[str, typer.Option(help="Which description set.")] = "default",
) -> None:
    """Print what a model is shown of an environment."""
    from cwmb.catalog import environment
    from cwmb.descriptions import contract, description

    print(f"{description(environment(env).id, descriptions).rstrip()}\n\n{contract().rstrip()}")


@app.command()
def score(
    env: EnvironmentName,
    file: ProgramFile,
    split: Annotated[str, typer.Option(help="train (default) or test.")] = "train",
    data: Annotated[str | None, typer.Option(help="A Minari data set's folder or an .npz file instead.")] = None,
    protocol: ProtocolName = "standard",
    as_json: Json = False,
    unsafe_no_sandbox: Annotated[bool, typer.Option(help="Run the program without a sandbox.")] = False,
) -> None:
    """Score a program, and say which transitions are wrong and how."""
    from cwmb.commands import score_program

    print(score_program(env, file, split, data, protocol, as_json, unsafe_no_sandbox))


@app.command()
def plan(
    env: EnvironmentName,
    file: ProgramFile,
    protocol: ProtocolName = "quick",
    episodes: Annotated[int | None, typer.Option(min=1, help="How many (the protocol's unless said).")] = None,
    as_json: Json = False,
    unsafe_no_sandbox: Annotated[bool, typer.Option(help="Run the program without a sandbox.")] = False,
) -> None:
    """Plan with a program in the real environment."""
    from cwmb.commands import plan_with_program

    print(plan_with_program(env, file, protocol, episodes, as_json, unsafe_no_sandbox))


@app.command(name="eval")
def eval_(
    strategy: Annotated[str, typer.Option(help="cwmb list strategies")],
    model: Annotated[str, typer.Option(help="provider:name, such as openai:gpt-5; cwmb list models")],
    envs: Annotated[str, typer.Option(help="Environments, separated by commas, or all.")] = "all",
    budget: Annotated[int | None, typer.Option(help="LLM calls of one search (the protocol's unless said).")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens that one search may spend.")] = None,
    max_dollars: Annotated[float | None, typer.Option(help="Dollars that one search may spend.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Tokens of an answer, at most.")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Wall time after which a search asks no more.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds 0 … K-1 (the protocol's unless said).")] = None,
    protocol: ProtocolName = "quick",
    descriptions: Annotated[str, typer.Option(help="Which description set.")] = "default",
    jobs: Annotated[int, typer.Option(help="Cells at a time.")] = 1,
    out: Annotated[Path | None, typer.Option(help="The run's folder; runs/<strategy>-<model>-<protocol>.")] = None,
    option: Annotated[list[str] | None, typer.Option("-o", help="name=value, an option of the strategy.")] = None,
    unsafe_no_sandbox: Annotated[bool, typer.Option(help="Run programs without a sandbox.")] = False,
) -> None:
    """Run a strategy with a language model over environments; running it again completes what is missing."""
    from cwmb.commands import evaluate

    states = evaluate(
        strategy,
        model,
        envs=envs,
        calls=budget,
        tokens=max_tokens,
        dollars=max_dollars,
        seconds=max_seconds,
        max_new_tokens=max_new_tokens,
        seeds=seeds,
        protocol_name=protocol,
        descriptions=descriptions,
        jobs=jobs,
        out=out,
        options=option or [],
        unsafe=unsafe_no_sandbox,
    )
    if "infrastructure" in states:
        raise typer.Exit(EXIT_INFRASTRUCTURE)
    if "failed" in states:
        raise typer.Exit(EXIT_CELL_FAILED)


@app.command()
def tables(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="DIR...")] = None,
    format_: Annotated[str, typer.Option("--format", help="markdown, csv, latex or json.")] = "markdown",
    published: Annotated[bool, typer.Option(help="The paper's tables, ours beside them.")] = False,
) -> None:
    """Print result tables of runs."""
    from cwmb.report import report

    print(report(runs or [], format_, published))


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B")],
    format_: Annotated[str, typer.Option("--format", help="markdown, csv, latex or json.")] = "markdown",
) -> None:
    """Compare two runs cell by cell: differences, their intervals, probability of improvement."""
    from cwmb.report import compare as compared
    from cwmb.report.render import FORMATS, render

    if format_ not in FORMATS:
        raise unknown("format", format_, FORMATS)
    print(render(compared(run_a, run_b), format_))


@app.command()
def collect(
    envs: Annotated[list[str] | None, typer.Argument(metavar="ENV...")] = None,
    force: Annotated[bool, typer.Option(help="Collect anew what is there.")] = False,
) -> None:
    """Collect the trajectories of environments (all unless named)."""
    from cwmb.commands import collect_trajectories

    collect_trajectories(envs or [], force)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command()
def baselines(
    envs: Annotated[list[str] | None, typer.Argument(metavar="ENV...")] = None,
    protocol: ProtocolName = "quick",
    out: Annotated[Path, typer.Option(help="Where what was measured is kept until all is.")] = Path("runs/baselines"),
) -> None:
    """Measure floors, ceilings, random and oracle returns into results/baselines/."""
    from cwmb.commands import measure_baselines

    measure_baselines(envs or [], protocol, out)
