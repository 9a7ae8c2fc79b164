"""What stays on the run's own machine while its cells run on others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cwmb.errors import CwmbError, InfrastructureError
from cwmb.harness.executors.keeper import Keeper
from cwmb.harness.metering import Budget
from cwmb.harness.records import Cell
from cwmb.harness.run import Configuration, Extent, Run, open_run
from cwmb.journal import entries
from cwmb.models.openai.pace import Rate

CELL = Cell("CartPole-v1", 0)
LINE = b'{"type": "call", "index": 0, "key": "k", "value": 1}\n'
CONFIGURATION = Configuration("s", {}, "m", "quick", "", Budget(1), "default")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with open_run(tmp_path / "run", CONFIGURATION, Extent(["CartPole-v1"], 1)) as opened:
        opened.share()
        yield opened


@pytest.fixture
def keeper(run: Run) -> Keeper:
    made = Keeper(run, Rate())
    made.join()
    return made


def test_what_is_appended_is_in_the_folder_and_in_the_next_attempt(run: Run, keeper: Keeper) -> None:
    first = keeper.begin(CELL)
    assert first.journals == {"ledger.jsonl": b"", "timings.jsonl": b""}
    keeper.append(CELL, first.number, "ledger.jsonl", LINE, True)
    assert (run.cell_folder(CELL) / "ledger.jsonl").read_bytes() == LINE
    assert keeper.begin(CELL).journals["ledger.jsonl"] == LINE


def test_an_attempt_that_was_given_up_is_not_listened_to(run: Run, keeper: Keeper) -> None:
    """Its node was only out of reach: what it goes on to do would be done twice."""
    lost = keeper.begin(CELL)
    again = keeper.begin(CELL)
    with pytest.raises(InfrastructureError, match="CartPole-v1 seed 0 was given to another node"):
        keeper.append(CELL, lost.number, "ledger.jsonl", LINE, True)
    with pytest.raises(InfrastructureError, match="given to another node"):
        keeper.finish(CELL, lost.number, {"tree.json": "[]"})
    keeper.append(CELL, again.number, "ledger.jsonl", LINE, True)
    assert len(list(entries(run.cell_folder(CELL) / "ledger.jsonl"))) == 1
    assert not (run.cell_folder(CELL) / "tree.json").exists()


def test_a_torn_line_is_cut_off_before_more_is_appended(run: Run, keeper: Keeper) -> None:
    first = keeper.begin(CELL)
    keeper.append(CELL, first.number, "ledger.jsonl", LINE + LINE[:20], True)
    again = keeper.begin(CELL)
    assert again.journals["ledger.jsonl"] == LINE
    keeper.append(CELL, again.number, "ledger.jsonl", LINE, True)
    assert (run.cell_folder(CELL) / "ledger.jsonl").read_bytes() == 2 * LINE


def test_the_files_of_an_attempt_are_written_and_an_old_traceback_goes(run: Run, keeper: Keeper) -> None:
    folder = run.cell_folder(CELL)
    keeper.finish(CELL, keeper.begin(CELL).number, {"traceback.txt": "old"})
    keeper.finish(CELL, keeper.begin(CELL).number, {"programs/0000.py": "pass", "tree.json": "[]"})
    assert {str(p.relative_to(folder)) for p in folder.rglob("*")} == {"programs", "programs/0000.py", "tree.json"}


def test_no_other_run_begins_while_it_writes(tmp_path: Path) -> None:
    """The process that started the run may be killed, this one lives on for a moment."""
    with open_run(tmp_path, CONFIGURATION, Extent(["CartPole-v1"], 1)) as run:
        run.share()
        keeper = Keeper(run, Rate())
        keeper.join()
    with pytest.raises(CwmbError, match="another process runs"), open_run(tmp_path, CONFIGURATION, run.extent):
        pass
    del keeper
    with open_run(tmp_path, CONFIGURATION, run.extent):
        pass


def test_it_does_not_join_another_run(tmp_path: Path) -> None:
    with (
        open_run(tmp_path, CONFIGURATION, Extent(["CartPole-v1"], 1)) as run,  # alone, as it is not shared
        pytest.raises(CwmbError, match="another process runs"),
    ):
        Keeper(run, Rate()).join()


def test_news_are_told_once_and_in_order(keeper: Keeper) -> None:
    keeper.tell("stage", CELL, 1)
    keeper.tell("search", CELL, calls=2)
    assert keeper.news() == [("stage", CELL, (1,), {}), ("search", CELL, (), {"calls": 2})]
    assert keeper.news() == []


def test_it_counts_for_all_nodes(run: Run) -> None:
    keeper = Keeper(run, Rate(requests=1))
    turn = keeper.take(5)
    assert turn.seconds == 0
    keeper.correct(turn.number, 2)
    assert keeper.take(1).seconds > 0
