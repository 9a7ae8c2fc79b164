"""``cwmb worlds``: drawing a suite's worlds into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import as_completed
from pathlib import Path

from rich.console import Console

from cwmb.benchmark.suites import drawn, suite
from cwmb.cli.commands import measure_baselines
from cwmb.errors import CwmbError, unknown
from cwmb.machine import processes


def draw_worlds(
    names: Sequence[str], suite_name: str, seed: int, folder: Path, protocol_name: str | None, jobs: int
) -> None:
    """Draw what is missing of the environments named (all of which the suite can have worlds unless said).

    protocol_name: whose baselines are measured, if any are.

    Raises:
        CwmbError: there is no such suite or environment, or the folder holds something else.
    """
    from cwmb.collect.worlds import write_world

    wanted, ids = suite(suite_name), list(names or suite(suite_name).ids)
    for name in ids:
        if name not in wanted.ids:
            raise unknown(f"environment of suite {suite_name}", name, wanted.ids)
    if folder.exists() and any(folder.glob("*/world.json")):
        found = drawn(folder)
        if (found.suite, found.seed) != (suite_name, seed):
            raise CwmbError(f"{folder} holds worlds of suite {found.suite} seed {found.seed}: name another --out")
    console = Console(stderr=True)
    with processes(jobs) as pool:
        running = {pool.submit(write_world, name, wanted, seed, folder): name for name in ids}
        for future in as_completed(running):
            how = "drawn" if future.result() else "is there"
            console.print(f"{running[future]:26} {how}", highlight=False)
    if protocol_name is not None:
        measure_baselines(ids, protocol_name, drawn(folder))
