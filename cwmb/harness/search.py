"""The search of a cell: a strategy with a metered model and scorer, and what it leaves behind for readers."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cwmb.benchmark.tasks import task
from cwmb.errors import BudgetExhausted, CwmbError
from cwmb.harness.files import write_whole
from cwmb.harness.metering import Meter, MeteredAnalyse, MeteredEvaluate, MeteredModel, SearchOver
from cwmb.harness.records import Limit, Stop
from cwmb.harness.setup import Job
from cwmb.seeds import Purpose
from cwmb.types import Analysis, Evaluate, Evaluation, Failure, LanguageModel, Program, Strategy, Task

SHOWN = 5  # mistakes at a time where programs may learn from data


@dataclass(frozen=True)
class Found:
    """How a search ended. program: the one to be judged, if there is one; failure: the strategy's, if it failed."""

    stop: Stop
    program: Program | None = None
    failure: Failure | None = None
    limit: Limit | None = None


def search(job: Job, strategy: Strategy) -> Found:
    """Run the strategy. What went wrong behind the model or the scorer is raised, whatever it made of that."""
    setup, meter = job.setup, job.meter
    llm = MeteredModel(setup.provider, setup.protocol.sampling, job.ledger, meter, job.spec.id, job.seed)
    evaluate = MeteredEvaluate(lambda *asked: training_score(job, *asked), job.ledger, meter)
    about = replace(
        task(job.spec, setup.descriptions),
        train=job.data["train"],
        analyse=MeteredAnalyse(lambda *asked: analysis(job, *asked), job.ledger, meter),
    )
    return conduct(strategy, about, llm, evaluate, job.draws(Purpose.SEARCH), meter, job.folder)


def conduct(
    strategy: Strategy,
    task: Task,
    llm: LanguageModel,
    evaluate: Evaluate,
    rng: np.random.Generator,
    meter: Meter,
    folder: Path,
) -> Found:
    """Run a strategy on a task of any kind."""
    chosen: Program | None = None
    fault: BaseException | None = None
    try:
        chosen = strategy.search(task, llm, evaluate, rng)
        if not (chosen is None or isinstance(chosen, Program)):
            raise TypeError(f"search() returned {type(chosen).__name__}, not a Program or None")
    except (BudgetExhausted, SearchOver):
        pass
    except BaseException as error:  # SystemExit, too, is nobody's failure but the strategy's
        fault = error
    meter.close()
    if meter.trouble is not None:
        raise meter.trouble
    if isinstance(fault, CwmbError):
        raise fault
    if fault is not None:
        return Found("error", failure=Failure("strategy_error", described(folder, fault)))
    best = meter.best()
    if chosen is None:
        chosen = best.program if best else None
    if best is not None and best.evaluation.perfect:
        return Found("perfect", chosen)
    limit = meter.limit or meter.reached()
    return Found("budget" if limit else "finished", chosen, limit=limit)


def training_score(job: Job, program: Program, index: int, best: float) -> Evaluation:
    """What a strategy learns about a program: audited if it would be the best one.

    Scored again, it shows another mistake, until all of them have been shown; several where there are data to learn
    from.
    """
    first = job.setup.protocol.scoring.feedback == "first"
    show = SHOWN if job.spec.fit and not first else 1
    before = [i for i, scored in enumerate(job.meter.scored) if scored.program == program]
    with job.core():
        return job.judge.score(
            program,
            job.data["train"],
            job.audit(program),
            audit_above=best,
            show=show,
            skip=0 if first else len(before) * show,
            feedback=None if first else job.draws(Purpose.FEEDBACK, *before[:1] or (index,)),
        )[0]


def analysis(job: Job, script: str, program: Program | None) -> Analysis:
    """What a script prints that looks at the training transitions, and at nothing else."""
    judge, rules = job.judge, job.setup.protocol
    with job.core():
        return job.setup.sandbox.analyse(
            script,
            program,
            judge.observation_space,
            judge.action_space,
            job.data["train"],
            rules.limits,
            rules.scoring.seed,
        )


def write_search(folder: Path, meter: Meter) -> None:
    """The programs as files, and the search's tree: each call with its parent, decision and outcome."""
    scores: dict[str, Evaluation] = {s.program.hash: s.evaluation for s in meter.scored}
    nodes = []
    for asked in meter.asked:
        completion = asked.completion
        evaluation = scores.get(completion.program.hash) if completion.program else None
        failure = completion.failure or (evaluation.failure if evaluation else None)
        nodes.append(
            {
                "call": completion.index,
                "parent": asked.prompt.parent,
                "kind": asked.prompt.kind,
                "program": completion.program.hash if completion.program else None,
                "accuracy": evaluation.accuracy if evaluation else None,
                "exact": evaluation.exact if evaluation else None,
                "failure": failure.kind if failure else None,
                "departs": completion.departs,
                "decision": dict(asked.prompt.note),
            }
        )
        if completion.program:
            write_whole(folder / "programs" / f"{completion.index:04d}.py", completion.program.source)
    write_whole(folder / "tree.json", json.dumps(nodes, indent=1) + "\n")


def described(folder: Path, error: BaseException) -> str:
    """An exception nobody expected, in one line; where it came from stands in the cell's traceback.txt."""
    write_whole(folder / "traceback.txt", "".join(traceback.format_exception(error)))
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
