"""Searches never wait for plans: what is planned, and when, changes nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import RunStrategy, Scripted, Silent, cell_folder, contents, said, worse_and_worse
from test_budgets import Does, asks_for_ever

from cwmb.errors import InfrastructureError, LedgerError
from cwmb.harness.cores import Cores
from cwmb.harness.metering import Budget, Interrupted
from cwmb.harness.records import Cell, Record, read_records
from cwmb.sandbox import Sandbox
from cwmb.types import Reply

CELLS, SLOW = 18, 2

# Predicts at once, but a rollout of a hundred steps never ends; no recorded episode is so long.
HANGS = """
class Environment:
    def set_state(self, observation):
        self.observation, self.steps = observation, 0

    def step(self, action):
        self.steps += 1
        while self.steps == 100:
            pass
        return self.observation, 1.0, False
"""


class Script(Silent):
    """Notes what it is told, and stops the run when all cells are searched and all but the slow ones planned."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.searched: list[int] = []
        self.planned_: list[int] = []

    def finish(self, cell: Cell, _: Record) -> None:
        self.searched.append(cell.seed)
        if len(self.searched) == CELLS:
            self.stop.set()

    def planned(self, cell: Cell, _: Record) -> None:
        self.planned_.append(cell.seed)


def test_two_cells_that_plan_for_ever_do_not_hold_up_sixteen_others(run_strategy: RunStrategy, tmp_path: Path) -> None:
    def reply(index: int) -> Reply:
        return said(f"```python\n{HANGS}# {index}\n```") if index < SLOW else worse_and_worse(index)

    stop = threading.Event()
    display = Script(stop)
    with Sandbox() as own, pytest.raises(Interrupted):  # closing it ends what still plans
        run_strategy(
            Does(asks_for_ever),
            Scripted(reply),
            Budget(1),
            seeds=CELLS,
            jobs=2,
            display=display,
            stop=stop,
            sandbox=own,
        )
    assert sorted(display.searched) == list(range(CELLS))
    assert not set(display.planned_) & set(range(SLOW))
    records = read_records(tmp_path / "run")
    assert [r.state for r in records] == ["done"] * CELLS
    assert all(r.test and r.test.accuracy > 0 for r in records)
    assert [r.planning for r in records[:SLOW]] == [None] * SLOW


def test_what_was_searched_without_plans_is_planned_later_to_the_same_bytes(
    run_strategy: RunStrategy, tmp_path: Path
) -> None:
    run_strategy(Does(asks_for_ever), Scripted(worse_and_worse), seeds=2, out=tmp_path / "at once")
    records = run_strategy(Does(asks_for_ever), Scripted(worse_and_worse), seeds=2, plan=False)
    assert [(r.state, r.planning) for r in records] == [("done", None)] * 2
    assert '"type": "episode"' not in (cell_folder(tmp_path / "run") / "ledger.jsonl").read_text()
    again = run_strategy(Does(asks_for_ever), Scripted(lambda _: pytest.fail("asked again")), seeds=2, jobs=2)
    assert all(r.planning for r in again)
    assert contents(tmp_path / "run") == contents(tmp_path / "at once")


def test_without_a_program_there_is_nothing_to_plan(run_strategy: RunStrategy) -> None:
    [record] = run_strategy(Does(asks_for_ever), Scripted(lambda _: said("I cannot.")), plan=False)
    assert record.program is None
    assert record.planning
    assert record.planning.episodes == 0


class Broken(Sandbox):
    """Cannot plan."""

    def planning(self, *arguments: object, **keywords: object) -> object:  # type: ignore[override]
        raise InfrastructureError("no processes left")


def test_a_plan_that_fails_for_infrastructure_costs_no_scores(run_strategy: RunStrategy, tmp_path: Path) -> None:
    with Broken(workers=1) as sandbox, pytest.raises(InfrastructureError, match="no processes left"):
        run_strategy(Does(asks_for_ever), Scripted(worse_and_worse), seeds=2, sandbox=sandbox)
    records = read_records(tmp_path / "run")
    assert [(r.state, r.planning) for r in records] == [("done", None)] * 2
    assert all(r.planning for r in run_strategy(Does(asks_for_ever), Scripted(worse_and_worse), seeds=2))


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_text("another one")])
def test_the_judged_program_must_be_there_to_be_planned(
    run_strategy: RunStrategy, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    run_strategy(Does(asks_for_ever), Scripted(worse_and_worse), seeds=2, plan=False)
    change(cell_folder(tmp_path / "run") / "program.py")
    with pytest.raises(LedgerError, match=r"seed-0/program.py is not the program that was scored"):
        run_strategy(Does(asks_for_ever), Scripted(worse_and_worse), seeds=2)
    assert [r.planning is None for r in read_records(tmp_path / "run")] == [True, False]


@pytest.fixture
def cores() -> Cores:
    return Cores(2)


def wants_to_plan(cores: Cores, begun: threading.Event) -> threading.Thread:
    def work() -> None:
        with cores.planning():
            begun.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_scoring_does_not_wait_for_plans(cores: Cores) -> None:
    with cores.planning(), cores.planning(), cores.scoring(), cores.scoring():
        pass  # were it to wait, this would never end


def test_plans_wait_for_an_idle_core(cores: Cores) -> None:
    later = threading.Event()
    with cores.planning():
        with cores.scoring():
            thread = wants_to_plan(cores, later)
            assert not later.wait(0.05)
        thread.join(60)
        assert later.is_set()


def test_the_next_episode_of_every_cell_goes_before_later_ones() -> None:
    cores, taken = Cores(1), list[int]()

    def sit(rank: int) -> None:
        with cores.seat(rank):
            taken.append(rank)

    with cores.seat(0):
        threads = [threading.Thread(target=sit, args=(rank,), daemon=True) for rank in (3, 1, 2, 0)]
        for thread in threads:
            thread.start()
        while len(cores._queue) < len(threads):
            time.sleep(0.001)
    for thread in threads:
        thread.join(60)
    assert taken == [0, 1, 2, 3]
