"""The record of a cell: all that tables, comparisons and verification are made of.

Records contain no time, host, path or job count: the same cell gives the same bytes on one worker or many. A change of
these fields that old readers would misread raises SCHEMA.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.suites import ORIGINAL, told_sha256
from cwmb.conversion import convert
from cwmb.errors import CwmbError
from cwmb.harness import provenance
from cwmb.harness.files import dumps, write_whole
from cwmb.judging.horizon import Horizon
from cwmb.models import prompts
from cwmb.types import Completion, Evaluation, Failure, Program, Usage

if TYPE_CHECKING:
    from cwmb.harness.metering import Asked, Meter
    from cwmb.harness.setup import Setup

SCHEMA = 1
LARGEST = 1e15  # of any number in a record
LONGEST_TEXT = 1 << 16

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(ge=0)]
SIMULATED = "simulated"  # the name of the model that is none, in replies and on the command line


@dataclass(frozen=True, order=True)
class Cell:
    """One search. Everything else about it follows from these and from the run's configuration."""

    environment: str
    seed: int

    @property
    def path(self) -> str:
        """Its folder within its run's."""
        return f"cells/{self.environment}/seed-{self.seed}"


@dataclass(frozen=True)
class Score:
    """An evaluation beside what is trivial and what is attainable on the very same data.

    unseen_accuracy: on pairs of state and action that are absent from train, None where all or none are; horizon: see
    cwmb.judging.horizon, None in the training score; determined, lost: see Evaluation; precision: see
    cwmb.judging.precision; valid: see Evaluation.
    """

    accuracy: Share
    state: Share
    reward: Share
    done: Share
    exact: Share
    ran: Share
    n: Count
    floor: Share
    ceiling: Share | None
    skill: float | None
    failure: Failure | None
    unseen_accuracy: Share | None = None
    horizon: Horizon | None = None
    determined: float | None = None
    lost: float | None = None
    precision: Share | None = None
    valid: Share | None = None


@dataclass(frozen=True)
class Planning:
    """Episodes in the real environment, planned with the program.

    returns: of each episode; normalised_return, its standard error: (R - R_random) / (R_oracle - R_random), None where
    the oracle does not beat random by two standard errors or is not known; episodes: that count, of as many as were
    wanted: those that were planned in the protocol's time; random_actions: taken because no plan was to be had;
    model_steps, failed_steps: of the program, also in an episode that does not count; limited: episodes in which a step
    of the model took longer than allowed; step_many: ``used``, or why the program's is not; None if it has none.
    """

    returns: list[float]
    return_mean: float
    return_sem: Positive
    normalised_return: float | None
    normalised_sem: Positive | None
    episodes: Count
    steps: Count
    random_actions: Count
    model_steps: Count
    failed_steps: Count
    limited: Count
    failure: Failure | None
    wanted: Count | None = None
    step_many: str | None = None


@dataclass(frozen=True)
class Anytime:
    """What the same run had found after its first calls."""

    calls: Count
    program: str | None
    train_accuracy: Share
    test: Score | None


@dataclass(frozen=True)
class Provenance:
    """Where a number comes from.

    reduced_limits: calls for which an endpoint granted fewer new tokens than the protocol asks for;
    programs_in_thoughts: calls whose program stood in the model's thoughts and nowhere else.
    """

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
    reduced_limits: int = 0
    programs_in_thoughts: int = 0


State = Literal["done", "failed", "infrastructure"]
Stop = Literal["perfect", "budget", "finished", "error"]
Limit = Literal["calls", "tokens", "dollars", "seconds", "evaluations"]


@dataclass(frozen=True)
class Record:
    """One line of records.jsonl.

    state: ``done``; ``failed`` (the strategy raised); ``infrastructure`` (an endpoint or the machine failed: no score,
    tried again when the run is resumed). budget: calls that were allowed; custom: budget, seeds or the length of an
    answer are not the protocol's. program: SHA-256 of the judged program, program_call: the call that wrote it. stop:
    why the search ended. train is measured on what the strategy saw, test on what it did not. answers: calls by what
    became of them (``program``; ``departs``, a program that does not start with the lines given; or a failure's kind);
    prompts: calls by kind of prompt. limit: which budget ended a search that stopped for one (the scores are then those
    of what it had found by then). suite, world_seed: which worlds; the originals have no seed.
    """

    schema: int
    strategy: str
    options: dict[str, Any]
    model: str
    simulated: bool
    environment: str
    group: Literal["discrete", "continuous"]
    seed: Count
    protocol: str
    descriptions: str
    state: State
    budget: Count
    custom: bool
    stop: Stop
    program: str | None
    program_call: int | None
    train: Score | None
    test: Score | None
    anytime: list[Anytime]
    planning: Planning | None
    usage: Usage
    prompts: dict[str, Count]
    answers: dict[str, Count]
    failure: Failure | None
    provenance: Provenance
    limit: Limit | None = None
    suite: str = ORIGINAL
    world_seed: Count | None = None

    @property
    def cell(self) -> Cell:
        """Which cell of its run this is."""
        return Cell(self.environment, self.seed)


@dataclass(frozen=True)
class Outcome:
    """What became of a cell: the part of its record that its search, its scores and its planning decide."""

    state: State
    stop: Stop
    failure: Failure | None = None
    limit: Limit | None = None
    program: Program | None = None
    train: Score | None = None
    test: Score | None = None
    anytime: list[Anytime] = field(default_factory=list)
    planning: Planning | None = None


def record(setup: Setup, spec: EnvironmentSpec, seed: int, meter: Meter, outcome: Outcome) -> Record:
    """The record of a cell. Whether it is custom only the whole run knows."""
    asked, program = meter.asked, outcome.program
    writers = [a.completion.index for a in asked if a.completion.program == program]
    return Record(
        schema=SCHEMA,
        strategy=setup.strategy.name,
        options=setup.strategy.options,
        model=setup.provider.name,
        # Also where the answers are replayed from a ledger.
        simulated=any(a.reply.model == SIMULATED for a in asked) or setup.provider.name.split(":")[0] == SIMULATED,
        environment=spec.id,
        suite=spec.world.suite if spec.world else ORIGINAL,
        world_seed=spec.world.seed if spec.world else None,
        group=spec.group,
        seed=seed,
        protocol=setup.protocol.name,
        descriptions=setup.descriptions,
        state=outcome.state,
        budget=setup.budget.calls,
        custom=False,
        stop=outcome.stop,
        limit=outcome.limit,
        program=program.hash if program else None,
        program_call=writers[0] if program and writers else None,
        train=outcome.train,
        test=outcome.test,
        anytime=outcome.anytime,
        planning=outcome.planning,
        usage=meter.usage,
        prompts=dict(Counter(a.prompt.kind for a in asked)),
        answers=dict(Counter(_answered(a.completion) for a in asked)),
        failure=outcome.failure,
        provenance=_provenance(setup, spec, asked),
    )


def _provenance(setup: Setup, spec: EnvironmentSpec, asked: Sequence[Asked]) -> Provenance:
    commit, dirty = provenance.commit()
    versions = provenance.versions()
    return Provenance(
        cwmb=versions["cwmb"],
        commit=commit,
        dirty=dirty,
        python=versions["python"],
        numpy=versions["numpy"],
        gymnasium=versions["gymnasium"],
        mujoco=versions["mujoco"],
        machine=provenance.machine(),
        cpu_features=list(provenance.cpu_features()),
        sandbox=list(setup.sandbox.layers),
        protocol_sha256=setup.protocol.checksum,
        train_sha256=spec.dataset.train_sha256,
        test_sha256=spec.dataset.test_sha256,
        description_sha256=told_sha256(spec, setup.descriptions),
        prompts_sha256=prompts.checksum(),
        strategy_package=setup.strategy.package,
        sampling=asdict(setup.protocol.sampling),
        dropped_parameters=sorted({p for a in asked for p in a.reply.dropped}),
        reported_models=sorted({a.reply.model for a in asked}),
        reduced_limits=sum(a.reply.reduced_to is not None for a in asked),
        programs_in_thoughts=sum(a.completion.in_thoughts for a in asked),
    )


def _answered(completion: Completion) -> str:
    """What became of a call, in a word."""
    if completion.failure is not None:
        return completion.failure.kind
    return "departs" if completion.departs else "program"


def write_record(path: Path, record: Record) -> None:
    """Write one record (a single line of canonical JSON)."""
    write_whole(path, dumps(record) + "\n")


def read_records(path: Path) -> list[Record]:
    """The records of a file, or of a run's folder. Empty lines and a byte order mark are passed over.

    Raises:
        CwmbError: there is no such file, a line is malformed, out of range or of another schema, or nothing is there
            yet.
    """
    file = path / "records.jsonl" if path.is_dir() else path
    try:
        lines = file.read_bytes().removeprefix(BOM_UTF8).splitlines()
    except OSError as error:
        if (path / "run.json").is_file():
            raise CwmbError(f"{path} holds no record yet: wait for the run's first cell, or resume it") from error
        raise CwmbError(f"no records in {path}: name a run's folder or its records.jsonl ({error.strerror})") from error
    return [parse_record(line, f"{file}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]


def parse_record(line: bytes, where: str) -> Record:
    """A record from its JSON, which may be a stranger's.

    Raises:
        CwmbError: it is none, is of another schema, or holds something that no record can.
    """
    try:
        content = msgspec.json.decode(line)
        schema = content["schema"]
        if schema != SCHEMA:
            raise CwmbError(
                f"{where} has schema {schema!r}, this version reads {SCHEMA}: use the version of cwmb that wrote it"
            )
        _refuse_absurd(content)
        return convert(content, Record)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CwmbError(f"{where} is no record: {error or type(error).__name__}") from error


def _refuse_absurd(value: Any, name: str = "record") -> None:
    """Raise ValueError for numbers and texts that would only do harm: they pass through sums and tables."""
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_absurd(key, name)
            _refuse_absurd(item, f"{name}.{key}")
    elif isinstance(value, list):
        for item in value:
            _refuse_absurd(item, name)
    elif isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise ValueError(f"{name} has {len(value)} characters")
    elif isinstance(value, (int, float)) and not -LARGEST <= value <= LARGEST:
        raise ValueError(f"{name} is {value!r}")


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
        determined=e.determined,
        lost=e.lost,
        precision=e.precision,
        valid=e.valid,
    )
