"""Ctrl-C once, twice, and a scheduler's SIGTERM."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from conftest import Endpoint, Undisturbed, answered, contents, evaluation, programmer
from killable import Ended, Killable
from scripted_server import Behaviour, Body


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
        while "Stopping" not in (process.errors()):
            pass
    os.kill(pid, signals[-1])
    if len(signals) == 1:
        while "Stopping" not in (process.errors()):
            pass
        endpoint.go.set()
    return process.wait()


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
