"""A verification as a table for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from cwmb.report.render import text
from cwmb.report.table import Column, Table, Value
from cwmb.submission.figures import Figure, Verdict, worst
from cwmb.submission.verify import CellReport, Verification
from cwmb.text import line

# The table's columns and the figures that each is the worst of.
COLUMNS = {
    "search": ("questions", "program", "search"),
    "test": ("test", "anytime"),
    **{name: (name,) for name in ("train", "evaluations", "usage", "sources", "planning", "episodes", "fresh")},
}
_SHORT = {"confirmed": "same", "consistent": "near", "not checkable": "–", "different": "DIFFERS"}


def as_text(verification: Verification, obstacles: list[str]) -> str:
    """What was found, as plain text for a terminal of 120 columns."""
    v = verification
    share = f"{len(v.cells)} of {v.cells_of} cells" if len(v.cells) < v.cells_of else f"all {v.cells_of} cells"
    planned = "all episodes" if v.episodes is None else f"at most {v.episodes} episodes each"
    counted = ", ".join(f"{count} {verdict}" for verdict, count in v.counts.items())
    notes = [
        *(
            f"{_place(cell)}: {figure.name} is {figure.verdict}: {line(figure.note, 300)}"
            for cell, figure in _remarkable(v)
        ),
        "Not checkable in any bundle: which model answered, and what it was allowed (model).",
        *(f"Not to be ranked: {obstacle}." for obstacle in obstacles),
        f"{counted}. The bundle is {v.verdict.upper()}.",
    ]
    caption = (
        f"Verification of {v.name} (bundle {v.bundle[:16]}): {share}, {planned}, fresh data from seed {v.seed}. "
        "same: confirmed, equal to the last bit; near: consistent, as close as another processor or another draw of "
        "data leaves it; –: not checkable."
    )
    columns = (Column("environment", "environment"), Column("seed", "seed"), *(Column(c, c) for c in COLUMNS))
    return text([Table("verification", caption, columns, tuple(map(_row, v.cells)), tuple(notes))])


def as_json(verification: Verification, obstacles: list[str]) -> dict[str, Any]:
    """Everything, without a time or a machine: the same seed and versions give the same."""
    content = msgspec.to_builtins(verification)
    return {"verdict": verification.verdict, "counts": verification.counts, "obstacles": obstacles, **content}


def _row(cell: CellReport) -> tuple[Value, ...]:
    found: dict[str, Verdict] = {figure.name: figure.verdict for figure in cell.figures}
    shown = ([found[name] for name in names if name in found] for names in COLUMNS.values())
    return (
        cell.environment,
        cell.seed,
        *(_SHORT[worst(verdicts) if verdicts else "not checkable"] for verdicts in shown),
    )


def _remarkable(verification: Verification) -> Iterator[tuple[CellReport, Figure]]:
    """The figures that are not confirmed, the worst first; of those that no bundle can show, none."""
    every = [(cell, figure) for cell in verification.cells for figure in cell.figures]
    for verdict in ("different", "not checkable", "consistent"):
        yield from ((c, f) for c, f in every if f.verdict == verdict and (f.name != "model" or verdict == "different"))


def _place(cell: CellReport) -> str:
    return f"{cell.environment} seed {cell.seed}" + (f" of run {cell.run}" if cell.run else "")
