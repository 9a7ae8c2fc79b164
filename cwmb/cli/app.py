"""The command line: ``cwmb …``. Heavy modules are imported inside the commands that use them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from cwmb import __version__
from cwmb.cli import streams
from cwmb.cli.sections import Sections, completed, completion_script
from cwmb.errors import (
    EXIT_CELL_FAILED,
    EXIT_DIFFERENT,
    EXIT_INFRASTRUCTURE,
    EXIT_INTERRUPTED,
    EXIT_PIPE,
    EXIT_USAGE,
    CwmbError,
    unknown,
)
from cwmb.text import line

APPS = "apps"  # the suite whose tasks are problems of programming
Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)


def count(name: str, *names: str, **settings: Any) -> Callable[[Command], Command]:
    """An option that is a number of things."""

    def check(_: click.Context, __: click.Parameter, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise CwmbError(f"{name} is {value}: it must be at least 1")
        return value

    return click.option(name, *names, type=int, callback=check, **settings)


def amount(name: str, *names: str, **settings: Any) -> Callable[[Command], Command]:
    """An option that is a finite amount of something."""

    def check(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
        if value is not None and not 0 < value < float("inf"):
            raise CwmbError(f"{name} is {value}: it must be more than 0")
        return value

    return click.option(name, *names, type=float, callback=check, **settings)


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@completed
def some_environment() -> tuple[str, ...]:
    """Their ids, for the shell."""
    from cwmb.benchmark.catalog import environment_ids

    return environment_ids()


@completed
def some_suite() -> tuple[str, ...]:
    """Their names."""
    from cwmb.benchmark.suites import suite_names

    return suite_names()


@completed
def some_protocol() -> tuple[str, ...]:
    """Their names."""
    from cwmb.benchmark.protocols import protocol_names

    return protocol_names()


@completed
def some_strategy() -> tuple[str, ...]:
    """Their names."""
    from cwmb.plugins import STRATEGIES, names

    return names(STRATEGIES)


environment_name = click.argument("env", metavar="ENV", shell_complete=some_environment)
environment_names = click.argument("envs", metavar="[ENV]...", nargs=-1, shell_complete=some_environment)
program_file = click.argument("file", metavar="FILE.py", type=FILE)
unsafe = click.option("--unsafe-no-sandbox", is_flag=True, help="Run programs without a sandbox.")
table_format = click.option(
    "--format", "format_", default="markdown", show_default=True, help="markdown, csv, latex, html or json."
)
description_set = click.option("--descriptions", default="default", show_default=True, help="Which description set.")


suite_name = click.option(
    "--suite", default="cwmb18", show_default=True, help="Which suite of environments.", shell_complete=some_suite
)
worlds_folder = click.option(
    "--worlds", type=FILE, help="A folder that 'cwmb worlds' made, instead of the shipped worlds."
)


def protocol_name(default: str) -> Callable[[Command], Command]:
    """The option that names a protocol."""
    return click.option(
        "--protocol", default=default, show_default=True, help="A protocol of harness/.", shell_complete=some_protocol
    )


def main() -> NoReturn:
    """Run the command line; errors that the user can put right are one line on stderr and a distinct exit code."""
    streams.prepare()
    try:
        code = app(prog_name="cwmb", standalone_mode=False)
        streams.flush()
    except CwmbError as error:
        _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _fail("interrupted", EXIT_INTERRUPTED)
    except click.ClickException as error:
        _fail(error.format_message(), EXIT_USAGE)
    except BrokenPipeError:  # whoever read our output has seen enough
        streams.discard()
        sys.exit(EXIT_PIPE)
    except OSError as error:
        streams.discard()
        _fail(f"{error.filename or 'the output'}: {error.strerror or error}", EXIT_INFRASTRUCTURE)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> NoReturn:
    print(f"cwmb: {line(message)}", file=sys.stderr)
    sys.exit(code)


@click.group(cls=Sections, invoke_without_command=True)
@click.version_option(__version__, prog_name="cwmb", message="%(prog)s %(version)s")
@click.pass_context
def app(context: click.Context) -> int:
    """The Code World Models Benchmark."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        return EXIT_USAGE
    return 0


@app.within("The benchmark itself")
@app.command(name="list")
@click.argument("what", metavar="environments|suites|descriptions|strategies|models|planners|protocols")
@as_json
def list_(what: str, as_json: bool) -> None:
    """List what there is."""
    from cwmb.benchmark.catalog import environment_ids
    from cwmb.benchmark.descriptions import description_sets
    from cwmb.benchmark.protocols import protocol_names
    from cwmb.benchmark.suites import suite_names
    from cwmb.plugins import names

    kinds: dict[str, Any] = {
        "suites": lambda: (*suite_names(), APPS),
        "environments": environment_ids,
        "descriptions": description_sets,
        "strategies": lambda: names("cwmb.strategies"),
        "models": lambda: names("cwmb.models"),
        "planners": lambda: names("cwmb.planners"),
        "protocols": protocol_names,
    }
    if what not in kinds:
        raise unknown("list", what, kinds)
    found = list(kinds[what]())
    print(json.dumps(found) if as_json else "\n".join(found))


@app.within("Your own program")
@app.command()
@environment_name
@description_set
@suite_name
@worlds_folder
def describe(env: str, descriptions: str, suite: str, worlds: Path | None) -> None:
    """Print what a model is shown of the environment ENV."""
    from cwmb.benchmark.descriptions import contract
    from cwmb.benchmark.suites import chosen, told

    spec = chosen(suite, worlds).environment(env)
    print(f"{told(spec, descriptions).rstrip()}\n\n{contract(spec.fit, spec.contract).rstrip()}")


@app.within("Your own program")
@app.command()
@environment_name
@program_file
@click.option("--split", default="train", show_default=True, help="train or test.")
@click.option("--data", help="A Minari data set's folder or an .npz file instead.")
@protocol_name("standard")
@suite_name
@worlds_folder
@as_json
@unsafe
def score(
    env: str,
    file: Path,
    split: str,
    data: str | None,
    protocol: str,
    suite: str,
    worlds: Path | None,
    as_json: bool,
    unsafe_no_sandbox: bool,
) -> None:
    """Score the program FILE.py of ENV, and say which transitions are wrong and how."""
    from cwmb.benchmark.suites import chosen
    from cwmb.sandbox import Sandbox

    spec = chosen(suite, worlds).environment(env)

    with closing(Sandbox(workers=1, unsafe=unsafe_no_sandbox, planners={})) as sandbox:
        from cwmb.cli.own_program import read_program, score_program  # while the sandbox's interpreter starts

        scored = score_program(sandbox, spec, read_program(file), split, data, protocol)
        print(json.dumps(scored.plain()) if as_json else scored)


@app.within("Your own program")
@app.command()
@environment_name
@program_file
@protocol_name("quick")
@count("--episodes", help="How many (the protocol's unless said).")
@suite_name
@worlds_folder
@as_json
@unsafe
def plan(
    env: str,
    file: Path,
    protocol: str,
    episodes: int | None,
    suite: str,
    worlds: Path | None,
    as_json: bool,
    unsafe_no_sandbox: bool,
) -> None:
    """Plan with the program FILE.py in the real environment ENV."""
    from cwmb.benchmark.suites import chosen
    from cwmb.sandbox import Sandbox

    spec = chosen(suite, worlds).environment(env)

    with closing(Sandbox(workers=1, unsafe=unsafe_no_sandbox)) as sandbox:
        from cwmb.cli.own_program import plan_with_program, read_program  # while the sandbox's interpreter starts

        planned = plan_with_program(sandbox, spec, read_program(file), protocol, episodes)
        print(json.dumps(planned.plain()) if as_json else planned)


def run_options(command: Command) -> Command:
    """The options of what runs strategies, but for the strategy and its own."""
    declared = (
        click.option("--model", required=True, help="provider:name, such as openai:gpt-5; cwmb list models"),
        click.option(
            "--envs",
            default="all",
            show_default=True,
            help="Environments, separated by commas, or all.",
            shell_complete=some_environment,
        ),
        count("--budget", "calls", help="LLM calls of one search (the protocol's unless said)."),
        count("--max-tokens", "tokens", help="Tokens that one search may spend."),
        amount("--max-dollars", "dollars", help="Dollars that one search may spend."),
        count("--max-new-tokens", help="Tokens of an answer, at most."),
        amount("--max-seconds", "seconds", help="Wall time of a search, after which it asks no more."),
        count("--seeds", help="Seeds 0 … K-1 (the protocol's unless said)."),
        protocol_name("quick"),
        suite_name,
        worlds_folder,
        description_set,
        count("--jobs", default=1, show_default=True, help="Cells at a time."),
        click.option("--no-plan", is_flag=True, help="Only search and score; the same command without it plans later."),
        click.option("--batch", is_flag=True, help="Ask all at once, cheaper and within a day (best_of_n, zero_shot)."),
        count("--requests-per-minute", help="Requests of all cells together in any minute."),
        count("--tokens-per-minute", help="Tokens of all cells together in any minute."),
        click.option(
            "--executor", default="local", show_default=True, help="Where cells run: local, or ray (a cluster)."
        ),
        click.option("--address", help="The Ray cluster's, if it is not that of this machine."),
        click.option("--out", type=FILE, help="The folder of what comes out, below runs/ unless said."),
    )
    for option in reversed(declared):
        command = option(command)
    return command


def _exit_code(states: set[str]) -> int:
    if "infrastructure" in states:
        return EXIT_INFRASTRUCTURE
    return EXIT_CELL_FAILED if "failed" in states else 0


@app.within("Running strategies")
@app.command(name="eval")
@click.option("--strategy", required=True, help="cwmb list strategies", shell_complete=some_strategy)
@run_options
@click.option("-o", "options", multiple=True, help="name=value, an option of the strategy.")
@click.option(
    "--apps", help="Problems of suite apps: a file as APPS has them, or hub (the benchmark's own unless said)."
)
@unsafe
def eval_(apps: str | None, **asked: Any) -> int:
    """Run a strategy with a language model over environments; running it again completes what is missing."""
    from cwmb.cli.commands import Wanted, evaluate

    wanted = Wanted(**asked)
    if apps is not None or wanted.suite == APPS:
        from cwmb.cli.problems import evaluate_problems

        states = evaluate_problems(wanted, apps)
    else:
        states = evaluate(wanted)
    return _exit_code(states)


@app.within("Running strategies")
@app.command(name="race")
@click.argument("strategies", metavar="STRATEGY[:name=value,...]...", nargs=-1)
@run_options
@table_format
@unsafe
def race_(strategies: tuple[str, ...], format_: str, **asked: Any) -> int:
    """Run several strategies on the same cells, and compare each with the first one at equal calls, tokens, dollars."""
    from cwmb.cli.race import race

    return _exit_code(race(strategies, format_, asked))


@app.within("Running strategies")
@app.command(name="bench-inference")
@click.argument("what", metavar="PROGRAM.py|RUN", type=FILE)
@click.option("--model", required=True, help="Which language model is asked for steps.")
@click.option("--env", help="Of the program; of a run, only these of its environments.")
@count("--rows", default=10, show_default=True, help="Test transitions that are asked for.")
@protocol_name("standard")
@suite_name
@click.option("--out", type=FILE, help="Where results and ledgers go; runs/inference-<model>.")
def bench_inference_(
    what: Path, model: str, env: str | None, rows: int, protocol: str, suite: str, out: Path | None
) -> None:
    """Compare a step by a program with one that a language model predicts itself: time and accuracy of both."""
    from cwmb.cli.inference import bench_inference

    print(bench_inference(what, model, env, rows, protocol, suite, out))


@app.within("Running strategies")
@app.command()
@click.argument("runs", metavar="[DIR]...", nargs=-1, type=FILE)
@table_format
@click.option("--published", is_flag=True, help="The paper's tables, ours beside them.")
@click.option("--recall", is_flag=True, help="How much was known by heart: a run of cwmb18 against one of varied.")
def tables(runs: tuple[Path, ...], format_: str, published: bool, recall: bool) -> None:
    """Print result tables of runs."""
    from cwmb.report import recall as recall_gap
    from cwmb.report import report
    from cwmb.report.render import FORMATS, render

    if format_ not in FORMATS:
        raise unknown("format", format_, FORMATS)
    if recall and published:
        raise CwmbError("--recall and --published are two different tables: name one of them")
    print(render([recall_gap(runs)], format_) if recall else report(runs, format_, published))


@app.within("Running strategies")
@app.command()
@click.argument("run_a", metavar="RUN_A", type=FILE)
@click.argument("run_b", metavar="RUN_B", type=FILE)
@table_format
def compare(run_a: Path, run_b: Path, format_: str) -> None:
    """Compare two runs cell by cell: differences, their intervals, probability of improvement."""
    from cwmb.report import compare as compared
    from cwmb.report.render import FORMATS, render

    if format_ not in FORMATS:
        raise unknown("format", format_, FORMATS)
    print(render(compared(run_a, run_b), format_))


@app.within("This installation")
@app.command()
@click.argument("kind", metavar="strategy|model|planner")
@click.argument("name", metavar="NAME")
@click.option("--out", type=FILE, help="The folder to make; cwmb-NAME.")
def new(kind: str, name: str, out: Path | None) -> None:
    """Write a package with a strategy, model or planner NAME that runs at once, and its test."""
    from cwmb.cli.new import write_package

    folder = write_package(kind, name, out)
    steps = ("pip install pytest", f"pip install --no-deps --editable {folder}", f"python -m pytest {folder}")
    print("\n  ".join((f"{folder}: read its README.md, then", *steps)))


@app.within("The benchmark itself")
@app.command()
@environment_names
@click.option("--force", is_flag=True, help="Collect anew what is there.")
def collect(envs: tuple[str, ...], force: bool) -> None:
    """Collect the trajectories of environments (all unless named)."""
    from cwmb.cli.commands import collect_trajectories

    collect_trajectories(envs, force)


@app.within("The benchmark itself")
@app.command()
@environment_names
@click.option("--suite", required=True, help="Which suite; cwmb list suites.")
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Decides the worlds: the same gives the same.")
@click.option("--out", type=FILE, required=True, help="The folder to make.")
@protocol_name("quick")
@click.option("--bare", is_flag=True, help="Without baselines: no floors, ceilings and returns.")
@count("--jobs", default=1, show_default=True, help="Worlds drawn at a time.")
def worlds(envs: tuple[str, ...], suite: str, seed: int, out: Path, protocol: str, bare: bool, jobs: int) -> None:
    """Draw the worlds of a suite: descriptions, data and baselines; again, it completes what is missing."""
    from cwmb.cli.worlds import draw_worlds

    draw_worlds(envs, suite, seed, out, None if bare else protocol, jobs)


@app.within("This installation")
@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.within("The benchmark itself")
@app.command()
@environment_names
@protocol_name("quick")
@suite_name
@worlds_folder
@click.option("--show", is_flag=True, help="Only print what is there.")
@table_format
def baselines(envs: tuple[str, ...], protocol: str, suite: str, worlds: Path | None, show: bool, format_: str) -> None:
    """Measure what is missing of floors, ceilings, random and oracle returns in results/baselines/."""
    from cwmb.benchmark.suites import chosen
    from cwmb.cli.commands import measure_baselines, show_baselines

    which = chosen(suite, worlds)
    if not show:
        measure_baselines(envs, protocol, which)
    print(show_baselines(protocol, format_, which))


@app.within("Running strategies")
@app.command()
@click.argument("algorithm", metavar="cql|bc|td3bc")
@environment_names
@protocol_name("standard")
@suite_name
@worlds_folder
@count("--updates", default=1000, show_default=True, help="Gradient steps; the paper has ten epochs of a hundred.")
@count("--transitions", help="Training transitions to learn from, drawn (all unless said).")
@count("--seeds", default=1, show_default=True, help="Policies to learn, of seeds 0 … K-1.")
@count("--episodes", help="How many (the protocol's unless said; then the result is shown, and kept only with --out).")
@click.option("--out", type=FILE, help="The file of results; results/offline_rl.jsonl.")
def baseline(
    algorithm: str,
    envs: tuple[str, ...],
    protocol: str,
    suite: str,
    worlds: Path | None,
    updates: int,
    transitions: int | None,
    seeds: int,
    episodes: int | None,
    out: Path | None,
) -> None:
    """Learn a policy from the training data by offline reinforcement learning, and see what it gets."""
    from cwmb.benchmark.suites import chosen
    from cwmb.cli.offline import learn_policies

    which = chosen(suite, worlds)
    print(learn_policies(algorithm, envs, which, protocol, updates, transitions, seeds, episodes, out))


@app.within("Running strategies")
@app.command(name="sample-efficiency")
@click.argument("envs", metavar="ENV...", nargs=-1, required=True)
@click.option("--strategy", default="gif_mcts", show_default=True, help="cwmb list strategies")
@click.option("--model", required=True, help="Which language model writes the programs.")
@click.option("-o", "options", multiple=True, help="name=value, an option of the strategy.")
@protocol_name("quick")
@count("--budget", "calls", help="LLM calls of one search (the protocol's unless said).")
@count("--seeds", default=1, show_default=True, help="Seeds 0 … K-1.")
@click.option("--against", "algorithms", multiple=True, default=("cql",), show_default=True, help="cql, bc, td3bc.")
@count("--updates", default=1000, show_default=True, help="Gradient steps of these.")
@click.option("--out", type=FILE, help="Where points and figure go; runs/efficiency-<strategy>-<model>.")
def sample_efficiency_(envs: tuple[str, ...], strategy: str, protocol: str, out: Path | None, **asked: Any) -> None:
    """Compare programs with learned policies by the number of training transitions: 1, 10, 100, all. Draws a figure."""
    from cwmb.cli.efficiency import sample_efficiency

    print(sample_efficiency(envs, strategy, protocol_name=protocol, out=out, **asked))


@app.within("The leaderboard")
@app.command()
@click.argument("runs", metavar="RUN...", nargs=-1, type=FILE, required=True)
@click.option("--name", required=True, help="Of the entry, as it is to stand on the board.")
@click.option("--authors", required=True, help="Separated by commas.")
@click.option("--url", help="Where to read more.")
@click.option("--statement", default="", help="Reasoning effort, tools, access to data: see docs/submitting.md.")
@click.option("--openness", default="unknown", show_default=True, help="Of the model's weights: open, closed, unknown.")
@click.option("--allow", "allowed", multiple=True, help="A text that looks like a secret or a path and is harmless.")
@click.option("--out", required=True, type=FILE, help="The bundle's file.")
def submit(runs: tuple[Path, ...], out: Path, **said: Any) -> None:
    """Pack finished runs into a bundle for the leaderboard."""
    from cwmb.cli.submissions import submit_runs

    submit_runs(runs, out, **said)


@app.within("The leaderboard")
@app.command()
@click.argument("bundle", type=FILE)
@count("--episodes", help="Plan at most so many of those of each cell that count (all unless said).")
@count("--cells", help="Verify so many cells, drawn (all unless said).")
@click.option("--seed", type=click.IntRange(0, 2**31), help="Of fresh data and drawn cells (drawn unless said).")
@as_json
def verify(bundle: Path, episodes: int | None, cells: int | None, seed: int | None, as_json: bool) -> int:
    """Recompute all that a BUNDLE claims and that needs no model."""
    from cwmb.cli.submissions import verify_bundle

    return EXIT_DIFFERENT if verify_bundle(bundle, episodes, cells, seed, as_json) == "different" else 0


@app.within("The leaderboard")
@app.command()
@click.argument("places", metavar="[ENTRY|BUNDLE|RUN]...", nargs=-1, type=FILE)
@click.option("--out", type=FILE, default="site", show_default=True, help="The folder to build it in.")
@click.option("--simulated", is_flag=True, help="Show runs of simulated models, too.")
@click.option(
    "--episodes", type=click.IntRange(0, 1000), default=0, help="Plan an episode of each program, of so many steps."
)
@count("--jobs", help="Entries at a time (as many as there are cores unless said).")
def leaderboard(places: tuple[Path, ...], out: Path, simulated: bool, episodes: int, jobs: int | None) -> None:
    """Build the leaderboard as a static site, of the entries in results/leaderboard/ unless any is named."""
    from cwmb.cli.leaderboard import build_site

    build_site(places, out, simulated, episodes, jobs)


@app.within("Running strategies")
@app.command()
@click.argument("runs", metavar="RUN...", nargs=-1, type=FILE, required=True)
@click.option("--out", type=FILE, default="figures", show_default=True, help="The folder to write them to.")
@click.option("--format", "formats", multiple=True, help="pdf, svg or png; may be given several times (pdf).")
def figures(runs: tuple[Path, ...], out: Path, formats: tuple[str, ...]) -> None:
    """Draw figures of runs for a paper: curves, environments, accuracy and return, actions of a search."""
    from cwmb.report.figures import draw

    for path in draw(runs, out, formats or ("pdf",)):
        print(path)


@app.within("Running strategies")
@app.command()
@click.argument("run", type=FILE)
def watch(run: Path) -> None:
    """Watch a RUN's folder: its cells, best scores, spend, failures, time left; once where there is no terminal."""
    from cwmb.cli.watch import watch_run

    watch_run(run)


@app.within("Running strategies")
@app.command()
@click.argument("cell", type=FILE)
def show(cell: Path) -> None:
    """Show what a CELL's search tried, what went wrong and where, and what it cost (runs/…/cells/ENV/seed-K)."""
    from cwmb.report.cell import show_cell

    print(show_cell(cell))


@app.within("This installation")
@app.command()
@click.argument("kind", metavar="record|manifest|ledger")
def schema(kind: str) -> None:
    """Print the JSON Schema of records, of bundles' manifests or of ledgers' lines."""
    from cwmb.submission.schemas import schema as made

    print(json.dumps(made(kind), indent=1))


@app.within("The benchmark itself")
@app.group()
def export() -> None:
    """Write data and results in the formats of others: hf, minari, eee."""


@export.command(name="hf")
@click.argument("folder", metavar="DIR", type=FILE)
@click.argument("runs", metavar="[RUN]...", nargs=-1, type=FILE)
@click.option("--owner", default="cwmb", show_default=True, help="The namespace that the data sets will be in.")
def export_hf(folder: Path, runs: tuple[Path, ...], owner: str) -> None:
    """Write Hugging Face data sets below DIR: transitions, descriptions, and results with the records of RUNs."""
    from cwmb.export.hugging_face import export as write

    write(folder, runs, owner)


@export.command(name="minari")
@click.argument("folder", metavar="DIR", type=FILE)
@suite_name
@click.option("--contact", default="unknown", show_default=True, help="An address of whoever publishes the data.")
@click.option("--code", default="unknown", show_default=True, help="A link to the version of the code they came with.")
def export_minari(folder: Path, suite: str, contact: str, code: str) -> None:
    """Write the data sets of a suite into a Minari folder DIR, as plain Minari reads them."""
    from cwmb.export.minari import export as write

    write(folder, suite, contact, code)


@export.command(name="eee")
@click.argument("runs", metavar="RUN...", nargs=-1, type=FILE, required=True)
@click.option(
    "--out", "folder", default="every_eval_ever", show_default=True, type=FILE, help="The folder to write to."
)
def export_eee(runs: tuple[Path, ...], folder: Path) -> None:
    """Write the results of RUNs as records of Every Eval Ever 0.3."""
    from cwmb.export.every_eval import export as write

    for path in write(runs, folder):
        print(path)


@app.within("This installation")
@app.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what a shell needs for completing cwmb's commands, options and names: eval "$(cwmb completion bash)"."""
    print(completion_script(app, shell))


@app.within("This installation")
@app.command()
def doctor() -> int:
    """Look whether this machine can run the benchmark, and say what to do where it cannot."""
    from cwmb.cli.doctor import examine

    return 0 if examine(print) else EXIT_INFRASTRUCTURE
