"""Many cells at a time: waiting for models overlaps, computing is bounded by the cores."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import killable
import pytest
from conftest import RunStrategy, Scripted, Silent, worse_and_worse
from test_budgets import Does, asks_for_ever

from cwmb.harness.executors import Ended, Execution
from cwmb.harness.files import write_whole
from cwmb.harness.matrix import run_cells
from cwmb.harness.metering import Budget, Interrupted
from cwmb.harness.records import Cell
from cwmb.harness.run import Configuration, Extent, open_run
from cwmb.machine import cores
from cwmb.sandbox import Sandbox
from cwmb.types import Reply

CELLS = 24


class Together(Scripted):
    """A model that answers nobody before all cells have asked."""

    def __init__(self) -> None:
        super().__init__(worse_and_worse)
        self._all = threading.Barrier(CELLS, timeout=60)

    def complete(self, request: object) -> Reply:
        self._all.wait()
        return worse_and_worse(0)


class Watched(Sandbox):
    """A sandbox that counts how many programs are scored and how many planned with, in all and at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.running, self.most = Counter[str](), Counter[str](), Counter[str]()
        self._counting = threading.Lock()

    @contextmanager
    def _counted(self, what: str) -> Iterator[None]:
        with self._counting:
            self.begun[what] += 1
            self.running[what] += 1
            self.most[what] = max(self.most[what], self.running[what])
        try:
            yield
        finally:
            with self._counting:
                self.running[what] -= 1

    def predict(self, *arguments: Any, **keywords: Any) -> Any:
        with self._counted("scored"):
            return super().predict(*arguments, **keywords)

    @contextmanager
    def planning(self, *arguments: Any, **keywords: Any) -> Iterator[Any]:
        with self._counted("planned"), super().planning(*arguments, **keywords) as session:
            yield session


def test_cells_wait_together_and_compute_in_turn(run_strategy: RunStrategy) -> None:
    with Watched() as sandbox:
        # Were one of them kept waiting, none would be answered.
        records = run_strategy(Does(asks_for_ever), Together(), Budget(1), seeds=CELLS, jobs=CELLS, sandbox=sandbox)
    assert [r.state for r in records] == ["done"] * CELLS
    assert 1 <= sandbox.most["scored"] <= cores()
    assert 1 <= sandbox.most["planned"] <= cores()


class StopsWhenScored(Watched):
    """Its user presses Ctrl-C when the first programs have been scored."""

    stop = threading.Event()

    def predict(self, *arguments: Any, **keywords: Any) -> Any:
        predicted = super().predict(*arguments, **keywords)
        self.stop.set()
        return predicted


def test_who_waits_for_a_core_stops_at_once(run_strategy: RunStrategy) -> None:
    with StopsWhenScored() as sandbox, pytest.raises(Interrupted):
        run_strategy(
            Does(asks_for_ever), Together(), Budget(1), seeds=CELLS, jobs=CELLS, stop=sandbox.stop, sandbox=sandbox
        )
    assert 1 <= sandbox.begun["scored"] <= 2 * cores()  # a program is run twice to see whether it keeps its state
    assert sandbox.begun["planned"] == 0


def nobody_plans(*_: object) -> Any:
    raise AssertionError("every cell has been planned")


@pytest.mark.parametrize("stopped_after", [None, 250])
def test_records_are_not_written_anew_for_each_of_many_cells(
    run_strategy: RunStrategy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_after: int | None
) -> None:
    [record] = run_strategy(Does(asks_for_ever), Scripted(worse_and_worse), Budget(1))
    protocol, stop, out, cells = killable.light("quick"), threading.Event(), tmp_path / "many", 300
    written: list[int] = []
    finished = 0

    def write(path: Path, text: str) -> None:
        written.append(len(text))
        write_whole(path, text)

    def execute(cell: Cell) -> Ended:
        nonlocal finished
        finished += 1
        if finished == stopped_after:
            stop.set()
        return Ended(replace(record, seed=cell.seed))

    monkeypatch.setattr("cwmb.harness.matrix.write_whole", write)
    configuration = Configuration("scripted", {}, "scripted", "quick", protocol.checksum, Budget(1), "default")
    with open_run(out, configuration, Extent(["CartPole-v1"], cells)) as run:
        try:
            run_cells(run, protocol, Execution(execute, nobody_plans, plans=1), jobs=1, display=Silent(), stop=stop)
        except Interrupted:
            assert stopped_after
    seeds = [json.loads(line)["seed"] for line in (out / "records.jsonl").read_text().splitlines()]
    assert seeds == list(range(stopped_after or cells))
    assert sum(written) < 100 * (out / "records.jsonl").stat().st_size
