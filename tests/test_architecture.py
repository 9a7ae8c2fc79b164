"""Imports run one way, in a circle never, and what is heavy is imported where it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cwmb"
SOURCES = [p for p in PACKAGE.rglob("*.py") if not {"_data"} & set(p.parts) and "-v" not in p.name]

# Each room may import those before it.
ROOMS = (
    *("errors", "machine", "types", "conversion", "seeds", "plugins", "journal", "text", "testing"),
    *("planners", "benchmark", "worlds", "reference", "sandbox", "models", "judging", "strategies"),
    *("harness", "collect", "report", "submission", "site", "export", "studies", "bench", "cli", "api", "inspect"),
)
# What they must not import besides.
FORBIDDEN = {
    "cwmb.planners": ("cwmb.",),
    "cwmb.strategies": ("cwmb.sandbox", "cwmb.worlds", "cwmb.reference", "cwmb.benchmark.trajectories"),
    "cwmb.models": ("cwmb.sandbox", "cwmb.worlds", "cwmb.benchmark.trajectories"),
    "cwmb.sandbox": ("cwmb.worlds", "cwmb.reference", "cwmb.benchmark.trajectories"),
    "cwmb.judging.scoring": ("cwmb.sandbox", "cwmb.models", "cwmb.worlds"),
    "cwmb.harness.executors": ("cwmb.harness.matrix",),
    "cwmb.report": ("cwmb.sandbox", "cwmb.worlds"),
}
# What the processes of programs import, apart from numpy and the standard library.
WORKER = ("cwmb.sandbox", "cwmb.planners", "cwmb.types")
# The real environments, and the only places that may touch them.
SIMULATORS = ("gymnasium", "mujoco")
MAY_SIMULATE = (
    "cwmb.worlds",
    "cwmb.collect",
    "cwmb.harness.measure",
    "cwmb.api.world_model",
    "cwmb.harness.offline_rl",
)


def module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): path for path in SOURCES}


def imports(node: ast.AST, everywhere: bool = True) -> Iterator[str]:
    """The modules that a piece of code imports; not everywhere: only when it is loaded itself."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (known(alias.name) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield from (known(f"{child.module}.{alias.name}") for alias in child.names)
        elif everywhere or not (isinstance(child, ast.FunctionDef) or is_for_types(child)):
            yield from imports(child, everywhere)


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def known(name: str) -> str:
    """The module of ours that a name is in."""
    return name if name in MODULES or not name.startswith("cwmb.") else name.rpartition(".")[0]


def inside(name: str, part: str) -> bool:
    return f"{name}.".startswith(f"{part}." if not part.endswith(".") else part)


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_one_way(name: str) -> None:
    found = set(imports(ast.parse(MODULES[name].read_text())))
    room = name.split(".")[1] if "." in name and name != "cwmb.__main__" else "api"
    later = ROOMS[ROOMS.index(room) + 1 :]
    assert not [i for i in found if i.startswith("cwmb.") and i.split(".")[1] in later]
    for part, forbidden in FORBIDDEN.items():
        if inside(name, part):
            assert not [i for i in found if any(inside(i, f) for f in forbidden) and not inside(i, part)]
    if not name.startswith(MAY_SIMULATE):
        assert not [i for i in found if i.split(".")[0] in SIMULATORS]


def test_every_module_has_a_room() -> None:
    assert {name.split(".")[1] for name in MODULES if "." in name} - {"__main__"} == set(ROOMS)


def test_no_module_waits_for_itself() -> None:
    graph = {
        name: {i for i in imports(ast.parse(path.read_text()), everywhere=False) if i in MODULES and i != name}
        for name, path in MODULES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" <- ".join(error.args[1])) from None


def test_a_programs_process_loads_the_worker_and_nothing_else() -> None:
    loaded = modules_after("import cwmb.sandbox.zygote")
    assert "cwmb.sandbox.worker" in loaded
    assert not [m for m in loaded if m.startswith("cwmb.") and not any(inside(m, part) for part in WORKER)]


def test_importing_the_package_and_its_command_line_loads_nothing_heavy() -> None:
    loaded = modules_after("import cwmb, cwmb.cli")
    assert "cwmb.cli.app" in loaded
    assert not loaded & {"numpy", "pandas", "gymnasium", "mujoco", "minari", "openai", "datasets", "h5py"}


def modules_after(code: str) -> set[str]:
    code = f"import sys\n{code}\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
