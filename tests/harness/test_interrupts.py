"""Ctrl-C once, twice, and a scheduler's SIGTERM."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from conftest import (
    Endpoint,
    RunStrategy,
    Scripted,
    Silent,
    Undisturbed,
    answered,
    contents,
    evaluation,
    programmer,
    worse_and_worse,
)
from killable import Ended, Killable
from scripted_server import Behaviour, Body, status
from test_budgets import Does, asks_for_ever

from cwmb.harness.metering import Interrupted
from cwmb.harness.records import Cell
from cwmb.harness.setup import Stage


class Holding(Endpoint):
    """Holds its second answer back until it is told to go on."""

    def __init__(self) -> None:
        super().__init__(self.hold)
        self.asked, self.go = threading.Event(), threading.Event()

    def hold(self, body: Body) -> Behaviour:
        if len(self.server.bodies) == 2:
            self.asked.set()
            self.go.wait(60)
        return programmer(body)


def interrupted(process: Killable, endpoint: Holding, out: Path, *signals: signal.Signals) -> Ended:
    """A run that is sent signals while a call is in flight."""
    pid = process.start(*evaluation(out), **endpoint.environment)
    assert endpoint.asked.wait(60)
    for number in signals[:-1]:
        os.kill(pid, number)
        _wait_for(process, "Stopping")
    os.kill(pid, signals[-1])
    if len(signals) == 1:
        _wait_for(process, "Stopping")
        endpoint.go.set()
    return process.wait()


def _wait_for(process: Killable, words: str) -> None:
    while words not in process.errors():
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once_finishes_the_call_in_flight_and_says_how_to_go_on(
    cwmb_process: Killable, undisturbed: Undisturbed, tmp_path: Path, number: signal.Signals
) -> None:
    endpoint, out = Holding(), tmp_path / "run"
    with endpoint.server:
        ended = interrupted(cwmb_process, endpoint, out, number)
        assert ended.code == 130
        assert f"The same command goes on in {out}" in ended.errors
        assert (len(endpoint.server.bodies), answered(out)) == (2, 2)
        assert cwmb_process.run(*evaluation(out), **endpoint.environment).code == 0
    assert contents(out) == undisturbed.files
    assert endpoint.repeated == 0


def test_twice_quits_at_once(cwmb_process: Killable, undisturbed: Undisturbed, tmp_path: Path) -> None:
    endpoint, out = Holding(), tmp_path / "run"
    with endpoint.server:
        ended = interrupted(cwmb_process, endpoint, out, signal.SIGINT, signal.SIGINT)
        assert ended.code == 130
        assert not endpoint.go.is_set()  # it did not wait for the answer
        assert answered(out) == 1
        endpoint.go.set()
        assert cwmb_process.run(*evaluation(out), **endpoint.environment).code == 0
    assert contents(out) == undisturbed.files
    assert endpoint.repeated == 1


def test_a_wait_for_an_endpoint_ends_with_the_run(cwmb_process: Killable, tmp_path: Path) -> None:
    endpoint = Endpoint(lambda body: status(503, "busy", headers={"retry-after": "500"}))
    with endpoint.server:
        pid = cwmb_process.start(*evaluation(tmp_path / "run"), **endpoint.environment)
        _wait_for(cwmb_process, "waiting, attempt 2 of 8: HTTP 503: busy")
        os.kill(pid, signal.SIGINT)
        ended = cwmb_process.wait()
    assert ended.code == 130
    assert "Traceback" not in ended.errors
    assert ended.errors.endswith("cwmb: interrupted\n")


def test_a_wait_for_a_person_ends_with_the_run(cwmb_process: Killable, tmp_path: Path) -> None:
    pid = cwmb_process.start(*evaluation(tmp_path / "run", "--model", f"manual:{tmp_path / 'answers'}"))
    _wait_for(cwmb_process, "waiting for answers/0001.answer.md")
    os.kill(pid, signal.SIGINT)
    ended = cwmb_process.wait()
    assert ended.code == 130
    assert ended.errors.count("waiting for answers/0001.answer.md") == 1
    assert "Traceback" not in ended.errors


class StopsInPlanning(Silent):
    """A user who presses Ctrl-C when the planning begins."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop

    def stage(self, cell: Cell, stage: Stage) -> None:
        if stage.name == "plan":
            self.stop.set()


def test_planning_stops_between_two_plans(run_strategy: RunStrategy, tmp_path: Path) -> None:
    run_strategy(Does(asks_for_ever), Scripted(worse_and_worse), out=tmp_path / "undisturbed")
    stop = threading.Event()
    with pytest.raises(Interrupted):
        run_strategy(Does(asks_for_ever), Scripted(worse_and_worse), stop=stop, display=StopsInPlanning(stop))
    ledger = (tmp_path / "run/cells/CartPole-v1/seed-0/ledger.jsonl").read_text()
    assert '"type": "score"' in ledger
    assert '"type": "episode"' not in ledger
    run_strategy(Does(asks_for_ever), Scripted(lambda _: pytest.fail("asked again")))
    assert contents(tmp_path / "run") == contents(tmp_path / "undisturbed")
