"""Suites as a user meets them on the command line."""

from __future__ import annotations

import contextlib
import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def cwmb(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cwmb", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd)


def test_a_drawn_world_is_described_run_on_and_recorded(tmp_path: Path) -> None:
    drawn = cwmb("worlds", "--suite", "hidden", "--seed", 7, "--out", "w", "--bare", "CliffWalking-v0", cwd=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    told = cwmb("describe", "CliffWalking-v0", "--worlds", "w", cwd=tmp_path)
    assert "unknown: -6 to -2" in told.stdout
    assert "class Environment" in told.stdout
    run = cwmb("eval", "--worlds", "w", "--strategy", "persistence", "--model", "simulated", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    (record,) = (tmp_path / "runs" / "persistence-simulated-quick-hidden-7" / "records.jsonl").read_text().splitlines()
    assert (json.loads(record)["suite"], json.loads(record)["world_seed"]) == ("hidden", 7)
    other = cwmb("worlds", "--suite", "hidden", "--seed", 8, "--out", "w", "--bare", "CliffWalking-v0", cwd=tmp_path)
    assert other.returncode == 2
    assert "holds worlds of suite hidden seed 7" in other.stderr
    missing = cwmb("worlds", "--suite", "hidden", "--seed", 8, "--out", "v", "--bare", "Clif-v0", cwd=tmp_path)
    assert missing.returncode == 2
    assert "did you mean 'CliffWalking-v0'" in missing.stderr


def test_the_recall_gap_joins_a_run_of_the_originals_and_one_of_a_suite(tmp_path: Path) -> None:
    accuracy = {}
    for suite in ("cwmb18", "varied"):
        chosen = ("--strategy", "zero_shot", "--model", "simulated", "--envs", "CliffWalking-v0,Taxi-v3")
        run = cwmb("eval", *chosen, "--suite", suite, "--no-plan", "--budget", 1, "--out", suite, cwd=tmp_path)
        assert run.returncode == 0, run.stderr
        records = map(json.loads, (tmp_path / suite / "records.jsonl").read_text().splitlines())
        accuracy[suite] = {record["environment"]: record["test"]["accuracy"] for record in records}
    shown = cwmb("tables", "--recall", "cwmb18", "varied", "--format", "csv", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    rows = {row["environment"]: row for row in csv.DictReader(shown.stdout.splitlines()[1:])}
    for name, original in accuracy["cwmb18"].items():
        assert float(rows[name]["accuracy_gap"]) == pytest.approx(original - accuracy["varied"][name])
    assert set(rows) == {*accuracy["cwmb18"], "discrete", "all"}
    refused = cwmb("tables", "cwmb18", "varied", cwd=tmp_path)
    assert refused.returncode == 2
    assert "suite" in refused.stderr


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(path.parent.name))
    return found


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(found: Callable[[], Any]) -> Any:
    """What is found in the end, however crowded the machine is."""
    end = time.monotonic() + 120
    while not found() and time.monotonic() < end:
        time.sleep(0.1)
    return found()


def test_drawing_that_is_killed_leaves_no_processes_behind(tmp_path: Path) -> None:
    arguments = (
        "worlds",
        "--suite",
        "hidden",
        "--seed",
        "1",
        "--out",
        "w",
        "--bare",
        "--jobs",
        "2",
        "Ant-v4",
        "Humanoid-v4",
    )
    drawing = subprocess.Popen([sys.executable, "-m", "cwmb", *arguments], cwd=tmp_path, stderr=subprocess.DEVNULL)
    workers = until(lambda: len(found := children(drawing.pid)) >= 3 and found)  # two, and multiprocessing's tracker
    drawing.kill()
    drawing.wait()
    assert workers
    assert until(lambda: not any(map(runs, workers)))


def test_a_suite_of_alterations_says_what_it_has_no_worlds_of(tmp_path: Path) -> None:
    refused = cwmb("worlds", "--suite", "altered", "--seed", 1, "--out", "w", "--bare", "RTFM-1", cwd=tmp_path)
    assert refused.returncode == 2
    assert "unknown environment of suite altered 'RTFM-1'" in refused.stderr
