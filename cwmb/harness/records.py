"""The record of a cell: all that tables, comparisons and verification are made of.

Records contain no time, host, path or job count: the same cell gives the same bytes on one worker or many. A change of
these fields that old readers would misread raises SCHEMA.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from cwmb.conversion import convert
from cwmb.errors import CwmbError
from cwmb.harness.files import dumps, write_whole
from cwmb.judging.horizon import Horizon
from cwmb.types import Evaluation, Failure, Usage

SCHEMA = 1


@dataclass(frozen=True, order=True)
class Cell:
    """One search. Everything else about it follows from these and from the run's configuration."""

    environment: str
    seed: int


@dataclass(frozen=True)
class Score:
    """An evaluation beside what is trivial and what is attainable on the very same data.

    unseen_accuracy: on pairs of state and action that are absent from train, None where all or none are; horizon: see
    cwmb.judging.horizon, None in the training score.
    """

    accuracy: float
    state: float
    reward: float
    done: float
    exact: float
    ran: float
    n: int
    floor: float
    ceiling: float | None
    skill: float | None
    failure: Failure | None
    unseen_accuracy: float | None = None
    horizon: Horizon | None = None


@dataclass(frozen=True)
class Planning:
    """Episodes in the real environment, planned with the program.

    returns: of each episode; normalised_return, its standard error: (R - R_random) / (R_oracle - R_random), None where
    the oracle does not beat random by two standard errors or is not known; random_actions: taken because no plan was to
    be had; model_steps, failed_steps: of the program; limited: episodes that ran into the planning limit.
    """

    returns: list[float]
    return_mean: float
    return_sem: float
    normalised_return: float | None
    normalised_sem: float | None
    episodes: int
    steps: int
    random_actions: int
    model_steps: int
    failed_steps: int
    limited: int
    failure: Failure | None


@dataclass(frozen=True)
class Anytime:
    """What the same run had found after its first calls."""

    calls: int
    program: str | None
    train_accuracy: float
    test: Score | None


@dataclass(frozen=True)
class Provenance:
    """Where a number comes from."""

    cwmb: str
    commit: str | None
    dirty: bool | None
    python: str
    numpy: str
    gymnasium: str
    mujoco: str
    machine: str
    cpu_features: list[str]
    sandbox: list[str]
    protocol_sha256: str
    train_sha256: str
    test_sha256: str
    description_sha256: str
    prompts_sha256: str
    strategy_package: str
    sampling: dict[str, Any]
    dropped_parameters: list[str]
    reported_models: list[str]


State = Literal["done", "failed", "infrastructure"]


@dataclass(frozen=True)
class Record:
    """One line of records.jsonl.

    state: ``done``; ``failed`` (the strategy raised); ``infrastructure`` (an endpoint or the machine failed: no score,
    tried again when the run is resumed). budget: calls that were allowed; custom: budget, seeds or the length of an
    answer are not the protocol's. program: SHA-256 of the judged program, program_call: the call that wrote it. stop:
    why the search ended. train is measured on what the strategy saw, test on what it did not. answers: calls by what
    became of them (``program`` or a failure's kind); prompts: calls by kind of prompt. limit: which budget ended a
    search that stopped for one (the scores are then those of what it had found by then).
    """

    schema: int
    strategy: str
    options: dict[str, Any]
    model: str
    simulated: bool
    environment: str
    group: Literal["discrete", "continuous"]
    seed: int
    protocol: str
    descriptions: str
    state: State
    budget: int
    custom: bool
    stop: Literal["perfect", "budget", "finished", "error"]
    program: str | None
    program_call: int | None
    train: Score | None
    test: Score | None
    anytime: list[Anytime]
    planning: Planning | None
    usage: Usage
    prompts: dict[str, int]
    answers: dict[str, int]
    failure: Failure | None
    provenance: Provenance
    limit: Literal["calls", "tokens", "dollars", "seconds", "evaluations"] | None = None

    @property
    def cell(self) -> Cell:
        """Which cell of its run this is."""
        return Cell(self.environment, self.seed)


def write_record(path: Path, record: Record) -> None:
    """Write one record (a single line of canonical JSON)."""
    write_whole(path, dumps(record) + "\n")


def read_records(path: Path) -> list[Record]:
    """The records of a file, or of a run's folder.

    Raises:
        CwmbError: there is no such file, a line is malformed or of another schema.
    """
    file = path / "records.jsonl" if path.is_dir() else path
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CwmbError(f"no records in {path}: name a run's folder or its records.jsonl ({error})") from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            content = json.loads(line)
            if content.get("schema") != SCHEMA:
                raise CwmbError(f"{file}:{number} has schema {content.get('schema')}, this version reads {SCHEMA}")
            records.append(convert(content, Record))
        except (ValueError, AttributeError, msgspec.ValidationError) as error:
            raise CwmbError(f"{file}:{number} is no record: {error}") from error
    return records


def score(
    evaluation: Evaluation,
    floor: float,
    ceiling: float | None,
    unseen_accuracy: float | None = None,
    horizon: Horizon | None = None,
) -> Score:
    """An evaluation with its floor, ceiling and skill."""
    from cwmb.judging.scoring import skill

    e = evaluation
    return Score(
        accuracy=e.accuracy,
        state=e.state,
        reward=e.reward,
        done=e.done,
        exact=e.exact,
        ran=e.ran,
        n=e.n,
        floor=floor,
        ceiling=ceiling,
        skill=None if ceiling is None else skill(e.accuracy, floor, ceiling),
        failure=e.failure,
        unseen_accuracy=unseen_accuracy,
        horizon=horizon,
    )
