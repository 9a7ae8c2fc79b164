"""Problems of programming as cells: a search for a script that sees the first half of a problem's tests; then all.

Strategies, the metered model, ledger and sandbox are those of world models; what is asked and how an answer is judged
is not, and neither is the record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from cwmb.benchmark.problems import Problem, Test
from cwmb.conversion import convert
from cwmb.errors import CwmbError, EndpointRefused, InfrastructureError, StorageError
from cwmb.harness.cores import Cores
from cwmb.harness.files import append, dumps, locked, make_folder, write_whole
from cwmb.harness.ledger import Ledger
from cwmb.harness.metering import Budget, Interrupted, Meter, MeteredEvaluate, MeteredModel, source_of
from cwmb.harness.records import SIMULATED
from cwmb.harness.search import Found, conduct, write_search
from cwmb.judging.outputs import score
from cwmb.models import prompts
from cwmb.models.scripts import extract_script
from cwmb.sandbox import Sandbox
from cwmb.sandbox.running import ScriptLimits
from cwmb.seeds import Purpose, generator
from cwmb.types import (
    Bools,
    Evaluation,
    Failure,
    Program,
    Provider,
    Sampling,
    Space,
    Strategy,
    Task,
    Transitions,
    Usage,
)

SCHEMA = 1
RECORDS = "problems.jsonl"
CALLS = 20  # of a problem, as in the paper


@dataclass(frozen=True)
class Settings:
    """What all cells of a run share; it is the run's configuration.

    problems_sha256: of all problems that there are; limits: of a test.
    """

    strategy: str
    options: dict[str, Any]
    model: str
    protocol: str
    budget: Budget
    sampling: Sampling
    source: str
    contract: str
    prompts_sha256: str
    limits: ScriptLimits = field(default_factory=ScriptLimits)


@dataclass(frozen=True)
class ProblemRecord:
    """One line of problems.jsonl.

    shown: share of the tests that the search saw and the judged script passes; accuracy: of all tests; strict: whether
    it passes all; any: whether some script of the search does, which the first half of the tests did not tell from the
    judged one.
    """

    schema: int
    problem: str
    problem_sha256: str
    seed: int
    strategy: str
    options: dict[str, Any]
    model: str
    simulated: bool
    protocol: str
    source: str
    state: Literal["done", "failed", "infrastructure"]
    stop: str
    budget: int
    tests: int
    program: str | None = None
    shown: float = 0.0
    accuracy: float = 0.0
    strict: bool = False
    any: bool = False
    usage: Usage = field(default_factory=Usage)
    answers: dict[str, int] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True)
class ProblemRun:
    """A run's folder and what works in it."""

    folder: Path
    settings: Settings
    strategy: Callable[[], Strategy]
    provider: Provider
    sandbox: Sandbox
    cores: Cores

    def cell_folder(self, problem: Problem, seed: int) -> Path:
        """Where everything about a cell is kept."""
        return self.folder / "cells" / problem.id / f"seed-{seed}"

    def record(self, problem: Problem, seed: int) -> ProblemRecord | None:
        """What became of a cell, if it was finished. Raises CwmbError: it is another problem's by now."""
        path = self.cell_folder(problem, seed) / "record.json"
        if not path.exists():
            return None
        found = _parsed(path.read_bytes(), str(path))
        if found.problem_sha256 != problem.sha256:
            raise CwmbError(f"{path} is of another problem {problem.id}: name another --out")
        return found if found.state == "done" else None


def read_problem_records(folder: Path) -> list[ProblemRecord]:
    """The records of a run. Raises CwmbError: there are none, or a line is none."""
    path = folder / RECORDS
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise CwmbError(f"no records in {folder}: name a run's folder ({error.strerror})") from error
    return [_parsed(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def _parsed(line: bytes, where: str) -> ProblemRecord:
    try:
        return convert(json.loads(line), ProblemRecord)
    except (ValueError, msgspec.ValidationError) as error:
        raise CwmbError(f"{where} is no record of a problem: {error}") from error


@contextmanager
def open_problem_run(folder: Path, settings: Settings) -> Iterator[None]:
    """Open a run's folder for writing. Raises CwmbError: it is another run's, or another process works in it."""
    make_folder(folder)
    with locked(folder):
        file = folder / "run.json"
        content = dumps(asdict(settings), indent=2) + "\n"
        if file.exists() and file.read_text(encoding="utf-8") != content:
            raise CwmbError(f"{folder} belongs to a run of another configuration: name another --out")
        write_whole(file, content)
        yield


def run_problems(
    run: ProblemRun,
    problems: Sequence[Problem],
    seeds: int,
    *,
    jobs: int,
    stopping: Callable[[], bool],
    done: Callable[[ProblemRecord], None],
) -> list[ProblemRecord]:
    """Search all cells that are not done, ``jobs`` at a time. Returns the records of all, sorted.

    Raises:
        Interrupted: stopping() said so; what was paid for is kept.
        CwmbError: nothing can go on.
    """
    cells = [(problem, seed) for seed in range(seeds) for problem in problems]
    records = [r for problem, seed in cells if (r := run.record(problem, seed)) is not None]
    known = {(r.problem, r.seed) for r in records}
    todo = [(problem, seed) for problem, seed in cells if (problem.id, seed) not in known]

    def one(problem: Problem, seed: int) -> ProblemRecord:
        if stopping():
            raise Interrupted
        return _solve(run, problem, seed, stopping)

    with ThreadPoolExecutor(max(min(jobs, len(todo)), 1), thread_name_prefix="problem") as pool:
        running = [pool.submit(one, problem, seed) for problem, seed in todo]
        try:
            for future in as_completed(running):
                record = future.result()
                records.append(record)
                done(record)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    records.sort(key=lambda r: (r.problem, r.seed))
    write_whole(run.folder / RECORDS, "".join(dumps(record) + "\n" for record in records))
    return records


def _solve(run: ProblemRun, problem: Problem, seed: int, stopping: Callable[[], bool]) -> ProblemRecord:
    """Search, score and write the record of a cell."""
    folder = run.cell_folder(problem, seed)
    meter = Meter(run.settings.budget, stopping)
    try:
        found, judged = _searched(run, problem, seed, folder, meter)
    except StorageError:
        raise
    except InfrastructureError as error:
        if isinstance(error, EndpointRefused):
            raise
        found, judged = Found("error", failure=Failure("infrastructure", str(error))), {}
    infrastructure = found.failure is not None and found.failure.kind == "infrastructure"
    record = ProblemRecord(
        schema=SCHEMA,
        problem=problem.id,
        problem_sha256=problem.sha256,
        seed=seed,
        strategy=run.settings.strategy,
        options=run.settings.options,
        model=run.settings.model,
        simulated=any(a.reply.model == SIMULATED for a in meter.asked) or run.settings.model.startswith(SIMULATED),
        protocol=run.settings.protocol,
        source=run.settings.source,
        state="infrastructure" if infrastructure else "failed" if found.failure else "done",
        stop=found.stop,
        budget=run.settings.budget.calls,
        tests=len(problem.tests),
        usage=meter.usage,
        answers=_answers(meter),
        failure=found.failure,
        **judged,
    )
    write_whole(folder / "record.json", dumps(record) + "\n")
    return record


def _searched(run: ProblemRun, problem: Problem, seed: int, folder: Path, meter: Meter) -> tuple[Found, dict[str, Any]]:
    ledger = Ledger(folder, append)

    def tested(program: Program, tests: Sequence[Test], show: int = 0) -> Evaluation:
        with run.cores.scoring():
            return score(run.sandbox, program, tests, run.settings.limits, show=show)

    def shown(program: Program, _: int, __: float) -> Evaluation:
        return tested(program, problem.shown, sum(s.program == program for s in meter.scored))

    llm = MeteredModel(run.provider, run.settings.sampling, ledger, meter, problem.id, seed, extract_script)
    evaluate = MeteredEvaluate(shown, ledger, meter)
    rng = generator(seed, problem.id, Purpose.SEARCH)
    found = conduct(run.strategy(), task(problem, run.settings.contract), llm, evaluate, rng, meter, folder)
    write_search(folder, meter)
    if found.failure is not None or found.program is None:
        return found, {}

    programs = [s.program for s in meter.scored if s.evaluation.perfect]
    chosen = list(dict.fromkeys([found.program, *programs]))
    whole = [
        ledger.entry(
            "score",
            index,
            program.hash,
            Evaluation,
            lambda program=program: tested(program, problem.tests),  # type: ignore[misc]
            source_of(program, meter),
        )
        for index, program in enumerate(chosen)
    ]
    seen = next((s.evaluation.accuracy for s in meter.scored if s.program == found.program), 0.0)
    judged = {
        "program": found.program.hash,
        "shown": seen,
        "accuracy": whole[0].accuracy,
        "strict": whole[0].perfect,
        "any": any(evaluation.perfect for evaluation in whole),
    }
    return found, judged


def _answers(meter: Meter) -> dict[str, int]:
    found: dict[str, int] = {}
    for asked in meter.asked:
        kind = asked.completion.failure.kind if asked.completion.failure else "program"
        found[kind] = found.get(kind, 0) + 1
    return dict(sorted(found.items()))


_NO_SPACE = Space("tuple", (), (), "int64")


def task(problem: Problem, contract: str) -> Task:
    """What a strategy is asked for: a script. There are neither spaces nor transitions."""
    return Task(problem.id, problem.question, contract, _NO_SPACE, _NO_SPACE, _no_transitions(), "script")


def _no_transitions() -> Transitions:
    rows, values, flags = np.zeros((0, 0)), np.zeros(0), np.zeros(0, np.bool_)
    numbers = np.zeros(0, np.int64)
    none: Bools = np.zeros((0, 2), np.bool_)
    return Transitions(rows, rows, values, rows, flags, flags, numbers, numbers, none)


def settings(
    strategy: str,
    options: Mapping[str, Any],
    model: str,
    protocol: str,
    budget: Budget,
    sampling: Sampling,
    source: str,
    contract: str,
) -> Settings:
    """The configuration of a run."""
    known = prompts.checksum("script")
    return Settings(strategy, dict(options), model, protocol, budget, sampling, source, contract, known)
