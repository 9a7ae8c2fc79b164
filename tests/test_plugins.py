"""A plugin that cannot be imported is named, whatever it does, and ends nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from cwmb import plugins
from cwmb.errors import CwmbError

ROOT = Path(__file__).parents[1]
BROKEN = ["import sys\nsys.exit(7)\n", "raise SystemExit\n", "import nothing_of_this_name\n", "def\n", "1 / 0\n"]


@pytest.mark.parametrize("source", BROKEN)
def test_an_import_that_fails_names_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    (tmp_path / "cwmb_broken_plugin.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("broken", "cwmb_broken_plugin:Broken", plugins.STRATEGIES)
    with pytest.raises(CwmbError, match=r"strategy 'broken' \(cwmb_broken_plugin:Broken\) cannot be imported"):
        plugins.load(point, "strategy")


def with_plugin(folder: Path, group: str, source: str) -> dict[str, str]:
    """An environment of processes where a plugin of that source is installed as ``broken``."""
    (folder / "cwmb_broken_plugin.py").write_text(source)
    information = folder / "cwmb_broken_plugin-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: cwmb-broken-plugin\nVersion: 1\n")
    (information / "entry_points.txt").write_text(f"[{group}]\nbroken = cwmb_broken_plugin:Broken\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}


def run(environment: dict[str, str], folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)


LEAVES = "import os\nos._exit(0)\n"
EXIT = "import sys\nsys.exit(7)\n"
ENDS_LATER = "import sys\nclass Broken:\n    def __init__(self, *_, **__): sys.exit(7)\n"
PLAN = ("CartPole-v1", ROOT / "cwmb" / "reference" / "CartPole-v1.py", "--episodes", 1)


PLANNING = """
import numpy as np
from cwmb.benchmark.protocols import Limits, PlannerSpec
from cwmb.errors import InfrastructureError
from cwmb.sandbox import Sandbox
from cwmb.types import Program, Space

IDLE = "class Environment:\\n    def set_state(self, o): self.o = o\\n    def step(self, a): return self.o, 0.0, False"
one = Space("box", (0.0,), (1.0,), "float64")
with Sandbox(workers=1) as sandbox:
    try:
        with sandbox.planning(Program(IDLE), one, one, PlannerSpec("broken", {}), Limits(), 0) as session:
            session.plan(np.zeros(1))
    except InfrastructureError as error:
        print(error)
"""


@pytest.mark.parametrize("source", [EXIT, LEAVES, "raise BaseException('no')\n", ENDS_LATER])
def test_a_planner_that_ends_processes_leaves_the_others_alone(tmp_path: Path, source: str) -> None:
    done = run(with_plugin(tmp_path, "cwmb.planners", source), tmp_path, "-m", "cwmb", "plan", *PLAN, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["failure"] is None


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (EXIT, "planner 'broken' (cwmb_broken_plugin:Broken) cannot be imported (SystemExit: 7)"),
        (LEAVES, "cannot be imported (ImportError: it ends the process, with status 0)"),
        (ENDS_LATER, "SystemExit"),
    ],
)
def test_a_planner_that_ends_processes_is_named_when_it_is_asked_for(tmp_path: Path, source: str, says: str) -> None:
    done = run(with_plugin(tmp_path, "cwmb.planners", source), tmp_path, "-c", PLANNING)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout


@pytest.mark.parametrize(
    ("group", "source", "says"),
    [
        ("cwmb.models", EXIT, "provider 'broken' (cwmb_broken_plugin:Broken) cannot be imported (SystemExit: 7)"),
        (
            "cwmb.models",
            LEAVES,
            "provider 'broken' (cwmb_broken_plugin:Broken) cannot be imported (ImportError: it ends",
        ),
        ("cwmb.strategies", LEAVES, "cannot be imported (ImportError: it ends the process, with status 0)"),
        ("cwmb.models", ENDS_LATER, "provider 'broken' cannot be made for 'x' (SystemExit: 7)"),
        ("cwmb.strategies", EXIT, "strategy 'broken' (cwmb_broken_plugin:Broken) cannot be imported (SystemExit: 7)"),
    ],
)
def test_eval_names_a_plugin_that_tries_to_end_it(tmp_path: Path, group: str, source: str, says: str) -> None:
    strategy, model = ("broken", "simulated") if group == plugins.STRATEGIES else ("zero_shot", "broken:x")
    asked = ("eval", "--strategy", strategy, "--model", model, "--envs", "CartPole-v1")
    done = run(with_plugin(tmp_path, group, source), tmp_path, "-m", "cwmb", *asked)
    assert done.returncode == 2
    assert done.stderr.startswith("cwmb: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
