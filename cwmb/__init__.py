"""The Code World Models Benchmark: language models write environments as Python programs.

What is listed here is the interface for notebooks and scripts; docs/python.md shows how it is used. Each name is loaded
when it is first asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cwmb.api.benchmark import environments, suites, task, transitions
    from cwmb.api.programs import plan, score
    from cwmb.api.runs import evaluate, load_records
    from cwmb.api.world_model import load_world_model, register_envs
    from cwmb.errors import CwmbError

__version__ = "0.1.0"

__all__ = [
    "CwmbError",
    "environments",
    "evaluate",
    "load_records",
    "load_world_model",
    "plan",
    "register_envs",
    "score",
    "suites",
    "task",
    "transitions",
]

_HOMES = {
    "cwmb.api.benchmark": ("environments", "suites", "task", "transitions"),
    "cwmb.api.programs": ("plan", "score"),
    "cwmb.api.runs": ("evaluate", "load_records"),
    "cwmb.api.world_model": ("load_world_model", "register_envs"),
    "cwmb.errors": ("CwmbError",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            globals()[name] = found = getattr(import_module(module), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
