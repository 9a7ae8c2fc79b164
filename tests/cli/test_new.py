"""What cwmb new writes is installed, passes its own test and runs; what cannot be imported disturbs nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cwmb.plugins import GROUPS

# Plans once with the planner that is named, in the sandbox.
PLAN = """
import sys
import numpy as np
from cwmb import reference
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import PlannerSpec, protocol
from cwmb.judging.judge import Judge
from cwmb.sandbox import Sandbox
with Sandbox(workers=1) as sandbox:
    judge = Judge.of(sandbox, protocol("quick"), environment("Pendulum-v1"))
    spaces = judge.observation_space, judge.action_space
    program, planner = reference.simple("Pendulum-v1"), PlannerSpec(sys.argv[1], {})
    with sandbox.planning(program, *spaces, planner, protocol("quick").limits, 0) as session:
        print(session.plan(np.array([1.0, 0.0, 0.0])).actions.shape)
"""


@dataclass(frozen=True)
class Packages:
    """A folder with one package of each kind, and where all of them are installed."""

    folder: Path
    site: Path

    def run(self, *arguments: str, before: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a module of Python, or code, with the packages at hand. before: a folder whose modules hide them."""
        path = os.pathsep.join(map(str, filter(None, (before, self.site))))
        command = [sys.executable, *(() if arguments[0] == "-c" else ("-m",)), *arguments]
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment, timeout=120)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    made = Packages(tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("site"))
    for kind in GROUPS:
        assert made.run("cwmb", "new", kind, f"my_{kind}").returncode == 0
    pip = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(made.site)]
    installed = made.run(*pip, *(f"./{path.name}" for path in made.folder.iterdir()))
    assert installed.returncode == 0, installed.stderr
    return made


def test_each_package_passes_its_test_and_is_listed(packages: Packages) -> None:
    names = sorted(path.name for path in packages.folder.iterdir())
    assert names == ["cwmb-my-model", "cwmb-my-planner", "cwmb-my-strategy"]
    tested = packages.run("pytest", "-q", "-p", "no:cacheprovider", *names)
    assert tested.returncode == 0, tested.stdout
    assert "6 passed" in tested.stdout
    for what, name in (("strategies", "my_strategy"), ("models", "my_model"), ("planners", "my_planner")):
        assert name in packages.run("cwmb", "list", what).stdout.split()


def test_the_new_strategy_runs_with_the_new_model(packages: Packages) -> None:
    asked = ["--strategy", "my_strategy", "--model", "my_model:first", "--envs", "CliffWalking-v0", "-o", "tries=2"]
    result = packages.run("cwmb", "eval", *asked, "--no-plan", "--out", "run")
    assert result.returncode == 0, result.stderr
    record = json.loads((packages.folder / "run" / "records.jsonl").read_text())
    assert (record["usage"]["calls"], record["model"]) == (2, "my_model:first")
    assert record["provenance"]["strategy_package"] == "cwmb-my-strategy 0.1.0"


def test_the_new_planner_plans_in_the_sandbox(packages: Packages) -> None:
    result = packages.run("-c", PLAN, "my_planner")
    assert result.stdout == "(1, 1)\n", result.stderr


def test_plugins_that_cannot_be_imported_are_reported_and_stop_nothing(packages: Packages, tmp_path: Path) -> None:
    for kind, fault in zip(
        GROUPS, ("raise ValueError('broken')", "import nothing", "raise SystemExit(7)"), strict=True
    ):
        (tmp_path / f"cwmb_my_{kind}.py").write_text(fault)
    run = ["cwmb", "eval", "--envs", "CliffWalking-v0", "--budget", "1", "--out", str(tmp_path / "run")]
    others = packages.run(*run, "--strategy", "zero_shot", "--model", "simulated", before=tmp_path)
    assert others.returncode == 0, others.stderr
    planned = packages.run("-c", PLAN, "my_planner", before=tmp_path)
    assert "planner 'my_planner' (cwmb_my_planner:MyPlanner) cannot be imported" in planned.stderr
    examined = packages.run("cwmb", "doctor", before=tmp_path)
    assert examined.returncode == 0
    for kind in GROUPS:
        assert f"{kind} 'my_{kind}' (cwmb_my_{kind}:My{kind.capitalize()}) cannot be imported" in examined.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("stratgy", "mine"), "unknown kind of plugin 'stratgy' (did you mean 'strategy'?)"),
        (("strategy", "../mine"), "'../mine' cannot name a strategy"),
        (("strategy", "class"), "'class' cannot name a strategy"),
        (("strategy", "refine"), "there is a strategy 'refine' already"),
        (("planner", "my_planner"), "there is a planner 'my_planner' already"),
        (("model", "other", "--out", "cwmb-my-model"), "cwmb-my-model exists"),
    ],
)
def test_what_cannot_be_is_one_line(packages: Packages, arguments: tuple[str, ...], complaint: str) -> None:
    result = packages.run("cwmb", "new", *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(f"cwmb: {complaint}")
    assert len(result.stderr.splitlines()) == 1
