"""What people see of a model that waits."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cwmb.cli.progress import RunProgress
from cwmb.harness.records import Cell
from cwmb.types import Usage

CELL, OTHER = Cell("CartPole-v1", 0), Cell("Taxi-v3", 1)


def test_each_reason_is_a_line_where_nothing_is_live() -> None:
    shown = io.StringIO()
    with RunProgress(Console(file=shown), cells=2, searched=0, planned=0) as progress:
        for cell in (CELL, OTHER):
            progress.start(cell)
        for cell, why in ((CELL, "waiting for 1"), (OTHER, "waiting for 2")) * 3:
            progress.waits(cell, why)
        progress.search(CELL, calls=1, best=None, usage=Usage())
        progress.waits(CELL, "waiting for 1")
        progress.waits(CELL, "[red]\x1b[2Jwiped")
    assert shown.getvalue().splitlines() == [
        "CartPole-v1 seed 0: waiting for 1",
        "Taxi-v3 seed 1: waiting for 2",
        "CartPole-v1 seed 0: waiting for 1",
        "CartPole-v1 seed 0: [red]\\x1b[2Jwiped",
    ]


@pytest.mark.parametrize("over", [False, True])
def test_a_wait_stands_below_the_live_table_until_it_is_over(over: bool) -> None:
    progress, shown = (
        RunProgress(Console(file=io.StringIO()), cells=1, searched=0, planned=0),
        Console(file=io.StringIO(), width=100),
    )
    progress.start(CELL)
    progress.waits(CELL, "waiting, attempt 2 of 8")
    if over:
        progress.search(CELL, calls=1, best=None, usage=Usage())
    shown.print(progress._render())
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert ("CartPole-v1 seed 0: waiting, attempt 2 of 8" in text) == (not over)
