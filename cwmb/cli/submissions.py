"""Submitting runs to the leaderboard, and verifying what others submit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from secrets import randbelow
from typing import Any

from rich.console import Console

from cwmb.errors import unknown
from cwmb.submission.figures import Verdict
from cwmb.submission.manifest import OPENNESS
from cwmb.submission.opening import opened
from cwmb.submission.packing import Entry, pack
from cwmb.submission.ranking import obstacles


def submit_runs(runs: Sequence[Path], out: Path, *, authors: str, openness: str, **said: Any) -> None:
    """Pack runs into a bundle; says what it holds and whether it can be ranked. said: see packing.Entry."""
    if openness not in OPENNESS:
        raise unknown("openness", openness, OPENNESS)
    people = [author.strip() for author in authors.split(",")]
    manifest = pack(runs, Entry(authors=people, openness=openness, **said), out)
    with opened(out) as bundle:
        cells = sum(len(run.records) for run in bundle.runs)
        print(f"{out}: {cells} cells, {len(manifest.files)} files, {out.stat().st_size:,} bytes")
        print(f"identity {bundle.sha256}")
        for obstacle in obstacles(bundle):
            print(f"Not to be ranked: {obstacle}.")
    print(f"Check it as others will: cwmb verify {out}")


def verify_bundle(path: Path, episodes: int | None, cells: int | None, seed: int | None, as_json: bool) -> Verdict:
    """Verify a bundle and print the report. Returns the verdict on all of it."""
    with opened(path) as bundle:
        from cwmb.submission import report  # heavy, and in vain where the bundle is refused
        from cwmb.submission.verify import CellReport, verify

        console = Console(stderr=True)

        def say(cell: CellReport) -> None:
            line = f"{cell.environment:26} seed {cell.seed}  {cell.verdict}"
            console.print(line, highlight=False, markup=False)

        drawn = randbelow(2**31) if seed is None else seed
        done = verify(bundle, drawn, episodes=episodes, cells=cells, progress=say)
        if as_json:
            print(json.dumps(report.as_json(done, obstacles(bundle)), indent=1, sort_keys=True))
        else:
            print(report.as_text(done, obstacles(bundle)))
    return done.verdict
