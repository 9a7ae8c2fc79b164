"""What is trivial and what is attainable: floors, ceilings and the returns of the random policy and of the oracle.

The figures of the benchmark's own data lie in ``results/baselines/<protocol>.json``, measured by ``make baselines``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.data import data_path
from cwmb.conversion import convert
from cwmb.errors import CwmbError


@dataclass(frozen=True)
class Bounds:
    """Accuracies on one data set: of the persistence program, of the simulator restored from the observation, of the
    most likely outcome (where the environment is random), of our reference program (where there is one); ceiling is the
    best of the last three. lookup, linear: on a test set, of what the training data alone say (cwmb.judging.naive)."""

    data_sha256: str
    n: int
    floor: float
    restored: float
    modal: float | None
    reference: float | None
    ceiling: float
    lookup: float | None = None
    linear: float | None = None


@dataclass(frozen=True)
class Returns:
    """Returns of a policy in the real environment: mean and its standard error over the episodes.

    returns: of each episode, kept for the oracle, whose first episodes a program is paired with; settings: a hash of
    what they depend on; cpu_seconds: what it took to measure them.
    """

    mean: float
    sem: float
    episodes: int
    returns: list[float] | None = None
    settings: str = ""
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class EnvironmentBaselines:
    """What was measured of one environment under one protocol."""

    train: Bounds | None = None
    test: Bounds | None = None
    random: Returns | None = None
    oracle: Returns | None = None

    @property
    def scale(self) -> tuple[Returns, Returns] | None:
        """What returns are normalised by: random and oracle. None without both, or if the oracle has no error yet."""
        if self.random is None or self.oracle is None or self.oracle.episodes < 2:
            return None
        return self.random, self.oracle


@dataclass(frozen=True)
class Baselines:
    """One file of results/baselines/. versions: what it was measured with."""

    protocol: str
    protocol_sha256: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    environments: dict[str, EnvironmentBaselines] = field(default_factory=dict)

    def of(self, environment: str) -> EnvironmentBaselines:
        """What is known of an environment: maybe nothing."""
        return self.environments.get(environment, EnvironmentBaselines())


def of_environment(spec: EnvironmentSpec, protocol: str) -> EnvironmentBaselines:
    """What is known of an environment of any suite under a protocol: maybe nothing. Raises CwmbError as baselines()."""
    return baselines(protocol, folder(spec)).of(spec.id)


def folder(spec: EnvironmentSpec) -> Path:
    """Where the baselines of an environment's suite lie: one file a protocol."""
    own = spec.world.baselines if spec.world is not None else None
    return own or data_path("results", "baselines")


@cache
def baselines(protocol: str, folder: Path | None = None) -> Baselines:
    """The measured baselines of a protocol: empty where none were measured. folder: the originals' unless said.

    Raises:
        CwmbError: the file is malformed.
    """
    path = (folder or data_path("results", "baselines")) / f"{protocol}.json"
    if not path.exists():
        return Baselines(protocol)
    try:
        return convert(msgspec.json.decode(path.read_bytes()), Baselines)
    except msgspec.ValidationError as error:
        raise CwmbError(f"{path}: {error}; run 'make baselines' or restore the file") from error
