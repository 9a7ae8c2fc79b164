"""The benchmark's environments: ``environments/*.toml`` and what belongs to them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from cwmb.benchmark.data import data_path, well_formed
from cwmb.conversion import convert
from cwmb.errors import unknown

RTFM = "rtfm"  # the family of environments with manuals


@dataclass(frozen=True)
class Tolerances:
    """How far a prediction may be off in protocol ``standard``.

    observation: rtol and atol at once; None, in the file "exact", compares exactly (discrete values). reward: rtol and
    atol; 0 compares exactly. reason: why one differs from 1e-5.
    """

    observation: float | None = 1e-5
    reward: float = 1e-5
    reason: str = ""


@dataclass(frozen=True)
class DatasetSpec:
    """A recorded data set: Minari ids below trajectories/ and the SHA-256 of their arrays' canonical bytes."""

    train: str
    test: str
    train_sha256: str
    test_sha256: str


@dataclass(frozen=True)
class World:
    """What makes an environment of another suite than ``cwmb18`` (see cwmb.benchmark.suites).

    constants: their values, by name; alterations: of its mechanisms, the constants of each by its name; folder: where
    its data and its description lie; baselines: the folder of what was measured of its suite.
    """

    suite: str
    seed: int
    constants: dict[str, Any]
    alterations: dict[str, dict[str, float]] = field(default_factory=dict)
    folder: Path | None = None
    baselines: Path | None = None


@dataclass(frozen=True)
class EnvironmentSpec:
    """One file of environments/: only what a person decides; what is measured lies in results/baselines/.

    id: the benchmark's name (the paper's); gymnasium_id, kwargs: what runs today; adapter: class in cwmb.worlds;
    group: ``discrete`` or ``continuous`` actions; step_limit: of an episode, 100 where Gymnasium has none;
    reward_values: all values that the reward can take, or None where it is continuous;
    stochastic: whether a step draws random numbers; episodes: per protocol, where it departs from the protocol's;
    blocks: sizes of the parts of a large observation: positions, velocities, and what is derived from them;
    parts: sizes of the parts of an observation that are right or wrong as wholes: the state, what actions are valid;
    contract: the text about the class to write; reference: the reference program's name, if it is not the id;
    world: what differs from the original; None in files and in suite ``cwmb18``.
    fit: whether a program may learn from the training data (a suite's decision).
    """

    id: str
    gymnasium_id: str
    adapter: str
    group: Literal["discrete", "continuous"]
    step_limit: int
    dataset: DatasetSpec
    kwargs: dict[str, Any] = field(default_factory=dict)
    tolerances: Tolerances = field(default_factory=Tolerances)
    reward_values: list[float] | None = None
    stochastic: bool = False
    episodes: dict[str, int] = field(default_factory=dict)
    blocks: list[int] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    contract: str = "contract"
    reference: str = ""
    world: World | None = None
    fit: bool = False


@cache
def environment_ids() -> tuple[str, ...]:
    """The ids of all environments, those with discrete actions first, each half by name."""
    specs = [_read(path.stem) for path in sorted(data_path("environments").glob("*.toml"))]
    return tuple(s.id for s in sorted(specs, key=lambda s: (s.group != "discrete", s.id)))


@cache
def family_ids(family: str) -> tuple[str, ...]:
    """The ids of a family of environments besides the 18: those in a folder of ``environments/``, by name."""
    return tuple(path.stem for path in sorted(data_path("environments", family).glob("*.toml")))


@cache
def environment(name: str) -> EnvironmentSpec:
    """The specification of an environment.

    Raises:
        CwmbError: there is none of that name, or its file is malformed.
    """
    known = (*environment_ids(), *family_ids(RTFM))
    if name not in known:
        raise unknown("environment", name, known)
    return _read(name)


def _read(name: str) -> EnvironmentSpec:
    path = data_path("environments", RTFM if name in family_ids(RTFM) else "", f"{name}.toml")
    with well_formed("environment", path):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        tolerances = content.get("tolerances", {})
        if tolerances.get("observation") == "exact":  # TOML has no null
            tolerances["observation"] = None
        return convert(content, EnvironmentSpec)
