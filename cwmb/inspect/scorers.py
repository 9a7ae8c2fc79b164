"""Scores of the program in an answer: our sandbox is the judge, on transitions that nobody has seen."""

from __future__ import annotations

from functools import partial

import anyio
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState

from cwmb.benchmark.suites import ORIGINAL, shipped
from cwmb.cli.own_program import plan_with_program, score_program
from cwmb.inspect.solvers import sandbox
from cwmb.models.extraction import extract
from cwmb.types import Failure, Program

NOTHING = {"accuracy": 0.0, "precision": 0.0, "exact": 0.0}


@scorer(metrics={name: [mean(), stderr()] for name in NOTHING})
def accuracy(suite: str = ORIGINAL, protocol_name: str = "standard") -> Scorer:
    """Accuracy, precision and exact rate on the test set. The sample's id is the environment."""

    async def score(state: TaskState, target: Target) -> Score:
        program, failure = extract(state.output.completion)
        if program is None:
            return _none(NOTHING, failure)
        spec = shipped(suite).environment(str(state.sample_id))
        found = await anyio.to_thread.run_sync(
            partial(score_program, sandbox(), spec, program, "test", None, protocol_name)
        )
        return Score(
            value={name: getattr(found.score, name) or 0.0 for name in NOTHING},
            answer=program.source,
            explanation=str(found),
            metadata=found.plain(),
        )

    return score


@scorer(metrics=[mean(), stderr()])
def normalised_return(suite: str = ORIGINAL, protocol_name: str = "standard") -> Scorer:
    """What planning with the program brings in the real environment: 0 as the random policy, 1 as the oracle.

    Environments in which that is not defined count as not scored. It may take hours.
    """

    async def score(state: TaskState, target: Target) -> Score | None:
        spec = shipped(suite).environment(str(state.sample_id))
        program, failure = extract(state.output.completion)
        if program is None:
            return _none(0.0, failure)
        found = await anyio.to_thread.run_sync(
            partial(plan_with_program, sandbox(), spec, Program(program.source), protocol_name, None)
        )
        if found.normalised_return is None:
            return None
        return Score(value=found.normalised_return, explanation=str(found), metadata=found.plain())

    return score


def _none(value: dict[str, float] | float, failure: Failure | None) -> Score:
    return Score(value=value, explanation=failure.message if failure else "no program was found")
