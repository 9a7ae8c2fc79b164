"""Suites as a user meets them on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


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
