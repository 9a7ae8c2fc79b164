"""The scores of the programs that a cell is judged by: audited, journaled, beside what is trivial and attainable."""

from __future__ import annotations

from statistics import mode
from typing import Any

import numpy as np

from cwmb.benchmark.baselines import of_environment
from cwmb.benchmark.trajectories import dataset
from cwmb.harness.metering import source_of
from cwmb.harness.records import Anytime, Score
from cwmb.harness.records import score as beside_bounds
from cwmb.harness.setup import Job
from cwmb.judging.horizon import program_horizon, recorded_trajectories
from cwmb.judging.judge import Judged
from cwmb.judging.scoring import Marks, evaluate, persistence
from cwmb.types import Evaluation, Failure, Program, Split, Strategy, Transitions


def score(job: Job, program: Program | None, split: Split) -> Score:
    """The score of a program on a split; of none, that of saying nothing."""
    truth, rules = job.data[split], job.judge.rules
    floor = evaluate(truth, persistence(truth, job.data["train"], rules), rules).accuracy
    bounds = getattr(of_environment(job.spec, job.setup.protocol.name), split)
    ceiling = bounds.ceiling if bounds and bounds.data_sha256 == dataset(job.spec, split)[1] else None
    if program is None:
        nothing = Evaluation(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, len(truth), _why_none(job), precision=0.0)
        return beside_bounds(nothing, floor, ceiling)
    index = 2 * _index(job, program) + (split == "test")
    key = f"{split}:{program.hash}"
    judged: list[Judged] = []
    return job.ledger.entry(
        "score",
        index,
        key,
        Score,
        lambda: _judged(job, program, split, floor, ceiling, judged),
        source_of(program, job.meter),
        timing=lambda: _timing(program, judged[0], job.judge.fitted(program).seconds),
    )


def anytime(job: Job, strategy: Strategy) -> list[Anytime]:
    """What the search had found after the smaller budgets that the protocol reports, if the strategy is anytime."""
    if not getattr(strategy, "anytime", False):
        return []
    return [_anytime(job, calls) for calls in job.setup.protocol.report_calls if calls < job.setup.budget.calls]


def _anytime(job: Job, calls: int) -> Anytime:
    best = job.meter.best(calls)
    if best is None:
        return Anytime(calls, None, 0.0, None)
    return Anytime(calls, best.program.hash, best.evaluation.accuracy, score(job, best.program, "test"))


def _why_none(job: Job) -> Failure:
    """Why there is no program: what happened to most calls, where they never got to an answer."""
    failures = [a.completion.failure for a in job.meter.asked if a.completion.failure]
    kind = mode(f.kind for f in failures) if failures else "no_code"
    if kind not in ("context_exceeded", "refused"):
        return Failure("no_code", "no program was found")
    return next(f for f in failures if f.kind == kind)


def _judged(
    job: Job, program: Program, split: Split, floor: float, ceiling: float | None, judged: list[Judged]
) -> Score:
    """judged: where to put what it is of."""
    train, truth = job.data["train"], job.data[split]
    with job.core():
        judged.append(job.judge.score(program, truth, job.audit(program)))
        evaluation, marks, _ = judged[0]
        if split == "train":
            return beside_bounds(evaluation, floor, ceiling)
        horizon = program_horizon(job.judge, program, recorded_trajectories(truth, train))
    unseen = _unseen_accuracy(train, truth, marks) if evaluation.accuracy > 0 else None
    return beside_bounds(evaluation, floor, ceiling, unseen, horizon)


def _timing(program: Program, judged: Judged, fit: float) -> dict[str, Any]:
    """How fast the program is: the reference seconds in which it took so many steps, and those that it learned for."""
    steps = round(judged.evaluation.ran * judged.evaluation.n)
    return {"reference": round(judged.seconds, 6), "steps": steps, "program": program.hash, "fit": round(fit, 6)}


def _unseen_accuracy(train: Transitions, test: Transitions, marks: Marks) -> float | None:
    """Mean score on test pairs of observation and action that are absent from train, where some are present."""
    pairs = [np.hstack([t.observations, t.actions]) for t in (train, test)]
    seen = {pair.tobytes() for pair in pairs[0]}
    unseen = np.array([pair.tobytes() not in seen for pair in pairs[1]])
    return float(marks.score[unseen].mean()) if unseen.any() and not unseen.all() else None


def _index(job: Job, program: Program) -> int:
    """Which of the scored programs it is: a strategy may also return one that it never scored."""
    hashes = [s.program.hash for s in job.meter.scored]
    return hashes.index(program.hash) if program.hash in hashes else len(hashes)
