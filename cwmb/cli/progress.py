"""What a person sees while cells run: a live table on a terminal; everywhere, what their models wait for."""

from __future__ import annotations

import time
from threading import Lock

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from cwmb.harness.records import Cell, Record
from cwmb.harness.setup import Stage
from cwmb.text import line
from cwmb.types import Evaluation, Usage


class RunProgress:
    """Implements cwmb.harness.executors.Display on a Rich console; use it as a context manager."""

    def __init__(self, console: Console, cells: int, searched: int, planned: int, *, plan: bool = True) -> None:
        """searched, planned: how many of the cells already are; plan: whether any will be planned."""
        self._console = console
        self._is_live = _is_live(console)
        self._lock = Lock()
        self._running: dict[Cell, _Row] = {}
        self._usage = Usage()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[tokens]}"),
            console=console,
        )
        self._searched = self._bar.add_task("searched", total=cells, completed=searched, tokens="")
        self._planned = self._bar.add_task("planned", total=cells, completed=planned, tokens="", visible=plan)
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> RunProgress:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_live:
            self._live.stop()

    def start(self, cell: Cell) -> None:
        """Show a cell."""
        with self._lock:
            self._running[cell] = _Row(time.monotonic())

    def stage(self, cell: Cell, stage: Stage) -> None:
        """Show what it does."""
        with self._lock:
            self._running[cell].stage, self._running[cell].waiting = stage, ""

    def search(self, cell: Cell, *, calls: int, best: Evaluation | None, usage: Usage) -> None:
        """Show how far its search is."""
        with self._lock:
            row = self._running[cell]
            row.stage = Stage("search", calls, row.stage.of)
            row.best, row.usage, row.waiting = best, usage, ""

    def waits(self, cell: Cell, why: str) -> None:
        """Show what its model waits for; where nothing is live, in a line for each thing that it waits for."""
        with self._lock:
            row = self._running[cell]
            new, row.waiting = row.waiting != why, why
        if new and not self._is_live:
            self._console.print(line(f"{_name(cell)}: {why}"), highlight=False, markup=False, soft_wrap=True)

    def finish(self, cell: Cell, record: Record) -> None:
        """Take it off the table; say in one line how it ended."""
        with self._lock:
            row = self._running.pop(cell)
            self._usage += record.usage
            self._bar.advance(self._searched)
            self._bar.advance(self._planned, record.state != "done" or record.planning is not None)
            self._bar.update(self._searched, tokens=_spent(self._usage))
        self._say(_outcome(record), row)

    def planned(self, cell: Cell, record: Record) -> None:
        """Take it off the table; say in one line what planning gave."""
        with self._lock:
            row = self._running.pop(cell)
            self._bar.advance(self._planned)
        if record.planning is not None:
            self._say(f"{_name(record)}  normalised return {_number(record.planning.normalised_return)}", row)

    def _say(self, said: str, row: _Row) -> None:
        took = f"{said}  [dim]{time.monotonic() - row.since:.0f} s"
        self._console.print(took, highlight=False, soft_wrap=not self._is_live)

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("environment", "seed", "now", "", "best train", "tokens", "time"):
            table.add_column(name, justify="left" if name in ("environment", "now") else "right")
        with self._lock:
            rows = sorted(self._running.items())
            for cell, row in rows:
                table.add_row(
                    cell.environment,
                    str(cell.seed),
                    row.stage.name,
                    f"{row.stage.done}/{row.stage.of}" if row.stage.of else "",
                    f"{row.best.accuracy:.3f}" if row.best else "",
                    f"{row.usage.prompt_tokens + row.usage.completion_tokens:,}",
                    f"{time.monotonic() - row.since:.0f} s",
                )
            waiting = [Text(line(f"{_name(cell)}: {row.waiting}"), "dim") for cell, row in rows if row.waiting]
        return Group(table, *waiting, self._bar)


class PlanProgress:
    """How far the episodes of a plan are, and how long the rest will take; nothing where nobody watches.

    Use it as a context manager. length: steps that an episode may have.
    """

    def __init__(self, console: Console, episodes: int, length: int) -> None:
        self._length, self._taken, self._done = length, dict.fromkeys(range(episodes), 0), 0
        self._bar = Progress(
            TextColumn("{task.fields[done]} of {task.fields[episodes]} episodes"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not _is_live(console),
        )
        self._task = self._bar.add_task("plan", total=episodes * length, done=0, episodes=episodes)

    def __enter__(self) -> PlanProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def steps(self, episode: int, taken: int) -> None:
        """An episode has taken so many steps."""
        self._taken[episode] = taken
        self._bar.update(self._task, completed=sum(self._taken.values()))

    def done(self, episode: int) -> None:
        """An episode is over, perhaps before its last step."""
        self._done += 1
        self.steps(episode, self._length)
        self._bar.update(self._task, done=self._done)


def _is_live(console: Console) -> bool:
    """Whether somebody watches: on a terminal, or in a notebook."""
    return console.is_jupyter or (console.is_terminal and not console.is_dumb_terminal and console.file.isatty())


class _Row:
    def __init__(self, since: float) -> None:
        self.since = since
        self.stage = Stage("search")
        self.best: Evaluation | None = None
        self.usage = Usage()
        self.waiting = ""


def _spent(usage: Usage) -> str:
    tokens = f"{usage.prompt_tokens + usage.completion_tokens:,} tokens"
    return f"{tokens}, ${usage.dollars:.2f}" if usage.dollars else tokens


def _name(cell: Cell | Record) -> str:
    return f"{cell.environment:26} seed {cell.seed}"


def _outcome(record: Record) -> str:
    if record.test is None:
        return (
            f"{_name(record)}  [red]{record.state}[/]: {escape(line(record.failure.message)) if record.failure else ''}"
        )
    return (
        f"{_name(record)}  accuracy {record.test.accuracy:.3f}  skill {_number(record.test.skill)}"
        f"  {record.usage.calls} calls"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
