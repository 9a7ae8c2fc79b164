"""Runs of strategies with language models, and the records of runs as data frames."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cwmb.benchmark.descriptions import DEFAULT
from cwmb.benchmark.suites import ORIGINAL
from cwmb.cli.commands import Wanted, complete
from cwmb.harness.records import Record, read_records
from cwmb.report import tables, terminal
from cwmb.report.frame import Run as Folder
from cwmb.report.frame import frame
from cwmb.report.render import html
from cwmb.types import Provider, Strategy

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """What a run left behind: its folder and its records. As text or in a notebook, its tables."""

    folder: Path
    records: list[Record] = field(repr=False)

    def frame(self) -> pd.DataFrame:
        """The records, one row per cell and budget: see load_records()."""
        return load_records(self.folder)

    def __str__(self) -> str:
        return terminal([self.folder])

    def _repr_html_(self) -> str:
        return html(tables([self.folder]))


def evaluate(
    strategy: str | Strategy,
    model: str | Provider,
    envs: str | Sequence[str] | None = None,
    *,
    protocol: str = "quick",
    suite: str = ORIGINAL,
    descriptions: str = DEFAULT,
    options: Mapping[str, Any] | None = None,
    calls: int | None = None,
    seeds: int | None = None,
    jobs: int = 1,
    plan: bool = True,
    out: Path | str | None = None,
) -> Run:
    """Run a strategy with a language model over environments; running it again completes what is missing.

    strategy: a name (``cwmb list strategies``) with its options, or an object of a dataclass of one's own; model: as
    ``openai:NAME`` (``cwmb list models``), or a provider object; envs: all of the suite unless said; calls, seeds: the
    protocol's unless said; jobs: cells at a time; out: the run's folder, below ``runs/`` unless said.

    Raises:
        CwmbError: something asked for does not exist, or the run cannot go on; the same call then completes it.
        KeyboardInterrupt: it was stopped, and loses nothing either.
    """
    named = [envs] if isinstance(envs, str) else envs
    words = {name: value if isinstance(value, str) else json.dumps(value) for name, value in (options or {}).items()}
    asked = Wanted(
        strategy=strategy,
        model=model,
        envs="all" if named is None else ",".join(named),
        protocol=protocol,
        descriptions=descriptions,
        jobs=jobs,
        executor="local",
        calls=calls,
        seeds=seeds,
        suite=suite,
        options=[f"{name}={value}" for name, value in words.items()],
        no_plan=not plan,
        out=None if out is None else Path(out),
    )
    return Run(*complete(asked, Console(stderr=True)))


def load_records(paths: Path | str | Sequence[Path | str]) -> pd.DataFrame:
    """The records of runs (folders or records files) as a tidy DataFrame, one row per cell and budget.

    The columns are those of ``cwmb.report.frame.COLUMNS``, described in docs/python.md; missing numbers are NaN. Rows
    of different suites, protocols and data may stand side by side here, since each says which it is of: do not average
    over them.

    Raises:
        CwmbError: there are no records, or one is damaged.
    """
    several = [paths] if isinstance(paths, (str, Path)) else paths
    return frame([Folder(Path(path), read_records(Path(path))) for path in several])
