"""``cwmb leaderboard``: the static site."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cwmb.benchmark.data import data_path
from cwmb.errors import CwmbError


def build_site(paths: Sequence[Path], out: Path, simulated: bool, episodes: int, jobs: int | None) -> None:
    """Build the site of these places, the leaderboard's entries unless any is named, and say what was built.

    Raises:
        CwmbError: a package of the extra ``site`` is not installed; else see cwmb.site.build.build.
    """
    try:
        from cwmb.site.build import build
    except ImportError as error:
        raise CwmbError(f"the site needs {error.name}: pip install 'cwmb[site]'") from error
    console = Console(stderr=True)
    begun = time.monotonic()
    with console.status("Building the site") as status:
        made = build(
            paths or [data_path("results", "leaderboard")],
            out,
            simulated=simulated,
            episodes=episodes,
            jobs=jobs,
            progress=lambda name: status.update(f"Building the site: {name}"),
        )
    print(f"{out / 'index.html'}: {made.rows} rows, {made.pages} pages, {time.monotonic() - begun:.1f} s")
    if made.simulated:
        print(f"{made.simulated} searches of simulated models were left out; --simulated shows them.")
