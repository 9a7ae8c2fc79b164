"""A third party's strategy, really installed, is found, obeys its options and is named in the record."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--target", folder, PLUGIN], check=True, timeout=120)
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_an_installed_strategy_is_listed_and_runs(installed: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cwmb"]
    listed = subprocess.run([*command, "list", "strategies"], capture_output=True, text=True, env=installed)
    assert "patient" in listed.stdout.split()
    run = [
        "eval",
        "--strategy",
        "patient",
        "--model",
        "simulated",
        "--envs",
        "CliffWalking-v0",
        "-o",
        "tries=2",
        "--out",
    ]
    result = subprocess.run([*command, *run, tmp_path / "run"], capture_output=True, text=True, env=installed)
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / "run" / "records.jsonl").read_text())
    assert record["options"] == {"tries": 2}
    assert record["usage"]["calls"] == 2
    assert record["provenance"]["strategy_package"] == "cwmb-patient 1.2.3"
