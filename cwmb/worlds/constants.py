"""What varies from world to world: ``environments/constants/<id>.toml``, and the drawing of constants from it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import exp, log
from types import MappingProxyType
from typing import Any

import numpy as np

from cwmb.benchmark.data import data_path, well_formed
from cwmb.conversion import convert
from cwmb.errors import unknown
from cwmb.worlds import layouts

AWAY = 0.1  # of the original's value: a drawn number differs from it by at least that
DIGITS = 3  # significant digits of a drawn number: what a description states is all there is of it

Values = Mapping[str, Any]  # of a world's constants, by name


@dataclass(frozen=True)
class Constant:
    """A quantity of an environment that is drawn anew for each world, in one of three ways.

    range: of a number, a whole one if both ends are; choices: values to choose from; draw: a function of
    ``cwmb.worlds.layouts`` for what depends on constants above it in the file; limits: what a description says of the
    range then; field: where the real environment keeps it; program: the class constant of the reference program;
    hidden: whether suite ``hidden`` keeps the value back; reward: whether it is one of the values that a reward takes.
    """

    name: str
    default: Any
    meaning: str
    field: str
    range: tuple[int | float, int | float] | None = None
    choices: tuple[Any, ...] = ()
    draw: str | None = None
    limits: str = ""
    unit: str = ""
    program: str = ""
    hidden: bool = True
    reward: bool = False

    @property
    def span(self) -> str:
        """The range in words."""
        if self.range is not None:
            return f"{self.range[0]:g} to {self.range[1]:g}"
        return self.limits or " or ".join(map(str, self.choices))

    def drawn(self, rng: np.random.Generator, known: Values) -> Any:
        """A value; a number is not near the original's. known: the constants above."""
        value = self._any(rng, known)
        while self.range is not None and abs(value - self.default) <= AWAY * abs(self.default):
            value = self._any(rng, known)
        return value

    def _any(self, rng: np.random.Generator, known: Values) -> Any:
        if self.draw is not None:
            function: Callable[[np.random.Generator, Values], Any] = getattr(layouts, self.draw)
            return function(rng, known)
        if self.range is None:
            return self.choices[int(rng.integers(len(self.choices)))]
        low, high = self.range
        if isinstance(low, int) and isinstance(high, int):
            return type(self.default)(rng.integers(low, high + 1))
        value = exp(rng.uniform(log(low), log(high))) if 0 < 2 * low <= high else rng.uniform(low, high)
        return float(f"{value:.{DIGITS}g}")


@cache
def constants(environment_id: str) -> tuple[Constant, ...]:
    """What varies in an environment, in the order of its file.

    Raises:
        CwmbError: the file is malformed, or nothing varies in this environment.
    """
    path = data_path("environments", "constants", f"{environment_id}.toml")
    if not path.exists():
        raise unknown("environment with varying constants", environment_id, varying())
    with well_formed("constants", path):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return tuple(convert({"name": name, **fields}, Constant) for name, fields in content.items())


@cache
def varying() -> tuple[str, ...]:
    """The ids of the environments in which something varies, sorted."""
    return tuple(path.stem for path in sorted(data_path("environments", "constants").glob("*.toml")))


def defaults(environment_id: str) -> dict[str, Any]:
    """The constants of the original."""
    return {c.name: c.default for c in constants(environment_id)}


def drawn(environment_id: str, rng: np.random.Generator, kept: Values = MappingProxyType({})) -> dict[str, Any]:
    """The constants of another world. kept: those that are not drawn, with their values."""
    values: dict[str, Any] = {}
    for constant in constants(environment_id):
        values[constant.name] = kept.get(constant.name) if constant.name in kept else constant.drawn(rng, values)
    return values


def reward_values(environment_id: str, values: Values) -> list[float] | None:
    """All values that a world's reward takes, where the file says so."""
    found = {float(values[c.name]) for c in constants(environment_id) if c.reward}
    return sorted(found, reverse=True) or None
