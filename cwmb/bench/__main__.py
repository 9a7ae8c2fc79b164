"""``python -m cwmb.bench``: measure, compare with results/bench.json, and store there if asked to."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
from rich.console import Console

from cwmb.bench.display import show
from cwmb.bench.planning import planning_probes
from cwmb.bench.probe import Probe, measure
from cwmb.bench.processes import memory_probes, startup_probes
from cwmb.bench.results import changes, load, results, store, stored_path
from cwmb.bench.scoring import beyond, fixed_probe, scoring_probes, throughput_probe
from cwmb.bench.search import search_probes
from cwmb.machine import cores
from cwmb.sandbox import Sandbox


@click.command()
@click.option("--store", "to_store", is_flag=True, help="Make this the stored result.")
@click.option("--only", default="", help="Measure only what has this in its name.")
def main(to_store: bool, only: str) -> None:
    """Measure how fast everything is against a bare loop, and say what got slower than the stored result."""
    console = Console()
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
            *scoring_probes(one),
            throughput_probe(one, 1),
            throughput_probe(all_cores, cores()),
            *planning_probes(one),
            *search_probes(Path(folder)),
            *startup_probes(),
            *memory_probes(),
        ]
        rows = measure([p for p in probes if only in p.name], status.update)
    rows += beyond(rows)
    new, old = results(rows), load(stored_path())
    show(console, rows, None if old is None else changes(old, new))
    if to_store:
        store(stored_path(), new)


if __name__ == "__main__":
    main()
