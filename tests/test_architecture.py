"""Imports run one way, and what is heavy is imported where it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cwmb"
SOURCES = [p for p in PACKAGE.rglob("*.py") if not {"reference", "_data"} & set(p.parts)]

# Who must not import whom (prefixes of module names).
FORBIDDEN = {
    "cwmb.types": ("cwmb.",),
    "cwmb.errors": ("cwmb.",),
    "cwmb.judging.scoring": ("cwmb.harness", "cwmb.sandbox", "cwmb.models", "cwmb.worlds", "cwmb.report"),
    "cwmb.worlds": ("cwmb.harness", "cwmb.sandbox", "cwmb.models", "cwmb.strategies", "cwmb.report"),
    "cwmb.models": ("cwmb.harness", "cwmb.sandbox", "cwmb.strategies", "cwmb.worlds", "cwmb.report"),
    "cwmb.planners": ("cwmb.harness", "cwmb.sandbox", "cwmb.models", "cwmb.types", "cwmb.worlds", "cwmb.report"),
    "cwmb.strategies": ("cwmb.harness", "cwmb.sandbox", "cwmb.worlds", "cwmb.report", "cwmb.benchmark.trajectories"),
    "cwmb.sandbox": ("cwmb.harness", "cwmb.models", "cwmb.strategies", "cwmb.report", "cwmb.benchmark.trajectories"),
    "cwmb.harness": ("cwmb.report", "cwmb.cli", "cwmb.cli.commands"),
    "cwmb.report": ("cwmb.cli", "cwmb.cli.commands", "cwmb.sandbox"),
}
# The real environments, and the only places that may touch them.
SIMULATORS = ("gymnasium", "mujoco")
MAY_SIMULATE = ("cwmb.worlds", "cwmb.collect", "cwmb.harness.measure", "cwmb.world_model")


def module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=module)
def test_imports_run_one_way(path: Path) -> None:
    name = module(path)
    for part, forbidden in FORBIDDEN.items():
        if f"{name}.".startswith(f"{part}."):
            assert not [i for i in imports(path) if i.startswith(forbidden) and not f"{i}.".startswith(f"{part}.")]
    if not name.startswith(MAY_SIMULATE):
        assert not [i for i in imports(path) if i.split(".")[0] in SIMULATORS]


def test_importing_the_package_and_its_command_line_loads_nothing_heavy() -> None:
    code = "import sys, cwmb, cwmb.cli; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())
    assert "cwmb.cli" in loaded
    assert not loaded & {"numpy", "pandas", "gymnasium", "mujoco", "minari", "openai", "datasets", "h5py"}
