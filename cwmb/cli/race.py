"""``cwmb race``: several strategies on the same cells, one run each in one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from cwmb.cli.commands import Wanted, complete, say_what_failed
from cwmb.errors import CwmbError, unknown
from cwmb.harness.files import write_whole
from cwmb.plugins import options, strategy


def race(contenders: Sequence[str], format_: str, asked: Mapping[str, Any]) -> set[str]:
    """Run each contender (a strategy, perhaps with options) and print the comparison; returns the states of cells.

    The comparison is kept beside the runs as ``race.csv``. What is there is completed, as by ``cwmb eval``.

    Raises:
        CwmbError: fewer than two contenders, one of them twice, or what complete() refuses.
    """
    from cwmb.report import race as compared
    from cwmb.report.render import FORMATS, render

    if format_ not in FORMATS:
        raise unknown("format", format_, FORMATS)
    if len(contenders) < 2:
        raise CwmbError("a race needs at least two strategies: name another one")
    entered: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for contender in contenders:
        name, _, said = contender.partition(":")
        pairs = [pair for pair in said.split(",") if pair]
        effective = str(strategy(name, options(pairs))[1])  # refused before anything is paid for
        if (name, effective) in entered:
            raise CwmbError(f"{contender} is entered twice: leave one out, or give it other options")
        entered[name, effective] = contender, pairs
    console = Console(stderr=True)
    folder = asked["out"] or Path("runs") / _folder_name(asked)
    states: set[str] = set()
    folders = []
    for (name, _), (contender, pairs) in entered.items():
        console.print(f"{contender}:", highlight=False, markup=False)
        own = dict(asked) | {"strategy": name, "options": pairs, "out": folder / _plain(contender)}
        where, records = complete(Wanted(**own), console)
        say_what_failed(console, records)
        states |= {record.state for record in records}
        folders.append(where)
    tables = compared(folders)
    write_whole(folder / "race.csv", render(tables, "csv") + "\n")
    print(render(tables, format_))
    console.print(f"\nRuns and race.csv: {folder}", highlight=False, soft_wrap=True)
    return states


def _folder_name(asked: Mapping[str, Any]) -> str:
    suite = "" if asked["suite"] == Wanted.suite else f"-{asked['suite']}"
    return f"race-{_plain(asked['model'])}-{asked['protocol']}{suite}"


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._=" else "_" for c in name)
