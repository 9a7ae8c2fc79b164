"""Suites: sets of environments that are averaged together, and the worlds that were drawn for them.

``cwmb18`` are the originals. Every file of ``environments/suites/`` is a further suite, whose worlds are drawn from a
seed. Those of seed 0 are shipped below ``trajectories/<suite>/``; others lie in a folder that ``cwmb worlds`` made, of
the same form: for each environment ``world.json``, ``description.md``, and the data sets ``train-v0`` and ``test-v0``.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from cwmb.benchmark import descriptions
from cwmb.benchmark.catalog import DatasetSpec, EnvironmentSpec, World, environment, environment_ids, family_ids
from cwmb.benchmark.data import data_path, well_formed
from cwmb.conversion import convert
from cwmb.errors import CwmbError, unknown

ORIGINAL = "cwmb18"
SHIPPED_SEED = 0
WORLD = "world.json"
DESCRIPTION = "description.md"
BASELINES = "baselines"


@dataclass(frozen=True)
class Suite:
    """One file of environments/suites/.

    stated: whether descriptions state the constants, or only the ranges of those that are hidden; fit: whether a
    program may learn from the training data; shown: how many recorded transitions a description shows; alterations:
    how many mechanisms are changed, at least and at most; family: whose environments these are, the 18 if empty.
    """

    name: str
    summary: str
    stated: bool
    fit: bool = False
    shown: int = 0
    alterations: tuple[int, int] = (0, 0)
    family: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the environments that the suite can have worlds of."""
        ids = family_ids(self.family) if self.family else environment_ids()
        known = {path.stem for path in data_path("environments", "alterations").glob("*.toml")}
        return tuple(i for i in ids if i in known) if self.alterations[1] else ids


@dataclass(frozen=True)
class WorldFile:
    """What ``world.json`` says. attempt: how many draws were rejected before; versions: what it was drawn with."""

    environment: str
    suite: str
    seed: int
    attempt: int
    constants: dict[str, Any]
    reward_values: list[float] | None
    train_sha256: str
    test_sha256: str
    versions: dict[str, str]
    alterations: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Worlds:
    """The environments that a run is about: the originals, or a suite's, drawn from a seed, in a folder."""

    suite: str = ORIGINAL
    seed: int | None = None
    folder: Path | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The environments' ids, in the order of the originals."""
        folder = self.folder
        if folder is None:
            return environment_ids()
        return tuple(i for i in suite(self.suite).ids if (folder / i / WORLD).is_file())

    def environment(self, name: str) -> EnvironmentSpec:
        """The specification of one of them.

        Raises:
            CwmbError: there is none of that name, or its world is malformed.
        """
        if self.folder is None:
            return environment(name)
        if name not in self.ids:
            raise unknown(f"environment of suite {self.suite}", name, self.ids)
        return _drawn(self.folder, name)

    @property
    def label(self) -> str:
        """The suite, and its seed where it is not the shipped one's: part of a run's folder name."""
        return self.suite if self.seed in (None, SHIPPED_SEED) else f"{self.suite}-{self.seed}"


ORIGINALS = Worlds()


def suite_names() -> tuple[str, ...]:
    """The names of all suites, ``cwmb18`` first."""
    return (ORIGINAL, *(path.stem for path in sorted(data_path("environments", "suites").glob("*.toml"))))


@cache
def suite(name: str) -> Suite:
    """A suite whose worlds are drawn.

    Raises:
        CwmbError: there is none of that name, or its file is malformed.
    """
    if name not in suite_names()[1:]:
        raise unknown("suite of drawn worlds", name, suite_names()[1:])
    path = data_path("environments", "suites", f"{name}.toml")
    with well_formed("suite", path):
        return convert({"name": name, **tomllib.loads(path.read_text(encoding="utf-8"))}, Suite)


def shipped(name: str) -> Worlds:
    """The worlds of a suite that come with the benchmark. Raises CwmbError: there is no such suite."""
    if name not in suite_names():
        raise unknown("suite", name, suite_names())
    if name == ORIGINAL:
        return ORIGINALS
    return Worlds(name, SHIPPED_SEED, data_path("trajectories", name))


def drawn(folder: Path) -> Worlds:
    """The worlds in a folder that ``cwmb worlds`` made.

    Raises:
        CwmbError: it is none, or holds worlds of several suites or seeds.
    """
    files = [_read(path) for path in sorted(folder.glob(f"*/{WORLD}"))]
    kinds = sorted({(file.suite, file.seed) for file in files})
    if len(kinds) != 1:
        found = ", ".join(f"{name} seed {seed}" for name, seed in kinds) or "none"
        raise CwmbError(f"{folder} must hold worlds of one suite and seed, as 'cwmb worlds' makes them; it has {found}")
    return Worlds(*kinds[0], folder.absolute())


def chosen(name: str, folder: Path | None) -> Worlds:
    """What ``--suite`` and ``--worlds`` name together.

    Raises:
        CwmbError: there is no such suite, or the folder holds worlds of another one.
    """
    if folder is None:
        return shipped(name)
    found = drawn(folder)
    if name not in (ORIGINAL, found.suite):
        raise CwmbError(f"--worlds {folder} holds worlds of suite {found.suite}, not {name}: leave out --suite")
    return found


def fingerprint(spec: EnvironmentSpec) -> str:
    """What the dynamics of a world depend on besides the environment, as a hash; empty for an original."""
    if spec.world is None:
        return ""
    parts = spec.world.constants, *([spec.world.alterations] if spec.world.alterations else [])
    return hashlib.sha256("\n".join(json.dumps(part, sort_keys=True) for part in parts).encode()).hexdigest()


def told(spec: EnvironmentSpec, set_name: str = descriptions.DEFAULT) -> str:
    """The text about an environment, as a language model is shown it; a world has one, rendered from its constants.

    Raises:
        CwmbError: there is no such description set, or it does not cover the environment.
    """
    if spec.world is None or spec.world.folder is None:
        return descriptions.description(spec.id, set_name)
    if set_name != descriptions.DEFAULT:
        raise CwmbError(f"description set {set_name!r} belongs to suite {ORIGINAL}: other suites have one text each")
    try:
        return (spec.world.folder / DESCRIPTION).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CwmbError(f"description of {spec.id} in suite {spec.world.suite}: {error}; draw it again") from error


def told_sha256(spec: EnvironmentSpec, set_name: str = descriptions.DEFAULT) -> str:
    """SHA-256, in hex, of everything that a model is told about an environment: description and contract."""
    return hashlib.sha256((told(spec, set_name) + descriptions.contract(spec.fit, spec.contract)).encode()).hexdigest()


def _read(path: Path) -> WorldFile:
    try:
        return convert(json.loads(path.read_bytes()), WorldFile)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise CwmbError(f"world file {path}: {error}; draw it again with 'cwmb worlds'") from error


@cache
def _drawn(folder: Path, name: str) -> EnvironmentSpec:
    file = _read(folder / name / WORLD)
    is_shipped = folder == data_path("trajectories", file.suite)
    measured = data_path("results", "baselines", file.suite) if is_shipped else folder / BASELINES
    return replace(
        environment(name),
        dataset=DatasetSpec(f"{name}/train-v0", f"{name}/test-v0", file.train_sha256, file.test_sha256),
        reward_values=file.reward_values,
        world=World(file.suite, file.seed, file.constants, file.alterations, folder / name, measured),
        fit=suite(file.suite).fit,
    )
