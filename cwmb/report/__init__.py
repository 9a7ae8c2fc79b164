"""Tables, comparisons and curves made of records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cwmb.report.table import Table


def report(paths: Sequence[Path], format_: str = "markdown", published: bool = False) -> str:
    """The tables of runs (folders or records files), or with ``published`` the paper's tables, ours beside them.

    Raises:
        CwmbError: there is no such format or nothing to show, or the runs' figures cannot stand in one table.
    """
    from cwmb.errors import unknown
    from cwmb.report.render import FORMATS, render

    if format_ not in FORMATS:  # before any work
        raise unknown("format", format_, FORMATS)
    return render(tables(paths, published), format_)


def tables(paths: Sequence[Path], published: bool = False) -> list[Table]:
    """As report, but as values."""
    from cwmb.report.anytime import anytime_table, curves
    from cwmb.report.configuration import configurations
    from cwmb.report.frame import frame, read_runs
    from cwmb.report.results import environment_tables, interval_table, main_table, speed_tables, spend_table

    if published:
        from cwmb.report.published import published_tables  # which knows of all that the paper measured

        return published_tables(**_sorted(paths))
    runs = read_runs(paths)
    found = configurations(frame(runs))
    main = [main_table(found), *environment_tables(found), spend_table(found), interval_table(found)]
    return [*main, *speed_tables(found), *anytime_table(curves(runs), found)]


def _sorted(paths: Sequence[Path]) -> dict[str, Any]:
    """Runs by what they are about: the suite's environments, games with manuals, problems, inference times."""
    from cwmb.benchmark.catalog import RTFM
    from cwmb.harness.inference import RESULTS
    from cwmb.report.configuration import configurations
    from cwmb.report.frame import frame, read_runs
    from cwmb.report.problems import is_of_problems

    kinds: dict[str, list[Path]] = {"ours": [], RTFM: [], "apps": [], "inference": []}
    for path in paths:
        if is_of_problems(path):
            kind = "apps"
        elif (path / RESULTS).is_file():
            kind = "inference"
        else:
            records = read_runs([path])[0].records
            kind = RTFM if records and records[0].suite == RTFM else "ours"
        kinds[kind].append(path)
    runs = {kind: configurations(frame(read_runs(kinds[kind]))) if kinds[kind] else [] for kind in ("ours", RTFM)}
    return {**kinds, **runs}


def recall(paths: Sequence[Path]) -> Table:
    """How much of a result was known by heart: a run in the originals against one in another suite.

    Raises:
        CwmbError: there are not two such runs, or they differ in more than the suite.
    """
    from cwmb.report.recall import recall_table

    return recall_table(paths)


def terminal(paths: Sequence[Path]) -> str:
    """The main table, those by environment (of whole runs) and speeds as plain text for a terminal of 120 columns."""
    from cwmb.report.configuration import configurations
    from cwmb.report.frame import frame, read_runs
    from cwmb.report.render import text
    from cwmb.report.results import environment_tables, main_table, speed_tables

    found = configurations(frame(read_runs(paths)))
    whole = [c for c in found if not c.flags["early"]]
    return text([main_table(found), *environment_tables(whole), *speed_tables(whole)])


def compare(run_a: Path, run_b: Path) -> list[Table]:
    """Two runs of one configuration each, compared on the cells that they share.

    Raises:
        CwmbError: they cannot be compared or share no cell.
    """
    from cwmb.report.comparison import comparison_tables

    return comparison_tables(run_a, run_b)


def race(paths: Sequence[Path]) -> list[Table]:
    """Runs of one configuration each, compared with the first one and with each other at equal spending.

    Raises:
        CwmbError: they cannot be compared or share no cell.
    """
    from cwmb.report.racing import race_tables

    return race_tables(paths)
