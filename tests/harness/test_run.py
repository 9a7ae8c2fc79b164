"""Runs through the command line: the same bytes on one worker or many, extended or repeated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import contents
from killable import Ended, Killable

ENVS = "CliffWalking-v0,CartPole-v1"


def run(process: Killable, out: Path, *more: object) -> Ended:
    fixed = ["eval", "--strategy", "gif_mcts", "--model", "simulated", "--seeds", 1, "--envs", ENVS, "--budget", 4]
    return process.run(*fixed, "--out", out, *more)


@pytest.fixture(scope="module")
def finished(cwmb_process: Killable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "run"
    ended = run(cwmb_process, out)
    assert ended.code == 0, ended.errors
    assert "accuracy" in ended.output
    return out


def test_a_run_leaves_records_programs_ledgers_and_trees(finished: Path) -> None:
    lines = [json.loads(line) for line in (finished / "records.jsonl").read_text().splitlines()]
    assert [r["environment"] for r in lines] == ["CartPole-v1", "CliffWalking-v0"]
    for record in lines:
        cell = finished / "cells" / record["environment"] / "seed-0"
        assert record["simulated"]
        assert record["custom"]  # another budget than the protocol's
        assert record["usage"]["calls"] <= 4
        tree = json.loads((cell / "tree.json").read_text())
        assert len(tree) == record["usage"]["calls"]
        assert sum(record["answers"].values()) == record["usage"]["calls"]
        assert record["train"]["horizon"] is None
        horizon = record["test"]["horizon"]
        # CliffWalking's test set is no trajectories: the training set's are rolled along.
        assert 5 < horizon["length"] >= max(horizon["steps"])
        calls = [json.loads(x) for x in (cell / "ledger.jsonl").read_text().splitlines()]
        assert sum(x["type"] == "call" for x in calls) == record["usage"]["calls"]
        for node in tree:
            assert (cell / "programs" / f"{node['call']:04d}.py").exists() == (node["program"] is not None)


def test_two_jobs_give_the_same_bytes(cwmb_process: Killable, finished: Path, tmp_path: Path) -> None:
    assert run(cwmb_process, tmp_path / "run", "--jobs", 2).code == 0
    assert contents(tmp_path / "run") == contents(finished)


def test_a_finished_run_repeats_nothing_and_can_be_extended(
    cwmb_process: Killable, finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert run(cwmb_process, out, "--envs", "CliffWalking-v0").code == 0
    before = {p: p.stat().st_mtime_ns for p in out.glob("cells/**/*")}
    assert run(cwmb_process, out).code == 0
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert contents(out) == contents(finished)


def test_another_configuration_is_refused_and_nothing_is_written(cwmb_process: Killable, finished: Path) -> None:
    before = contents(finished)
    others = (
        ("--budget", 5),
        ("--max-seconds", 9),
        ("--strategy", "zero_shot"),
        ("--protocol", "paper"),
        ("-o", "lines=3"),
    )
    for other in others:
        ended = run(cwmb_process, finished, *other)
        assert ended.code == 2
        assert ended.errors.startswith("cwmb: ")
        assert "belongs to a run with" in ended.errors
    assert contents(finished) == before


def test_a_folder_that_is_no_run_is_refused(cwmb_process: Killable, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    ended = run(cwmb_process, tmp_path)
    assert ended.code == 2
    assert "is not empty and no run's folder" in ended.errors
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("option", ["--max-seconds", "--max-dollars"])
@pytest.mark.parametrize("amount", ["0", "-1", "nan", "inf"])
def test_a_budget_must_be_an_amount(cwmb_process: Killable, tmp_path: Path, option: str, amount: str) -> None:
    ended = run(cwmb_process, tmp_path / "run", option, amount)
    assert ended.code == 2
    assert ended.errors.startswith(f"cwmb: {option} is ")
    assert not (tmp_path / "run").exists()
