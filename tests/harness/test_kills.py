"""Kill -9 at any moment: what is resumed ends like what was never disturbed, and nothing is asked twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import Endpoint, Undisturbed, answered, contents, evaluation
from killable import Fault, Killable


def check(process: Killable, endpoint: Endpoint, undisturbed: Undisturbed, tmp_path: Path, at: int, how: str) -> None:
    """Kill a run at an operation, resume it, compare."""
    out = tmp_path / f"run-{at}-{how}"
    before = len(endpoint.server.bodies)
    fault = Fault(str(out), os.devnull, at, how)
    killed = process.run(*evaluation(out), fault=fault, **endpoint.environment)
    assert killed.code == -signal.SIGKILL, (at, how, killed)
    in_flight = len(endpoint.server.bodies) - before - answered(out)
    assert in_flight in (0, 1)
    resumed = process.run(*evaluation(out), **endpoint.environment)
    assert resumed.code == 0, (at, how, resumed.errors)
    assert contents(out) == undisturbed.files, (at, how)
    assert len(endpoint.server.bodies) - before == undisturbed.requests + in_flight


@pytest.mark.parametrize(
    ("name", "file", "n", "how"),
    [
        ("write", "run.json", 0, "half"),
        ("write", "timings.jsonl", 2, "half"),
        ("write", "ledger.jsonl", 2, "half"),
        ("fsync", "ledger.jsonl", 2, "kill"),
        ("replace", "record.json", 0, "kill"),
        ("write", "records.jsonl", 1, "half"),
    ],
)
def test_killed_in_a_write(
    cwmb_process: Killable,
    endpoint: Endpoint,
    undisturbed: Undisturbed,
    tmp_path: Path,
    name: str,
    file: str,
    n: int,
    how: str,
) -> None:
    check(cwmb_process, endpoint, undisturbed, tmp_path, undisturbed.nth(name, file, n), how)


@pytest.mark.torture
@pytest.mark.parametrize("part", range(8))
def test_killed_before_and_in_the_middle_of_every_operation(
    cwmb_process: Killable, endpoint: Endpoint, undisturbed: Undisturbed, tmp_path: Path, part: int
) -> None:
    """Killed after an operation is killed before the next one; what is only flushed looks the same to who resumes."""
    kills = [(number, "kill") for number, name, _ in undisturbed.operations if name != "fsync"]
    halves = [(number, "half") for number, name, _ in undisturbed.operations if name == "write"]
    chosen = (kills + halves)[part::8]
    for at, how in chosen:
        check(cwmb_process, endpoint, undisturbed, tmp_path, at, how)
    print(f"kills survived: {len(chosen)}")


@pytest.mark.torture
@pytest.mark.parametrize("part", range(4))
def test_killed_at_random_moments(cwmb_process: Killable, tmp_path: Path, part: int) -> None:
    """Several environments, two at a time, a search that uses what it was told."""
    envs = "CliffWalking-v0,CartPole-v1,MountainCar-v0,Pendulum-v1"
    fixed = ["eval", "--strategy", "gif_mcts", "--model", "openai:scripted", "--envs", envs, "--jobs", 2, "--seeds", 1]
    rng = random.Random(part)
    kills = 0
    expected: Mapping[str, bytes] | None = None
    for number in range(3):
        endpoint, out = Endpoint(), tmp_path / f"run-{number}"
        lost = 0
        with endpoint.server:
            while True:
                pid = cwmb_process.start(*fixed, "--budget", 8, "--out", out, **endpoint.environment)
                if expected is not None and kills < 40:  # the first one is not disturbed
                    time.sleep(rng.uniform(0.1, 1.5))
                    with suppress(ProcessLookupError):  # it was faster
                        os.kill(pid, signal.SIGKILL)
                ended = cwmb_process.wait()
                if ended.code == 0:
                    break
                assert ended.code == -signal.SIGKILL, ended.errors
                kills += 1
                time.sleep(0.05)  # what was sent is received
                lost = len(endpoint.server.bodies) - answered(out)
                assert lost <= 2 * kills
            assert endpoint.repeated <= lost
            assert len(endpoint.server.bodies) - lost == answered(out)
        files = {name: data for name, data in contents(out).items() if name != "run.json"}
        expected = expected or files
        assert files == expected
    print(f"kills survived: {kills}")
