"""Reference programs of robots: one file each, put together from the engine's parts and the robot's constants."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cwmb.types import Program

ENGINE = Path(__file__).parent / "engine"
ROBOTS = Path(__file__).parent / "robots"

# The physics and the task of each robot's program, by the names of the engine's parts; and what it is.
_PLANAR = ("robot", "constraints", "integrators", "planar")
_SPATIAL = ("robot", "constraints", "integrators", "spatial")
_PARTS = {
    "Ant-v4": (*_SPATIAL, "tasks/ant"),
    "Humanoid-v4": (*_SPATIAL, "tasks/humanoid"),
    "HumanoidStandup-v4": (*_SPATIAL, "tasks/humanoid"),
    "HalfCheetah-v4": (*_PLANAR, "tasks/runner"),
    "Hopper-v4": (*_PLANAR, "tasks/runner"),
    "Walker2d-v4": (*_PLANAR, "tasks/runner"),
}
_OWN_IMPORT = re.compile(r"^(from cwmb\.reference\.engine\.\w+ )?import .*\n|^from typing import .*\n", re.MULTILINE)
_DOCSTRING = re.compile(r'\A"""(.*?)"""\n', re.DOTALL)


def assembled() -> tuple[str, ...]:
    """The ids of the environments whose reference program is assembled, sorted."""
    return tuple(sorted(_PARTS))


def task(environment: str) -> str:
    """The name of the part that says what a robot is for. Raises KeyError: the program is not an assembled one."""
    return Path(_PARTS[environment][-1]).name


def physics(environment: str) -> str:
    """The name of the part that says how a robot moves. Raises KeyError: the program is not an assembled one."""
    return _PARTS[environment][-2]


@cache
def constants(environment: str) -> dict[str, Any]:
    """The documented constants of an environment's robot (see ``cwmb.worlds.robot.robot``)."""
    return dict(json.loads((ROBOTS / f"{environment}.json").read_text(encoding="utf-8")))


def assemble(environment: str, robot: Mapping[str, Any]) -> Program:
    """The reference program of an environment with the constants of a robot.

    Raises:
        KeyError: the environment's program is not an assembled one.
    """
    parts = [(ENGINE / f"{name}.py").read_text(encoding="utf-8") for name in _PARTS[environment]]
    first, *others = [part(_OWN_IMPORT.sub("", source)) for source in parts]
    title = f'"""{environment}, simulated as MuJoCo does it."""\n\nfrom typing import NamedTuple\n\nimport numpy as np'
    return Program("\n\n\n".join([title, first, _literals(robot), *others]) + "\n")


def part(source: str) -> str:
    """A file as a part of a program: its docstring is a comment there."""
    return _DOCSTRING.sub(_comment, source, count=1).strip("\n")


def _comment(docstring: re.Match[str]) -> str:
    return "\n".join(f"# {line}".rstrip() for line in docstring[1].strip().split("\n")) + "\n"


def _literals(robot: Mapping[str, Any]) -> str:
    fields = "".join(f"    {name}={_literal(value)},\n" for name, value in robot.items() if name != "task")
    task = "".join(f"    {name!r}: {_literal(value)},\n" for name, value in robot["task"].items())
    return f"ROBOT = Robot(\n{fields})\nTASK = {{\n{task}}}"


def _literal(value: Any) -> str:
    """A constant as source; a table has a row a line."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "[\n" + "".join(f"        {_literal(row)},\n" for row in value) + "    ]"
    if isinstance(value, list):
        return f"({', '.join(map(_literal, value))}{',' * (len(value) == 1)})"
    return "1e999" if value == float("inf") else "-1e999" if value == float("-inf") else repr(value)


def written(robot: Mapping[str, Any]) -> str:
    """A robot as JSON with a row of a table a line."""

    def text(value: Any) -> str:
        if isinstance(value, list) and value and isinstance(value[0], list):
            return "[\n" + ",\n".join(f"    {json.dumps(row)}" for row in value) + "\n  ]"
        return json.dumps(value)

    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {text(value)}" for name, value in robot.items()) + "\n}\n"
