"""``python -m cwmb.bench``: measure, compare with results/bench.json, and store there if asked to."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
from rich.console import Console

from cwmb.bench.display import on_page, show, show_changes
from cwmb.bench.paper import mean_row, paper_probes
from cwmb.bench.planning import planning_probes
from cwmb.bench.probe import Probe, measure
from cwmb.bench.processes import memory_probes, startup_probes
from cwmb.bench.results import changes, load, results, store, stored_path
from cwmb.bench.scoring import audit_probe, beyond, fixed_probe, scoring_probes, throughput_probe
from cwmb.bench.search import search_probes
from cwmb.bench.versus import versus
from cwmb.benchmark.data import data_path
from cwmb.errors import CwmbError
from cwmb.harness.files import write_whole
from cwmb.machine import cores
from cwmb.sandbox import Sandbox


@click.command()
@click.option("--store", "to_store", is_flag=True, help="Make this the stored result.")
@click.option("--to", type=click.Path(path_type=Path), help="Write the result into this file.")
@click.option("--only", default="", help="Measure only what has this in its name.")
@click.option("--paper", type=click.Path(path_type=Path), help="A checkout of the paper's repository: its check, too.")
@click.option("--base", help="Compare with this commit instead, whose benchmark is run in turn with this one's.")
def main(to_store: bool, to: Path | None, only: str, paper: Path | None, base: str | None) -> None:
    """Measure how fast everything is against a bare loop, and say what got slower than the stored result."""
    console = Console()
    try:
        if base is not None:
            with console.status("measuring") as status:
                found = versus(base, only, status.update)
            show_changes(console, found, base)
            return
        _measure(console, stored_path() if to_store else to, only, paper)
    except CwmbError as error:
        raise click.ClickException(str(error)) from error


def _measure(console: Console, to: Path | None, only: str, paper: Path | None) -> None:
    runs = Path("runs")
    runs.mkdir(exist_ok=True)
    with (
        Sandbox(workers=1) as one,
        Sandbox() as all_cores,
        tempfile.TemporaryDirectory(dir=runs) as folder,
        console.status("measuring") as status,
    ):
        probes: list[Probe] = [
            fixed_probe(one),
            audit_probe(one),
            *scoring_probes(one),
            *(paper_probes(one, paper) if paper else ()),
            throughput_probe(one, 1),
            throughput_probe(all_cores, cores()),
            *planning_probes(one),
            *search_probes(Path(folder)),
            *startup_probes(Path(folder)),
            *memory_probes(),
        ]
        rows = measure([p for p in probes if only in p.name], status.update)
    rows += [*beyond(rows), *mean_row(rows)]
    new, old = results(rows), load(stored_path())
    show(console, rows, None if old is None else changes(old, new))
    if to is not None:
        store(to, new)
    if to == stored_path():
        write_whole(page := data_path("docs", "speed.md"), on_page(page.read_text(encoding="utf-8"), new.rows))


if __name__ == "__main__":
    main()
