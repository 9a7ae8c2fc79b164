"""What is found through entry points; the options of a strategy are the fields of its dataclass."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec

from cwmb.conversion import convert
from cwmb.errors import CwmbError, unknown
from cwmb.types import Strategy

STRATEGIES = "cwmb.strategies"
GROUPS = {"strategy": STRATEGIES, "model": "cwmb.models", "planner": "cwmb.planners"}


def names(group: str) -> tuple[str, ...]:
    """The names of all installed entry points of a group."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def find(group: str, what: str, name: str) -> EntryPoint:
    """An entry point by its name.

    Raises:
        CwmbError: there is none.
    """
    for point in entry_points(group=group):
        if point.name == name:
            return point
    raise unknown(what, name, names(group))


# Imports a module and says so; whether it raises is for those to tell who import it after that.
_TRY = """
import json, os, sys
sys.path[:] = json.loads(sys.argv[1])
try:
    __import__(sys.argv[2])
except BaseException:
    pass
os.write(1, b"imported")
os._exit(0)
"""


@cache
def try_elsewhere(module: str) -> None:
    """Import a module that is not ours in a process of its own. Raises ImportError: that ends the process."""
    if module in sys.modules or module.partition(".")[0] == "cwmb":
        return
    command = [sys.executable, "-c", _TRY, json.dumps(sys.path), module]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if not done.stdout.endswith(b"imported"):
        raise ImportError(f"it ends the process, with status {done.returncode}")


def load(point: EntryPoint, what: str) -> Any:
    """What an entry point names.

    Raises:
        CwmbError: importing it raises, or ends a process.
    """
    try:
        try_elsewhere(point.module)
        return point.load()
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}"
        raise CwmbError(
            f"{what} {point.name!r} ({point.value}) cannot be imported ({why}): mend or uninstall it"
        ) from error


def options(pairs: Sequence[str]) -> dict[str, str]:
    """Options written as name=value. Raises CwmbError: one has no value."""
    split = [pair.partition("=") for pair in pairs]
    for name, equals, _ in split:
        if not equals:
            raise CwmbError(f"option {name!r} has no value: write -o {name}=VALUE")
    return {name: value for name, _, value in split}


def strategy(name: str, options: Mapping[str, str]) -> tuple[Callable[[], Strategy], dict[str, Any]]:
    """What makes a strategy with its options, and all its options as plain values for the record.

    Raises:
        CwmbError: there is no such strategy or option, a value is of the wrong kind, or the plugin cannot be imported.
    """
    point = find(STRATEGIES, "strategy", name)
    cls = load(point, "strategy")
    if not isinstance(cls, type) or not dataclasses.is_dataclass(cls):
        raise CwmbError(f"strategy {name!r} ({point.value}) is no dataclass; its options are its fields")
    fields = {f.name for f in dataclasses.fields(cls)}
    for option in options:
        if option not in fields:
            raise unknown(f"option of strategy {name!r}", option, fields)
    try:
        plain = dataclasses.asdict(convert(dict(options), cls, strict=False))
    except (msgspec.ValidationError, ValueError) as error:
        raise CwmbError(f"options of strategy {name!r}: {error}") from error

    def make() -> Strategy:
        made: Any = convert(plain, cls)
        return made  # type: ignore[no-any-return]

    return make, plain


@dataclass(frozen=True)
class Chosen:
    """A strategy as a run knows it. make: a fresh one; options: all of them, plain; package: where its code is from."""

    name: str
    make: Callable[[], Strategy]
    options: dict[str, Any]
    package: str


def chosen_strategy(named: str | Strategy, asked: Mapping[str, str]) -> Chosen:
    """A strategy by its name, with options, or one's own dataclass as it stands, which has its options in its fields.

    Raises:
        CwmbError: see strategy(); or one's own is no dataclass, or has options that are no plain values.
    """
    if isinstance(named, str):
        return Chosen(named, *strategy(named, asked), package(STRATEGIES, named))
    cls = type(named)
    where = f"{cls.__module__}:{cls.__qualname__}"
    if not dataclasses.is_dataclass(named):
        raise CwmbError(f"strategy {where} is no dataclass: decorate its class with @dataclass(frozen=True)")
    try:
        plain = msgspec.to_builtins({f.name: getattr(named, f.name) for f in dataclasses.fields(named)})
    except TypeError as error:
        raise CwmbError(f"options of strategy {where}: {error}; they must be plain values") from error
    return Chosen(cls.__name__, lambda: dataclasses.replace(named), plain, where)


def package(group: str, name: str) -> str:
    """The distribution that an entry point comes from, and its version."""
    distribution = find(group, "plugin", name).dist
    return f"{distribution.name} {distribution.version}" if distribution else "unknown"
