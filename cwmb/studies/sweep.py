"""Search strategies on simulated models, over a sweep of how fallible these are: a test of code that costs no tokens.

Strategies, prompts, extraction and metering are the real ones. To save time a program is judged in one process without
the audit (what the simulated model writes does not cheat), on a sample of the training transitions while it is searched
for, and once only however often it is written; so the mistake shown of a program is always the same one. A search ends
with a program that is as good as the one that the model knows, which is not perfect everywhere. The figures are of the
whole test split under the scoring rules of the protocol ``standard``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from cwmb import reference
from cwmb.benchmark import trajectories
from cwmb.benchmark.catalog import EnvironmentSpec, environment
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.tasks import task
from cwmb.errors import BudgetExhausted
from cwmb.harness.ledger import Forgetful, Ledger
from cwmb.harness.metering import Budget, Meter, MeteredEvaluate, MeteredModel, SearchOver
from cwmb.judging.judge import Judge
from cwmb.machine import processes
from cwmb.models.simulated import Simulated
from cwmb.plugins import strategy
from cwmb.sandbox import Sandbox
from cwmb.seeds import Purpose, generator
from cwmb.types import Evaluation, Program, Strategy, Transitions

# How fallible the simulated model is (see cwmb.models.simulated.Rates): four corners and the middle.
POINTS = {
    "strong": "fault=2,repair=0.5",
    "careful": "fault=2,repair=0.3",
    "middle": "fault=3.5,repair=0.4",
    "mending": "fault=6,repair=0.5",
    "weak": "fault=6,repair=0.3",
}
# The strategies with their options, by the labels of the tables.
CONTENDERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "gif_mcts": ("gif_mcts", {}),
    "gif_mcts generate=false": ("gif_mcts", {"generate": "false"}),
    "gif_mcts improve=false": ("gif_mcts", {"improve": "false"}),
    "gif_mcts fix=false": ("gif_mcts", {"fix": "false"}),
    "gif_mcts improve_by_gain=true": ("gif_mcts", {"improve_by_gain": "true"}),
    "worldcoder": ("worldcoder", {}),
    "best_of_n": ("best_of_n", {}),
}
CALLS = (1, 2, 5, 10, 20, 50)  # after how many the best program is tested; the last one is the budget
SEEDS = 20
PROTOCOL = "standard"
TRAINING_ROWS = 200  # of the sample that a search sees
STEP_SECONDS = 0.050  # of CPU time for a transition, of which the Humanoids take 15 ms: only endless loops take longer
_BLOCK = 5  # seeds that share a process, hence what is known of programs that are written again
_KEPT = 4096  # evaluations in memory


@dataclass(frozen=True)
class Outcome:
    """One search.

    calls: answered; kinds: calls by kind of prompt; generated: mean training score of the programs that generate wrote
    and that ran, None if there is none; train, test: scores of the best program after each number of calls in CALLS.
    """

    calls: int
    kinds: dict[str, int]
    generated: float | None
    train: list[float]
    test: list[float]
    tokens: int = 0


@dataclass(frozen=True)
class Search:
    """Which search it is. point, contender: keys of POINTS and CONTENDERS."""

    environment: str
    point: str
    contender: str
    seed: int


def sweep(
    points: Sequence[str], environments: Sequence[str], folder: Path, *, seeds: int = SEEDS, jobs: int = 1
) -> Iterator[tuple[Search, Outcome]]:
    """All searches at the points named, as they are done.

    folder: keeps each search as soon as it is over, so that the sweep can go on.
    jobs: processes, each of which works on a few seeds of one environment at one point.
    """
    blocks = [range(start, min(start + _BLOCK, seeds)) for start in range(0, seeds, _BLOCK)]
    with processes(jobs) as pool:
        pending = [
            pool.submit(_searches, point, name, block, folder / point / name / f"seeds-{block[0]}")
            for point in points
            for name in environments
            for block in blocks
        ]
        for done in as_completed(pending):
            yield from done.result()


def _searches(point: str, name: str, seeds: range, folder: Path) -> list[tuple[Search, Outcome]]:
    ledger = Ledger(folder)
    with Sandbox(workers=1, planners={}) as sandbox:
        world = World(environment(name), sandbox)
        return [
            (
                search := Search(name, point, contender, seed),
                ledger.entry(
                    contender,
                    seed,
                    f"{POINTS[point]} {CALLS} {TRAINING_ROWS}",
                    Outcome,
                    partial(run, world, search),
                ),
            )
            for contender in CONTENDERS
            for seed in seeds
        ]


class World:
    """An environment as searches see it: the task, and the scores of programs."""

    def __init__(self, spec: EnvironmentSpec, sandbox: Sandbox) -> None:
        chosen = protocol(PROTOCOL)
        quick = replace(chosen, limits=replace(chosen.limits, step_seconds=STEP_SECONDS))
        self._known = 2.0  # accuracy of the best program that the model knows
        self._judge = Judge.of(sandbox, quick, spec)
        self._test = at_once(trajectories.transitions(spec, "test"))
        train = at_once(sample(trajectories.transitions(spec, "train"), TRAINING_ROWS, spec.id))
        self.task = replace(task(spec), train=train)
        self._known = self._train_score(reference.simple(spec.id)).accuracy
        self.train_score: Callable[[Program], Evaluation] = lru_cache(_KEPT)(self._train_score)
        self.test_score: Callable[[Program], float] = lru_cache(_KEPT)(self._test_score)

    def _train_score(self, program: Program) -> Evaluation:
        feedback = generator(0, self.task.environment, Purpose.FEEDBACK, int(program.hash[:8], 16))
        found = self._judge.score(program, self.task.train, show=1, feedback=feedback)[0]
        return replace(found, exact=1.0) if found.accuracy >= self._known else found

    def _test_score(self, program: Program) -> float:
        return self._judge.score(program, self._test)[0].accuracy


def at_once(data: Transitions) -> Transitions:
    """The same transitions as if all belonged to one time step: they reach a program in fewer, longer messages."""
    return replace(data, steps=np.zeros_like(data.steps))


def sample(data: Transitions, n: int, name: str) -> Transitions:
    """At most n transitions, at least three of each kind of end and of every frequent reward, in order of time."""
    if len(data) <= n:
        return data
    rng = generator(0, name, Purpose.SEARCH)
    order = rng.permutation(len(data))
    kinds = np.unique(np.column_stack([data.terminated, data.rewards]), axis=0, return_inverse=True)[1].ravel()
    rank = np.empty(len(data), np.int64)  # within its kind, in the random order
    for kind in range(kinds.max() + 1):
        members = order[kinds[order] == kind]
        rank[members] = np.arange(len(members))
    few = kinds.max() < n // 6  # else rewards are numbers, not classes
    first = order[np.argsort(rank[order] >= 3, kind="stable")] if few else order
    return data.take(np.sort(first[:n]))


def run(world: World, search: Search) -> Outcome:
    """Search once."""
    return searched(world, search, POINTS[search.point], CONTENDERS[search.contender], CALLS)


def searched(
    world: World, search: Search, rates: str, contender: tuple[str, Mapping[str, str]], at: Sequence[int]
) -> Outcome:
    """Search once with a strategy and its options, on a model of these rates; the best program after each of ``at``."""
    make_strategy: Callable[[], Strategy] = strategy(*contender)[0]
    provider = Simulated(rates)
    meter = Meter(Budget(at[-1]))
    ledger = Forgetful()
    llm = MeteredModel(provider, protocol(PROTOCOL).sampling, ledger, meter, search.environment, search.seed)
    evaluate = MeteredEvaluate(lambda program, index, best: world.train_score(program), ledger, meter)
    with suppress(BudgetExhausted, SearchOver):
        make_strategy().search(world.task, llm, evaluate, generator(search.seed, search.environment, Purpose.SEARCH))
    best = [meter.best(calls) for calls in at]
    generated = [
        scored.evaluation.accuracy
        for scored in meter.scored
        if meter.asked[scored.calls - 1].prompt.kind == "generate" and not scored.evaluation.raised
    ]
    return Outcome(
        calls=len(meter.asked),
        kinds=dict(Counter(asked.prompt.kind for asked in meter.asked)),
        generated=float(np.mean(generated)) if generated else None,
        train=[scored.evaluation.accuracy if scored else 0.0 for scored in best],
        # What raises on the sample raises on the test set, too; to see it run into its time limits takes long.
        test=[world.test_score(s.program) if s and s.evaluation.accuracy > 0 else 0.0 for s in best],
        tokens=meter.usage.prompt_tokens + meter.usage.completion_tokens,
    )
