"""``python -m cwmb.studies STUDY``: measure what is missing, and write results/ and docs/ anew."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from cwmb.benchmark.catalog import environment_ids
from cwmb.benchmark.data import data_path
from cwmb.benchmark.suites import shipped
from cwmb.harness.files import write_whole
from cwmb.report.render import in_place, markdown, to_csv
from cwmb.report.table import Table
from cwmb.sandbox import Sandbox
from cwmb.studies import forging as forging_study
from cwmb.studies import forging_report, programs_report, sweep_report
from cwmb.studies import gain as gain_study
from cwmb.studies import learners as learners_study
from cwmb.studies import planners as planners_study
from cwmb.studies import programs as programs_study
from cwmb.studies import sweep as sweep_study
from cwmb.studies.stored import read_frame


@click.group()
def main() -> None:
    """Studies of the benchmark itself, none of which needs a language model."""


@main.command()
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option("--out", default="runs/sweep", show_default=True, help="Keeps each search as soon as it is over.")
@click.option("--point", "points", multiple=True, type=click.Choice(tuple(sweep_study.POINTS)), help="All by default.")
@click.option("--report-only", is_flag=True, help="Write table and figure of the stored searches anew.")
def sweep(jobs: int, out: str, points: tuple[str, ...], report_only: bool) -> None:
    """Search strategies on simulated models of several strengths, into results/sweep/."""
    folder, console = data_path("results", "sweep"), Console(stderr=True)
    cells = folder / "cells.csv"
    if not report_only:
        wanted = points or tuple(sweep_study.POINTS)
        found = list(sweep_study.sweep(wanted, environment_ids(), Path(out), jobs=jobs))
        write_whole(cells, sweep_report.to_csv(found, read_frame(cells, "make sweep") if cells.exists() else None))
    frame = sweep_report.read_csv(cells)
    _write(folder / "table.md", [sweep_report.result_table(frame), sweep_report.action_table(frame)])
    write_whole(folder / "figure.svg", sweep_report.figure(frame))
    console.print(f"{len(frame)} searches: {folder}", highlight=False)


@main.command()
@click.argument("names", metavar="[ENV]...", nargs=-1)
@click.option("--out", default="runs/programs", show_default=True, help="Keeps each program as soon as it is measured.")
@click.option(
    "--also",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of further programs, <environment>.py, to measure beside them.",
)
@click.option("--source", default="a folder", show_default=True, help="Where those programs come from, for the tables.")
@click.option("--report-only", is_flag=True, help="Write the tables of the stored measurements anew.")
def programs(names: tuple[str, ...], out: str, also: Path | None, source: str, report_only: bool) -> None:
    """Reference programs and faulty ones: accuracy, horizon and return, into results/programs/ and docs/.

    With ENV only the programs of those are planned with; the others keep the returns that --out has of them.
    """
    folder, console = data_path("results", "programs"), Console(stderr=True)
    file = folder / "programs.csv"
    if not report_only:
        with Sandbox(workers=1) as sandbox:
            plan = names or environment_ids()
            order = sorted(environment_ids(), key=lambda name: name not in plan)
            found = list(programs_study.measure(order, Path(out), sandbox, console.print, also, plan))
        write_whole(file, programs_report.to_csv(found, source))
    frame = programs_report.read_csv(file)
    reference, correlation = programs_report.reference_table(frame), programs_report.correlation_table(frame)
    _write(folder / "table.md", [reference, correlation])
    page = data_path("docs", "reference.md")
    write_whole(page, with_tables(page.read_text(encoding="utf-8"), [reference, correlation]))
    console.print(f"{len(frame)} programs: {folder} and {page}", highlight=False)


@main.command()
@click.option("--out", default="runs/gain", show_default=True, help="Keeps each search as soon as it is over.")
def gain(out: str) -> None:
    """The search ``gain``, its ablations and other strategies on simulated models, into results/gain/."""
    folder, console = data_path("results") / "gain", Console(stderr=True)
    found = []
    for search, outcome in gain_study.searches(Path(out)):
        found.append((search, outcome))
        if len(found) % 50 == 0:
            console.print(f"{len(found)} searches, now {search.environment}", highlight=False)
    compared = gain_study.table(found)
    _write(folder / "table.md", [compared])
    write_whole(folder / "table.csv", to_csv([compared]) + "\n")
    console.print(f"{len(found)} searches: {folder}", highlight=False)


@main.command()
@click.argument("names", metavar="[ENV]...", nargs=-1)
@click.option("--episodes", default=1, show_default=True, help="Of every setting in every environment.")
@click.option("--report-only", is_flag=True, help="Write the tables of what is stored anew.")
def planners(names: tuple[str, ...], episodes: int, report_only: bool) -> None:
    """Planners of continuous actions on the true environments, into results/planners/ and docs/planning.md."""
    file, console = data_path("results", "planners") / "episodes.csv", Console(stderr=True)
    if not report_only:
        wanted = names or planners_study.continuous_environments()
        planners_study.measure(wanted, tuple(planners_study.SETTINGS), episodes, file, console.print)
    page = data_path("docs", "planning.md")
    trials = planners_study.read(file)
    tables = [planners_study.table(trials), planners_study.oracle_table()]
    write_whole(page, with_tables(page.read_text(encoding="utf-8"), tables))
    console.print(f"{len(trials)} episodes: {file} and {page}", highlight=False)


@main.command()
@click.argument("names", metavar="[ENV]...", nargs=-1)
@click.option("--report-only", is_flag=True, help="Write the table of what is stored anew.")
def forging(names: tuple[str, ...], report_only: bool) -> None:
    """The best scores of programs that know nothing, into results/forging.csv and docs/sandbox.md."""
    file, console = data_path("results", "forging.csv"), Console(stderr=True)
    if not report_only:
        with Sandbox(workers=1) as sandbox:
            for found in forging_study.search(names or environment_ids(), sandbox, console.print):
                write_whole(file, forging_report.to_csv([found], file))
    page, stored = data_path("docs", "sandbox.md"), forging_report.read_csv(file)
    write_whole(page, with_tables(page.read_text(encoding="utf-8"), [forging_report.table(stored)]))
    console.print(f"{len(stored)} environments: {file} and {page}", highlight=False)


@main.command()
@click.argument("names", metavar="[ENV]...", nargs=-1)
@click.option("--suite", "suites", multiple=True, default=("varied", "hidden", "altered"), help="All three by default.")
@click.option("--report-only", is_flag=True, help="Write the tables of what is stored anew.")
def learners(names: tuple[str, ...], suites: tuple[str, ...], report_only: bool) -> None:
    """What learns a world from its training data alone, into results/learners/ and docs/suites.md."""
    file, console = data_path("results", "learners") / "learners.csv", Console(stderr=True)
    if not report_only:
        with Sandbox(workers=1, planners={}) as sandbox:
            for worlds in map(shipped, suites):
                wanted = [name for name in worlds.ids if name in names or not names]
                for one in learners_study.measure(worlds, wanted, sandbox, console.print):
                    known = learners_study.stored(file) if file.exists() else None
                    file.parent.mkdir(exist_ok=True)
                    write_whole(file, learners_study.to_csv([one], known))
    page, frame = data_path("docs", "suites.md"), learners_study.stored(file)
    write_whole(page, with_tables(page.read_text(encoding="utf-8"), [learners_study.table(frame)]))
    console.print(f"{len(frame)} worlds: {file} and {page}", highlight=False)


def with_tables(text: str, tables: list[Table]) -> str:
    """A page with the tables in their places; see in_place(), also for what is raised."""
    for table in tables:
        text = in_place(text, table.name, markdown([table]))
    return text


def _write(path: Path, tables: list[Table]) -> None:
    write_whole(path, markdown(tables) + "\n")


if __name__ == "__main__":
    main()
