"""What a program may import, and how everything else is refused.

Every allowed module is loaded before the fork, so that a child needs no file at all: the kernel enforces the list. The
refusals here only make for a clear message.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import sys
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

# The list of descriptions/contract.md, and some harmless modules that programs import out of habit.
_ALLOWED = """
    __future__ abc array bisect calendar cmath collections contextlib copy copyreg dataclasses datetime decimal
    enum fractions functools graphlib heapq inspect io itertools json keyword logging math numbers numpy operator
    pprint queue random re reprlib secrets statistics string struct sys textwrap time timeit traceback types
    typing unicodedata warnings weakref
"""
ALLOWED = frozenset(_ALLOWED.split())

# Parts of the above, and what Python and numpy would otherwise load at first use.
_PARTS = """
    collections.abc encodings.ascii encodings.idna encodings.latin_1 encodings.utf_8_sig linecache json.decoder
    json.encoder numpy.char numpy.ctypeslib numpy.exceptions numpy.fft numpy.lib.mixins numpy.lib.recfunctions
    numpy.lib.scimath numpy.lib.stride_tricks numpy.linalg numpy.ma numpy.polynomial numpy.random numpy.rec
    numpy.strings numpy.testing numpy.typing
"""

# What Python itself imports in the name of the running program; the second one since 3.12.
_HELPERS = frozenset(["_strptime", "_pylong", "encodings"])


class ForbiddenImport(ModuleNotFoundError):
    """A program asked for a module that it may not have."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"import of {name!r} is not allowed: only numpy and a fixed part of the standard library are", name=name
        )


def preload() -> None:
    """Load every allowed module, and make Python and numpy do at once what they put off until first use."""
    for name in [*sorted(ALLOWED), *_PARTS.split()]:
        importlib.import_module(name)
    for name in _HELPERS:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    import datetime

    import numpy as np

    np.linalg.inv(np.eye(2) + np.zeros((2, 2)))
    np.random.default_rng(0).normal(size=2)
    repr(np.array([1.0, np.nan]))
    np.random.RandomState(0).randint(3)
    datetime.datetime.strptime("2000", "%Y")
    "é".encode("idna")
    sys.modules["traceback"].format_exception(ValueError("once"))


class _NothingElse:
    """The last finder: there is no other module."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        raise ForbiddenImport(name)


def forget_files() -> None:
    """Leave nothing to import from, and nothing of ours to import."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "cwmb"]:
        del sys.modules[name]
    sys.path[:] = []
    sys.path_hooks[:] = []
    sys.path_importer_cache.clear()
    sys.meta_path[:] = [_NothingElse()]
    sys.argv = ["candidate"]


@cache
def program_builtins() -> dict[str, Any]:
    """The builtins of a program: all of them, with an import that keeps to the list.

    Made once, before the fork: to make them touches a hundred pages, which a child would have to copy.
    """
    real_import, permitted = builtins.__import__, ALLOWED | _HELPERS

    def guarded_import(
        name: str, globals: Any = None, locals: Any = None, fromlist: Sequence[str] = (), level: int = 0
    ) -> ModuleType:
        if level == 0 and name.partition(".")[0] not in permitted:
            raise ForbiddenImport(name)
        return real_import(name, globals, locals, fromlist, level)

    return {**vars(builtins), "__import__": guarded_import}
