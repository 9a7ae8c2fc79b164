"""A step by a program against a step by the language model itself (the paper's table 8): time and accuracy of both."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import BenchmarkProtocol
from cwmb.benchmark.tasks import task
from cwmb.benchmark.trajectories import transitions
from cwmb.conversion import convert
from cwmb.errors import CwmbError
from cwmb.harness.files import dumps, make_folder, write_whole
from cwmb.harness.ledger import Ledger
from cwmb.harness.metering import Budget, Meter, MeteredModel
from cwmb.judging.judge import Judge
from cwmb.judging.scoring import compare
from cwmb.models.prompts.steps import predict, predictions
from cwmb.sandbox import Sandbox
from cwmb.seeds import Purpose, generator
from cwmb.types import NOT_RUN, OK, Predictions, Program, Provider, Transitions, Usage

RESULTS = "inference.json"


@dataclass(frozen=True)
class Inference:
    """What was measured of an environment.

    model_seconds: wall time of a call, median; program_seconds: reference seconds of CPU time of a step, mean over the
    test set; accuracies: on the same drawn transitions, each weighing the same; answered: share of the model's answers
    that say a step; rows: how many transitions were drawn.
    """

    environment: str
    suite: str
    model: str
    protocol: str
    program: str
    rows: int
    model_seconds: float
    program_seconds: float | None
    model_accuracy: float
    program_accuracy: float
    model_exact: float
    program_exact: float
    answered: float
    usage: Usage


def measure(
    spec: EnvironmentSpec,
    program: Program,
    provider: Provider,
    sandbox: Sandbox,
    protocol: BenchmarkProtocol,
    rows: int,
    folder: Path,
    watch: Callable[[int], None] = lambda done: None,
) -> Inference:
    """Ask for steps from drawn test transitions, and run the program on the same.

    folder: holds the ledger of the calls, so that what was asked once is not paid for twice.

    Raises:
        CwmbError: the environment's observations are words, or the endpoint does not answer.
    """
    if spec.parts:
        raise CwmbError(
            f"{spec.id}: its observations are words, which no model is asked for; choose another environment"
        )
    judge = Judge.of(sandbox, protocol, spec)
    truth = transitions(spec, "test")
    drawn = truth.take(np.sort(generator(0, spec.id, Purpose.FEEDBACK).permutation(len(truth))[:rows]))
    about = task(spec)
    meter = Meter(Budget(len(drawn)))
    ledger = Ledger(folder)
    llm = MeteredModel(provider, protocol.sampling, ledger, meter, spec.id, 0, lambda text, prefix: (None, None))
    answers, seconds = [], []
    for i in range(len(drawn)):
        answers.append(llm.complete(predict(about, drawn.observations[i], drawn.actions[i])).text)
        seconds.append(ledger.seconds("call", i))
        watch(i + 1)
    whole = judge.predict(program, truth)
    ran = int((whole.status != NOT_RUN).sum())
    said = predictions(answers, judge.observation_space)
    model_accuracy, model_exact = _marks(judge, drawn, said)
    program_accuracy, program_exact = _marks(judge, drawn, judge.predict(program, drawn))
    return Inference(
        environment=spec.id,
        suite=spec.world.suite if spec.world else "cwmb18",
        model=provider.name,
        protocol=protocol.name,
        program=program.hash,
        rows=len(drawn),
        model_seconds=float(np.median(seconds)),
        program_seconds=whole.seconds / ran if ran else None,
        model_accuracy=model_accuracy,
        program_accuracy=program_accuracy,
        model_exact=model_exact,
        program_exact=program_exact,
        answered=float((said.status == OK).mean()),
        usage=meter.usage,
    )


def _marks(judge: Judge, truth: Transitions, said: Predictions) -> tuple[float, float]:
    """Mean score and exact rate; an answer that says nothing is wrong, whatever the others are."""
    marks = compare(truth, said, judge.rules)
    return float(np.where(marks.ran, marks.score, 0.0).mean()), float((marks.right & marks.ran).mean())


def store(folder: Path, found: list[Inference]) -> None:
    """Write what was measured."""
    make_folder(folder)
    write_whole(folder / RESULTS, dumps(found, indent=1) + "\n")


def stored(folder: Path) -> list[Inference]:
    """What was measured in a folder. Raises CwmbError: nothing, or the file is malformed."""
    try:
        return [convert(row, Inference) for row in json.loads((folder / RESULTS).read_bytes())]
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise CwmbError(f"{folder / RESULTS}: {error}; 'cwmb bench-inference' makes it") from error
