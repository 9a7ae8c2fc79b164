"""A program that learns: its optional method ``fit``, and how what it has learned reaches other processes.

``fit`` runs once, in a process of its own, which then ends. The environment is handed over as bytes, so that every
process that predicts or plans begins with the same one, as it would if it were a copy of that process, and with nothing
else that fit left behind. Runs in the child.
"""

from __future__ import annotations

import builtins
import io
import marshal
import pickle
import sys
import types
from typing import Any

import cloudpickle
import numpy as np
from numpy.typing import NDArray

from cwmb.sandbox.imports import program_builtins
from cwmb.sandbox.values import Floats

MODULE = "candidate"


class CannotTravel(Exception):
    """What fit left in the environment cannot be handed to another process."""


def training_arrays(content: bytes, setup: dict[str, Any]) -> list[NDArray[Any]]:
    """What fit is given: observations [N, D], actions [N, A] or [N], rewards, next observations, terminated.

    content: rows of (observation, action, reward, next observation, terminated). Whole numbers where the space has
    nothing else, actions [N] where there is one discrete action.
    """
    observation, action = setup["observation"], setup["action"]
    size, width = observation["size"], action["size"]
    table = np.frombuffer(content, np.float64).reshape(-1, 2 * size + width + 2)
    parts = np.split(table, np.cumsum([size, width, 1, size]), axis=1)
    observations, actions, rewards, following, terminated = (np.array(part) for part in parts)
    if action["kind"] == "discrete":
        actions = actions[:, 0]
    return [
        _typed(observations, observation["kind"]),
        _typed(actions, action["kind"]),
        rewards[:, 0],
        _typed(following, observation["kind"]),
        terminated[:, 0] != 0,
    ]


def _typed(values: Floats, kind: str) -> NDArray[Any]:
    return values if kind == "box" else values.astype(np.int64)


def _whole_code(code: types.CodeType) -> tuple[Any, ...]:
    """Code with the name of its file, by which failures find their line; cloudpickle leaves that out."""
    return marshal.loads, (marshal.dumps(code),)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    dispatch_table = cloudpickle.Pickler.dispatch_table.new_child({types.CodeType: _whole_code})


def frozen(environment: Any) -> bytes:
    """An environment as bytes, its class and what that refers to included. Raises CannotTravel."""
    cloudpickle.register_pickle_by_value(sys.modules[MODULE])
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(environment)
    except MemoryError:
        raise
    except BaseException as error:
        raise CannotTravel(f"{type(error).__name__}: {error}") from None
    return buffer.getvalue()


def thawed(state: bytes) -> Any:
    """The environment that frozen() made bytes of. Raises whatever its parts raise."""
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    _guard_imports()
    return pickle.loads(state)


def _guard_imports() -> None:
    """Refuse the program's later imports as in a process that ran its source, whose builtins were its own."""
    real_import, guarded_import = builtins.__import__, program_builtins()["__import__"]

    def choose(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> types.ModuleType:
        of_program = isinstance(globals, dict) and globals.get("__name__") == MODULE
        found: types.ModuleType = (guarded_import if of_program else real_import)(
            name, globals, locals, fromlist, level
        )
        return found

    vars(builtins)["__import__"] = choose
