"""``cwmb watch``: what it says of a run in each of its states, and that it reads no more than has changed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from cwmb.cli.commands import Wanted, evaluate
from cwmb.cli.watch import Watched, shown, watch
from cwmb.errors import CwmbError
from cwmb.harness.records import Cell


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two cells that is searched, not planned."""
    folder = tmp_path_factory.mktemp("watched") / "run"
    envs = "CliffWalking-v0,CartPole-v1"
    wanted = Wanted("best_of_n", "simulated", envs, "quick", "default", 1, "local", calls=2, out=folder, no_plan=True)
    assert evaluate(wanted) == {"done"}
    return folder


def seen(folder: Path, clock: Callable[[], float] | None = None) -> str:
    out = io.StringIO()
    watched = Watched(folder, clock) if clock else Watched(folder)
    Console(file=out, width=140).print(shown(*watched.look(), watched.seconds, None), highlight=False)
    return out.getvalue()


def test_a_run_is_told_once_where_no_terminal_watches(run: Path) -> None:
    out = io.StringIO()
    watch(run, Console(file=out, width=140))
    text = out.getvalue()
    assert "best_of_n with simulated, protocol quick, at most 2 calls a search" in text
    assert "searched 2 of 2, planned 0; all searches have ended" in text
    assert text.count("CartPole-v1") == 1
    assert text.count("searched") == 3


def test_a_search_that_goes_on_shows_its_calls_its_best_and_the_time_left(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    cell = folder / "cells" / "CartPole-v1" / "seed-0"
    cell.mkdir(parents=True)
    (folder / "run.json").write_bytes((run / "run.json").read_bytes())
    began = (folder / "run.json").stat().st_mtime
    assert "time left unknown" in seen(folder)
    lines = (run / "cells" / "CartPole-v1" / "seed-0" / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    first = [line for line in lines if json.loads(line)["type"] in ("call", "evaluation")][:2]
    (cell / "ledger.jsonl").write_bytes(b"".join(first) + lines[2][:10])  # the last line is being written
    best = json.loads(first[1])["value"]["accuracy"]
    text = seen(folder, lambda: began + 600)
    assert "searched 0 of 2" in text
    assert "about 30 min left" in text  # one of four calls took ten minutes
    row = next(line for line in text.splitlines() if line.startswith("CartPole-v1"))
    assert row.split()[:5] == ["CartPole-v1", "0", "searching", "1", f"{best:.3f}"]
    assert "waiting" in text


def test_failures_are_counted(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    cell = folder / "cells" / "CartPole-v1" / "seed-0"
    cell.mkdir(parents=True)
    (folder / "run.json").write_bytes((run / "run.json").read_bytes())
    record = json.loads((run / "cells" / "CartPole-v1" / "seed-0" / "record.json").read_bytes())
    record |= {"state": "failed", "failure": {"kind": "strategy_error", "message": "boom"}, "test": None}
    (cell / "record.json").write_text(json.dumps(record) + "\n")
    assert "failures: 1 strategy_error" in seen(folder)


def test_what_has_not_changed_is_not_read_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched, read = Watched(run), []
    reading = watched._read
    monkeypatch.setattr(watched, "_read", lambda cell, *files: (read.append(cell), reading(cell, *files))[1])
    first = [s.record for s in watched.look()[1]]
    again = [s.record for s in watched.look()[1]]
    assert first == again
    assert sorted(read) == [Cell("CartPole-v1", 0), Cell("CliffWalking-v0", 0)]


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CwmbError, match=r"run\.json"):
        Watched(tmp_path).look()
