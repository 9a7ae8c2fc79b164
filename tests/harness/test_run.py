"""Runs through the command line: the same bytes, whatever happened on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ENVS = "CliffWalking-v0,CartPole-v1,Pendulum-v1"


def start(out: Path, *arguments: object, envs: str = ENVS, strategy: str = "gif_mcts") -> subprocess.Popen[str]:
    command = ["eval", "--strategy", strategy, "--model", "simulated", "--seeds", 1, "--envs", envs, "--budget", 4]
    return subprocess.Popen(
        [sys.executable, "-m", "cwmb", *map(str, [*command, "--out", out, *arguments])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors
    return output + errors


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    finish(start(out, "--jobs", 1))
    return out


def records(out: Path) -> bytes:
    return (out / "records.jsonl").read_bytes()


def test_a_run_leaves_records_programs_ledgers_and_trees(undisturbed: Path) -> None:
    lines = [json.loads(line) for line in records(undisturbed).splitlines()]
    assert [r["environment"] for r in lines] == ["CartPole-v1", "CliffWalking-v0", "Pendulum-v1"]
    for record in lines:
        cell = undisturbed / "cells" / record["environment"] / "seed-0"
        assert record["simulated"]
        assert record["custom"]  # another budget than the protocol's
        assert record["usage"]["calls"] <= 4
        tree = json.loads((cell / "tree.json").read_text())
        assert len(tree) == record["usage"]["calls"]
        assert sum(record["answers"].values()) == record["usage"]["calls"]
        calls = [json.loads(x) for x in (cell / "ledger.jsonl").read_text().splitlines()]
        assert sum(x["type"] == "call" for x in calls) == record["usage"]["calls"]
        for node in tree:
            assert (cell / "programs" / f"{node['call']:04d}.py").exists() == (node["program"] is not None)


def test_two_jobs_give_the_same_bytes(undisturbed: Path, tmp_path: Path) -> None:
    finish(start(tmp_path / "run", "--jobs", 2))
    assert records(tmp_path / "run") == records(undisturbed)


def test_a_killed_run_completes_to_the_same_bytes(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for entries in (1, 4, 9, 14):  # killed when so many entries are in the ledgers
        process = start(out, "--jobs", 2)
        while process.poll() is None and sum(map(_lines, out.glob("cells/*/*/ledger.jsonl"))) < entries:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    output = finish(start(out, "--jobs", 2))
    assert records(out) == records(undisturbed)
    assert "accuracy" in output
    for ledger in out.glob("cells/*/*/ledger.jsonl"):
        entries_ = [json.loads(x) for x in ledger.read_text().splitlines()]
        assert len({(e["type"], e["index"]) for e in entries_}) == len(entries_)


def test_an_interrupted_run_says_how_to_go_on(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start(out)
    while not sum(map(_lines, out.glob("cells/*/*/ledger.jsonl"))):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    assert "The same command goes on" in finish(process, 130)
    finish(start(out))
    assert records(out) == records(undisturbed)


def test_a_finished_run_repeats_nothing_and_can_be_extended(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    finish(start(out, envs="CliffWalking-v0,CartPole-v1"))
    before = {p: p.stat().st_mtime_ns for p in out.glob("cells/**/*")}
    finish(start(out))
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert records(out) == records(undisturbed)


def test_another_configuration_is_refused_and_nothing_is_written(undisturbed: Path) -> None:
    before = records(undisturbed)
    for other in (("--budget", 5), ("--strategy", "zero_shot"), ("--protocol", "paper"), ("-o", "lines=3")):
        message = finish(start(undisturbed, *other), 2)
        assert message.startswith("cwmb: ")
        assert "belongs to a run with" in message
    assert records(undisturbed) == before


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    assert "is not empty and no run's folder" in finish(start(tmp_path), 2)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")
