"""Worlds whose mechanisms differ: the catalogue, the drawing from it, and the real environments with what was drawn.

``environments/alterations/<id>.toml`` lists the mechanisms that an environment can get, each a function of
``cwmb.worlds.mechanisms`` with what is fixed of it and the ranges of what is drawn. An altered environment takes every
step from its last observation, which is all that its next step depends on.
"""

from __future__ import annotations

import inspect
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.data import data_path, well_formed
from cwmb.conversion import convert
from cwmb.errors import CwmbError
from cwmb.types import Floats, Space
from cwmb.worlds import mechanisms
from cwmb.worlds.base import GymnasiumSimulator, open_loop_returns
from cwmb.worlds.constants import DIGITS
from cwmb.worlds.simulator import Snapshot

LATER = "then_"  # how the functions begin that change what the original gave
Given = tuple[Callable[..., Any], Mapping[str, Any]]  # a mechanism and its arguments


@dataclass(frozen=True)
class Alteration:
    """A mechanism that an environment can get.

    function: of cwmb.worlds.mechanisms; fixed: arguments that are the same in all worlds; world: arguments that are
    constants of the world; range: of arguments that are drawn; signed: those of them that are negative half of the
    time; rewards: whether it brings new rewards.
    """

    name: str
    function: str
    meaning: str
    range: dict[str, tuple[int | float, int | float]]
    fixed: dict[str, Any] = field(default_factory=dict)
    world: dict[str, str] = field(default_factory=dict)
    signed: tuple[str, ...] = ()
    rewards: bool = False

    def drawn(self, rng: np.random.Generator) -> dict[str, float]:
        """Values of what is drawn."""
        return {name: self._any(name, low, high, rng) for name, (low, high) in self.range.items()}

    def _any(self, name: str, low: float, high: float, rng: np.random.Generator) -> float:
        if isinstance(low, int) and isinstance(high, int):
            return int(rng.integers(low, high + 1))
        sign = rng.choice([-1, 1]) if name in self.signed else 1
        return float(f"{sign * rng.uniform(low, high):.{DIGITS}g}")


@cache
def alterations(environment_id: str) -> dict[str, Alteration]:
    """What an environment's mechanisms can be altered by, by name: nothing where there is no file.

    Raises:
        CwmbError: the file is malformed.
    """
    path = data_path("environments", "alterations", f"{environment_id}.toml")
    if not path.exists():
        return {}
    with well_formed("alterations", path):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: convert({"name": name, **fields}, Alteration) for name, fields in content.items()}


def alterable() -> tuple[str, ...]:
    """The ids of the environments whose mechanisms can be altered, sorted."""
    return tuple(path.stem for path in sorted(data_path("environments", "alterations").glob("*.toml")))


def drawn(environment_id: str, counts: tuple[int, int], rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Some mechanisms, at least and at most so many, each function once, with the constants of each.

    Raises:
        CwmbError: nothing can be altered in this environment.
    """
    known = list(alterations(environment_id).values())
    if not known:
        raise CwmbError(f"{environment_id}: no alterations are known of this environment; known of: {alterable()}")
    wanted, chosen = int(rng.integers(counts[0], counts[1] + 1)), dict[str, Alteration]()
    for i in rng.permutation(len(known)):
        if len(chosen) < wanted:
            chosen.setdefault(known[i].function, known[i])
    return {alteration.name: alteration.drawn(rng) for alteration in chosen.values()}


def given(spec: EnvironmentSpec) -> list[Given]:
    """The mechanisms of a world, in the order in which they act."""
    if spec.world is None:
        return []
    known, constants, found = alterations(spec.id), spec.world.constants, list[Given]()
    for name, values in spec.world.alterations.items():
        alteration = known[name]
        arguments = {**alteration.fixed, **{key: constants[c] for key, c in alteration.world.items()}, **values}
        found.append((getattr(mechanisms, alteration.function), arguments))
    return sorted(found, key=lambda one: one[0].__name__)


def unaltered(spec: EnvironmentSpec) -> EnvironmentSpec:
    """The same world without its alterations."""
    return spec if spec.world is None else replace(spec, world=replace(spec.world, alterations={}))


class Altered:
    """The real environment of a world with alterations, around the one without (see cwmb.worlds.simulator)."""

    def __init__(self, spec: EnvironmentSpec, simulator: GymnasiumSimulator) -> None:
        self._simulator = simulator
        self._before = [one for one in given(spec) if not one[0].__name__.startswith(LATER)]
        self._after = [one for one in given(spec) if one[0].__name__.startswith(LATER)]
        self.observation_space, self.action_space = simulator.observation_space, simulator.action_space
        self._limit = math.inf if simulator.time_limit is None else simulator.time_limit
        self.reset(seed=0)

    def reset(self, seed: int | None = None) -> Floats:
        """Start an episode as the environment does."""
        self._elapsed, self._now = 0, self._simulator.reset(seed)
        return self._now.copy()

    def step(self, action: Floats) -> tuple[Floats, float, bool, bool]:
        """Returns (observation [D], reward, terminated, truncated) after an action [A]."""
        return self._step(action, self._stepped)

    def _stepped(self, state: Floats, action: Floats) -> tuple[Floats, float, bool]:
        self._simulator.restore(state)
        return self._simulator.step(action)[:3]

    def _step(
        self, action: Floats, stepped: Callable[[Floats, Floats], tuple[Floats, float, bool]]
    ) -> tuple[Floats, float, bool, bool]:
        now, asked = self.observation_space.decode(self._now), _decoded(self.action_space, action)
        state, acted = now, asked
        for change, arguments in self._before:
            state, acted = change(state, acted, **arguments)
        row, reward, done = stepped(_row(state), _row(acted))
        after = self.observation_space.decode(row)
        for change, arguments in self._after:
            after, reward, done = change(now, asked, after, reward, done, **arguments)
        dtype = self.observation_space.dtype
        self._now = _row(after).astype(dtype).astype(np.float64)
        self._elapsed += 1
        return self._now.copy(), float(reward), bool(done), self._elapsed >= self._limit

    def restore(self, observation: Floats) -> None:
        """Put the environment into the state that an observation [D] tells, all of it."""
        self._elapsed, self._now = 0, np.array(observation, dtype=np.float64)

    def snapshot(self) -> Snapshot:
        """Everything that the next steps depend on."""
        return self._elapsed, self._now.copy()

    def load(self, snapshot: Snapshot, rng: np.random.Generator | None = None) -> None:
        """Return to a snapshot; rng is for what is random from here on."""
        self._elapsed, self._now = snapshot[0], snapshot[1].copy()
        if rng is not None:
            self._simulator.load(self._simulator.snapshot(), rng)

    def returns(self, snapshot: Snapshot, actions: Floats) -> Floats:
        """Sums of rewards [K] of K open-loop plans [K, H, A] from the snapshot, each ended at termination.

        Robots step natively: no mechanism looks beyond the positions and velocities that an observation begins with.
        """
        fast: Any = self._simulator
        stepped = fast.leap if getattr(fast, "state_is_seen", False) else self._stepped
        return open_loop_returns(lambda: self.load(snapshot), lambda action: self._step(action, stepped), actions)


def _decoded(space: Space, action: Floats) -> Any:
    """An action as programs get it, as the space's dtype can hold it."""
    value = space.decode(np.asarray(action, dtype=np.float64))
    return value.astype(space.dtype).astype(np.float64) if isinstance(value, np.ndarray) else value


def _row(value: Any) -> Floats:
    return np.array(value, dtype=np.float64).reshape(-1)


_PROGRAM = '''

{functions}


class Environment:
    """The original with its alterations: every step begins at the last observation."""

    BEFORE = ({before})
    AFTER = ({after})

    def __init__(self):
        self.original = Original()
        self.observation = None

    def set_state(self, observation):
        self.observation = observation

    def step(self, action):
        state, acted = self.observation, action
        for change, constants in self.BEFORE:
            state, acted = change(state, acted, **constants)
        self.original.set_state(state)
        after, reward, done = self.original.step({acted})
        for change, constants in self.AFTER:
            after, reward, done = change(self.observation, action, after, reward, done, **constants)
        self.observation = after
        return after, float(reward), bool(done)
'''
_HELPERS = ("place", "pushed", "cell")


def altered_source(source: str, spec: EnvironmentSpec) -> str:
    """The source of a program of the unaltered world, with the world's alterations."""
    used = given(spec)
    if not used:
        return source
    texts = [inspect.getsource(change) for change, _ in used]
    helpers = [inspect.getsource(getattr(mechanisms, name)) for name in _HELPERS]
    helpers = [text for name, text in zip(_HELPERS, helpers, strict=True) if any(f"{name}(" in t for t in texts)]
    lists = {later: "".join(_item(*one) for one in used if one[0].__name__.startswith(LATER) == later)
             for later in (False, True)}  # fmt: skip
    functions = "\n\n".join(dict.fromkeys([*helpers, *texts])).replace(": Any", "").replace(" -> Any", "").rstrip()
    renamed = source.replace("class Environment:", "class Original:").rstrip()
    program = _PROGRAM.format(
        functions=functions,
        before=lists[False],
        after=lists[True],
        acted="np.float32(acted).astype(float)" if spec.group == "continuous" else "acted",
    )
    return renamed + "\n" + ("\nimport math\n" if "math." in functions else "") + program


def _item(change: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    return f"({change.__name__}, {dict(arguments)!r}), "
