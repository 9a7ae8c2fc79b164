"""What people see while a program is planned with."""

from __future__ import annotations

import io

from rich.console import Console

from cwmb.cli.progress import PlanProgress


class Terminal(io.StringIO):
    """Text that believes to be shown."""

    def isatty(self) -> bool:
        return True


def shown(file: io.StringIO) -> str:
    """Half of the second of two episodes of 100 steps, after the first ended early."""
    console = Console(file=file, force_terminal=file.isatty(), width=100, legacy_windows=False, color_system=None)
    with PlanProgress(console, episodes=2, length=100) as plan:
        plan.steps(0, 0)
        plan.steps(0, 30)
        plan.done(0)
        plan.steps(1, 50)
        plan._bar.refresh()
    return file.getvalue()


def test_episodes_and_what_is_left_are_shown() -> None:
    last = shown(Terminal())
    assert "1 of 2 episodes" in last
    assert " 75%" in last
    assert "left" in last


def test_nothing_is_shown_where_nobody_watches() -> None:
    assert shown(io.StringIO()) == ""
