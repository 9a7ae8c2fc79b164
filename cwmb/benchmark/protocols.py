"""Protocols: what is held fixed in a comparison. One file each in ``harness/``."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from cwmb.benchmark.data import data_path, well_formed
from cwmb.conversion import convert
from cwmb.errors import unknown
from cwmb.types import Sampling, Split


@dataclass(frozen=True)
class ScoringRules:
    """How predictions are compared with the truth (see cwmb.judging.scoring).

    split: the data that the result is measured on; observation, reward: ``tolerances`` takes those of the environment
    file, ``paper`` the published code's; done: what a predicted done is compared with; ends: the least share of the
    weight that the transitions which end an episode have, where the environment has finitely many reward values;
    malformed: what an observation of the wrong shape or kind costs, its state part or, as an exception does,
    everything; audit: transitions of each kind that are repeated in a fresh process.
    """

    split: Split
    observation: Literal["tolerances", "paper"]
    reward: Literal["tolerances", "paper"]
    done: Literal["terminated", "terminated_or_truncated"]
    weighting: Literal["finite_rewards", "every_reward"]
    feedback: Literal["random", "first"]
    ends: float = 0.0
    malformed: Literal["state", "everything"] = "state"
    audit: int = 20
    seed: int = 0  # reseeds the program's generators before every row


@dataclass(frozen=True)
class Limits:
    """What a program may use; in reference seconds of CPU time, so that scores depend neither on the machine nor on
    its load (see cwmb.sandbox.calibration)."""

    load_seconds: float = 5.0
    step_seconds: float = 0.050  # a transition, or a step of the model in planning, on average
    fit_seconds: float = 60.0  # learning from the training data, where a suite allows it
    planning_seconds: float = 7200.0  # a cell's episodes, all together
    memory_bytes: int = 1 << 30
    source_bytes: int = 64 << 10


@dataclass(frozen=True)
class PlannerSpec:
    """A planner of the entry-point group ``cwmb.planners`` with its parameters.

    environments: those parameters that are others in some environments, by the environment's id; stepping: how a
    program is stepped. ``rollout`` sets its state once and then only calls step, as the contract has it; ``set_state``
    sets it before every step to the observation that it returned last, as the published code does.
    """

    name: str
    parameters: dict[str, Any]
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    stepping: Literal["rollout", "set_state"] = "rollout"


@dataclass(frozen=True)
class BenchmarkProtocol:
    """One file of harness/.

    calls: the budget of LLM calls; report_calls: smaller budgets that are read off the same run; seeds: how many;
    episodes: real episodes planned for each program; max_steps: their length where it is less than the environment's
    step limit; leaderboard: whether results may enter it.
    """

    name: str
    summary: str
    leaderboard: bool
    calls: int
    report_calls: tuple[int, ...]
    seeds: int
    sampling: Sampling
    scoring: ScoringRules
    limits: Limits
    discrete: PlannerSpec
    continuous: PlannerSpec
    episodes: int
    max_steps: int | None = None
    checksum: str = ""

    def planner(self, group: str) -> PlannerSpec:
        """The planner for environments with ``discrete`` or ``continuous`` actions."""
        return self.discrete if group == "discrete" else self.continuous

    def with_answers_of(self, max_new_tokens: int | None) -> BenchmarkProtocol:
        """The same with another length of answers, where one is given."""
        if max_new_tokens is None:
            return self
        return replace(self, sampling=replace(self.sampling, max_new_tokens=max_new_tokens))


def protocol_names() -> tuple[str, ...]:
    """The names of all protocols."""
    return tuple(path.stem for path in sorted(data_path("harness").glob("*.toml")))


@cache
def protocol(name: str) -> BenchmarkProtocol:
    """A protocol by its name.

    Raises:
        CwmbError: there is none of that name, or its file is malformed.
    """
    if name not in protocol_names():
        raise unknown("protocol", name, protocol_names())
    path = data_path("harness", f"{name}.toml")
    text = path.read_bytes()
    checksum = hashlib.sha256(text).hexdigest()
    with well_formed("protocol", path):
        content = tomllib.loads(text.decode())
        return convert({"name": name, **content, "checksum": checksum}, BenchmarkProtocol)
