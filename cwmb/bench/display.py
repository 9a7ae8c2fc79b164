"""Rows as a table: Rich on a terminal, plain elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from tabulate import tabulate

from cwmb.bench.probe import Row
from cwmb.bench.results import Change
from cwmb.report.render import in_place

HEAD = ("", "ours", "±", "unit", "bare", "ratio", "±", "target", "met", "published", "against")


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table, as text."""
    targets = [f"{t:g}{unit}" for t, unit in ((row.value_target, f" {row.unit}"), (row.ratio_target, "x")) if t]
    met = {True: "yes", False: "no", None: ""}[row.met]
    return (
        row.name,
        f"{row.value:.3g}",
        f"{row.value_noise:.1g}",
        row.unit,
        _shown(row.bare),
        _shown(row.ratio),
        "" if row.ratio_noise is None else f"{row.ratio_noise:.1g}",
        ", ".join(targets),
        met,
        _shown(row.published),
        row.against,
    )


def on_page(page: str, rows: Sequence[Row]) -> str:
    """docs/speed.md with these rows in its table. Raises CwmbError: there is no place for it."""
    shown = [cells(row)[:-1] for row in rows]
    return in_place(page, "bench", tabulate(shown, HEAD[:-1], tablefmt="github", disable_numparse=True))


def show(console: Console, rows: Sequence[Row], changed: Sequence[Change] | None) -> None:
    """Print the rows, and what changed since the stored ones (None: there are none)."""
    if console.is_terminal:
        table = Table(*HEAD, box=None)
        for row in rows:
            table.add_row(*cells(row))
        console.print(table)
    else:
        console.print(tabulate([cells(r) for r in rows], HEAD, disable_numparse=True), highlight=False, soft_wrap=True)
    if changed is None:
        console.print("\nNothing is stored to compare with.")
        return
    show_changes(console, changed, "what is stored")


def show_changes(console: Console, changed: Sequence[Change], than: str) -> None:
    """Print what differs from something, and by how much."""
    console.print()
    for change in changed:
        word = "slower" if change.factor > 1 else "quicker"
        console.print(f"{word}: {change.name}, {change.factor:.2f} of {than}", highlight=False, soft_wrap=True)
    if not changed:
        console.print(f"Nothing differs from {than} by more than the noise.", highlight=False)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
