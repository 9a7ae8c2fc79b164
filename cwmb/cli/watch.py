"""``cwmb watch``: a run as it goes, read from its folder, so that nobody who runs it needs to know."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cwmb.errors import CwmbError
from cwmb.harness.records import Cell, Record, read_records
from cwmb.harness.run import Configuration, read_run
from cwmb.report.anytime import Point, curve
from cwmb.text import line
from cwmb.types import Usage

EVERY = 1.0  # seconds between two looks


@dataclass(frozen=True)
class Seen:
    """A cell as its folder tells. point: what its search has found by now; idle: seconds since it wrote anything."""

    cell: Cell
    record: Record | None
    calls: int = 0
    point: Point | None = None
    planned: int = 0
    idle: float = 0.0

    @property
    def now(self) -> str:
        """What it does, in a word."""
        if self.record is None:
            return "waiting" if self.point is None else "searching"
        if self.record.state != "done":
            return self.record.state
        return "done" if self.record.planning is not None else "planning" if self.planned else "searched"

    @property
    def over(self) -> bool:
        """Whether nothing more is to come of its search."""
        return self.record is not None and self.record.state != "infrastructure"


class Watched:
    """A run's folder, looked at again and again; what has not changed is not read again.

    clock: seconds since the epoch.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock
        self._known: dict[Cell, tuple[tuple[float, ...], Seen]] = {}

    def look(self) -> tuple[Configuration, list[Seen]]:
        """The run's configuration, and each of its cells.

        Raises:
            CwmbError: it is no run's folder, or a ledger or a record in it is damaged.
        """
        configuration, extent = read_run(self._folder / "run.json")
        return configuration, [self._cell(cell) for cell in extent.cells()]

    def _cell(self, cell: Cell) -> Seen:
        folder = self._folder / cell.path
        files = [folder / "ledger.jsonl", folder / "record.json"]
        stats = [path.stat() if path.is_file() else None for path in files]
        state = tuple(value for s in stats for value in ((s.st_size, s.st_mtime) if s else (0.0, 0.0)))
        if cell not in self._known or self._known[cell][0] != state:
            self._known[cell] = state, self._read(cell, *files)
        seen = self._known[cell][1]
        last = max((s.st_mtime for s in stats if s), default=self._clock())
        return replace(seen, idle=max(0.0, self._clock() - last))

    def _read(self, cell: Cell, ledger: Path, record: Path) -> Seen:
        found = read_records(record)[0] if record.is_file() else None
        if not ledger.is_file():
            return Seen(cell, found)
        content = ledger.read_bytes()
        points = curve(content, str(ledger))
        return Seen(
            cell, found, max(0, len(points) - 1), points[-1] if points else None, content.count(b'"type": "episode"')
        )

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return max(0.0, self._clock() - (self._folder / "run.json").stat().st_mtime)


def watch(folder: Path, console: Console) -> None:
    """Show a run until it has ended or somebody has seen enough (Ctrl-C); once, where no terminal watches."""
    watched = Watched(folder)
    if not console.is_terminal:
        console.print(shown(*watched.look(), watched.seconds, None), highlight=False)
        return
    try:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                configuration, cells = watched.look()
                live.update(shown(configuration, cells, watched.seconds, console.height - 8), refresh=True)
                if all(seen.now in ("done", "failed") for seen in cells):
                    return
                time.sleep(EVERY)
    except KeyboardInterrupt:
        return


def shown(configuration: Configuration, cells: Sequence[Seen], seconds: float, rows: int | None) -> RenderableType:
    """What is to be seen of a run. seconds: since it began; rows: of the table at most."""
    usage = sum((seen.point.usage for seen in cells if seen.point), Usage())
    over = sum(seen.over for seen in cells)
    planned = sum(seen.now == "done" for seen in cells)
    tokens = f"{usage.calls:,} calls, {usage.prompt_tokens + usage.completion_tokens:,} tokens"
    dollars = "dollars unknown" if usage.dollars is None else f"${usage.dollars:.4f}"
    head = [
        f"{line(configuration.strategy)} with {line(configuration.model)}, protocol {line(configuration.protocol)}, "
        f"at most {configuration.budget.calls} calls a search",
        f"searched {over} of {len(cells)}, planned {planned}; {_left(configuration, cells, seconds)}",
        f"{tokens}, {dollars}",
    ]
    failures = Counter(failure for seen in cells if (failure := _failure(seen)))
    if failures:
        head.append("failures: " + ", ".join(f"{count} {kind}" for kind, count in sorted(failures.items())))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("environment", "seed", "now", "calls", "train", "test", "tokens", "quiet"):
        table.add_column(name, justify="left" if name in ("environment", "now") else "right")
    order = {"searching": 0, "planning": 1, "infrastructure": 2, "failed": 2, "searched": 3, "done": 4, "waiting": 5}
    chosen = sorted(cells, key=lambda seen: order[seen.now])
    for seen in chosen if rows is None else chosen[: max(1, rows)]:
        table.add_row(*_row(seen))
    more = [] if rows is None or len(chosen) <= rows else [Text(f"{len(chosen) - rows} more cells", "dim")]
    return Group(*(Text(text) for text in head), table, *more)


def _row(seen: Seen) -> list[str]:
    point, test = seen.point, seen.record.test if seen.record else None
    spent = point.usage.prompt_tokens + point.usage.completion_tokens if point else 0
    return [
        seen.cell.environment,
        str(seen.cell.seed),
        seen.now,
        str(seen.calls),
        f"{point.train_accuracy:.3f}" if point and point.program else "",
        f"{test.accuracy:.3f}" if test else "",
        f"{spent:,}" if spent else "",
        f"{seen.idle:.0f} s" if seen.now in ("searching", "planning") else "",
    ]


def _failure(seen: Seen) -> str | None:
    record = seen.record
    if record is None:
        return None
    found = record.failure or (record.test.failure if record.test else None)
    return found.kind if found else None


def _left(configuration: Configuration, cells: Sequence[Seen], seconds: float) -> str:
    """How much longer the searches will take, if their calls come as quickly as they did. Plans are not foreseen."""
    done = sum(configuration.budget.calls if seen.over else seen.calls for seen in cells)
    rest = len(cells) * configuration.budget.calls - done
    if rest <= 0:
        return "all searches have ended"
    if not done:
        return "time left unknown"
    left = seconds * rest / done
    return f"searches: about {left / 3600:.1f} h left" if left > 5400 else f"searches: about {left / 60:.0f} min left"


def watch_run(folder: Path) -> None:
    """See watch. Raises CwmbError where the folder is no run's."""
    if not (folder / "run.json").is_file():
        raise CwmbError(f"{folder} is no run's folder: name one such as runs/gif_mcts-simulated-quick")
    watch(folder, Console())
