"""The only place where programs run that nobody trusts (docs/sandbox.md).

Of this package the processes of programs import the worker's side too: so the parent's side is loaded when it is asked
for, and not before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cwmb.sandbox.sandbox import Sandbox
    from cwmb.sandbox.session import Plan, PlanningSession

__all__ = ["Plan", "PlanningSession", "Sandbox"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("cwmb.sandbox.sandbox" if name == "Sandbox" else "cwmb.sandbox.session"), name)
