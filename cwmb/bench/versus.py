"""This checkout against another commit of it: both benchmarks in turn, each with its own code, on the same machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cwmb.bench.probe import Row
from cwmb.bench.results import Change, Results, changes, load
from cwmb.benchmark.data import data_root
from cwmb.errors import CwmbError

ROUNDS = 2


def versus(revision: str, only: str, say: Callable[[str], None]) -> list[Change]:
    """What differs from a commit by more than the noise: the factor is of the ratios to bare loops.

    Raises:
        CwmbError: there is no such commit, or its benchmark does not run.
    """
    root = data_root()
    before: list[Results] = []
    now: list[Results] = []
    with _worktree(root, revision) as base, tempfile.TemporaryDirectory() as place:
        stored, ours = base / "results" / "bench.json", Path(place, "bench.json")
        for i in range(ROUNDS):
            say(f"{revision}, round {i + 1} of {ROUNDS}")
            before.append(_run(base, only, ["--store"], stored))
            say(f"this checkout, round {i + 1} of {ROUNDS}")
            now.append(_run(root, only, ["--to", str(ours)], ours))
    return changes(_middle(before), _middle(now))


def _run(folder: Path, only: str, keep: Sequence[str], kept: Path) -> Results:
    """One run of a checkout's benchmark. keep: the options that make it write its results into the file ``kept``."""
    command = [sys.executable, "-m", "cwmb.bench", *keep, *(["--only", only] if only else [])]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    found = load(kept) if done.returncode == 0 else None
    if found is None:
        last = (done.stderr.strip().splitlines() or ["no reason known"])[-1]
        raise CwmbError(f"the benchmark of {folder.name} does not run: {last}")
    return found


def _middle(runs: list[Results]) -> Results:
    """Runs of one checkout as one: of each row the mean, its noise the runs' own and the difference between them."""
    first = runs[0]
    rows = []
    for row in first.rows:
        same = [other for run in runs for other in run.rows if other.name == row.name]
        rows.append(_mean(row, same))
    return Results(rows, first.versions, first.cpu, first.cores)


def _mean(row: Row, same: list[Row]) -> Row:
    def centre(values: list[float], noises: list[float]) -> tuple[float, float]:
        return float(np.mean(values)), float(np.hypot(np.mean(noises), np.std(values)))

    value, value_noise = centre([r.value for r in same], [r.value_noise for r in same])
    ratios = [r.ratio for r in same if r.ratio is not None]
    ratio_noises = [r.ratio_noise for r in same if r.ratio_noise is not None]
    ratio, ratio_noise = centre(ratios, ratio_noises) if ratios and ratio_noises else (None, None)
    return Row(row.name, row.unit, value, value_noise, row.bare, ratio, ratio_noise, row.against)


@contextmanager
def _worktree(root: Path, revision: str) -> Iterator[Path]:
    """A commit, checked out beside. Raises CwmbError."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "base")
        _git(root, "worktree", "add", "--detach", str(folder), revision)
        try:
            yield folder
        finally:
            _git(root, "worktree", "remove", "--force", str(folder))


def _git(root: Path, *arguments: str) -> None:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CwmbError(f"BASE: {(done.stderr.strip().splitlines() or ['git failed'])[-1]}")
