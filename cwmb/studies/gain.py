"""The search ``gain``, its ablations and the other strategies on simulated models: a test of code.

As the sweep (cwmb.studies.sweep), with one more kind of model: *copying* behaves as a strong model was seen to. Its
first programs are good, most of its answers from scratch are copies of each other, and it mends what it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from cwmb.benchmark.catalog import environment
from cwmb.harness.ledger import Ledger
from cwmb.report.statistics import bootstrap_interval
from cwmb.report.table import Column, Table, Value
from cwmb.sandbox import Sandbox
from cwmb.studies.sweep import Outcome, Search, World, searched

POINTS = {
    "strong": "fault=2,repair=0.5",
    "mending": "fault=6,repair=0.5",
    "weak": "fault=6,repair=0.3",
    "copying": "fault=1.5,repair=0.8,slip=0.05,unusable=0.02,repeat=0.8",
}
CONTENDERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "gain": ("gain", {}),
    "gain novelty=false": ("gain", {"novelty": "false"}),
    "gain spread=true": ("gain", {"spread": "true"}),
    "gain combine=false": ("gain", {"combine": "false"}),
    "gif_mcts": ("gif_mcts", {}),
    "best_of_n": ("best_of_n", {}),
    "refine": ("refine", {}),
    "rex": ("rex", {}),
}
# What a program costs little time in: the robots with contacts take a hundred times as long.
ENVIRONMENTS = ("CartPole-v1", "CliffWalking-v0", "Pendulum-v1")
CALLS = (1, 2, 3, 5, 10, 20)
SEEDS = 2


def searches(folder: Path, environments: Sequence[str] = ENVIRONMENTS) -> Iterator[tuple[Search, Outcome]]:
    """All searches, one after the other. folder: keeps each, so that the study can go on."""
    with Sandbox(workers=1, planners={}) as sandbox:
        for name in environments:
            ledger, world = Ledger(folder / name), World(environment(name), sandbox)
            for point, rates in POINTS.items():
                for contender, how in CONTENDERS.items():
                    for seed in range(SEEDS):
                        search = Search(name, point, contender, seed)
                        compute = partial(searched, world, search, rates, how, CALLS)
                        key = f"{rates} {CALLS}"
                        yield search, ledger.entry(f"{point} {contender}", seed, key, Outcome, compute)


def table(found: Sequence[tuple[Search, Outcome]]) -> Table:
    """Test accuracy of each strategy after so many calls, and the paired difference to ``gain``."""
    columns = (
        Column("point", "model"),
        Column("strategy", "strategy"),
        *(Column(f"accuracy_{calls}", f"{calls} calls", digits=3) for calls in CALLS),
        Column("mean", "mean", digits=3),
        Column("difference", "gain is better by", digits=3),
        Column("low", "low", digits=3),
        Column("high", "high", digits=3),
        Column("calls", "calls", digits=1),
        Column("tokens", "tokens", digits=0),
    )
    outcomes = dict(found)
    rows: list[tuple[Value, ...]] = []
    for point in POINTS:
        for contender in CONTENDERS:
            own = {s: o for s, o in outcomes.items() if (s.point, s.contender) == (point, contender)}
            if not own:
                continue
            names = sorted({s.environment for s in own})
            strata = [
                np.array(
                    [
                        _mean(outcomes[Search(name, point, "gain", s.seed)]) - _mean(o)
                        for s, o in own.items()
                        if s.environment == name
                    ]
                )
                for name in names
            ]
            interval = None if contender == "gain" else bootstrap_interval(strata)
            rows.append(
                (
                    point,
                    contender,
                    *(float(np.mean([o.test[i] for o in own.values()])) for i in range(len(CALLS))),
                    float(np.mean([_mean(o) for o in own.values()])),
                    float(np.mean([s.mean() for s in strata])) if contender != "gain" else None,
                    interval.low if interval else None,
                    interval.high if interval else None,
                    float(np.mean([o.calls for o in own.values()])),
                    float(np.mean([o.tokens for o in own.values()])),
                )
            )
    seeds = len({s.seed for s in outcomes})
    return Table(
        "gain",
        "A test of code, not a claim about strategies: the model is simulated. Test accuracy of the best program after "
        f"so many calls, means over {len({s.environment for s in outcomes})} environments with {seeds} seeds each. "
        "mean: of these columns; by how much gain's is higher, paired by environment and seed, with a 95 % bootstrap "
        "interval (seeds resampled within environments); calls and tokens until the search ended.",
        columns,
        tuple(rows),
        (
            f"Rates of the simulated model: {'; '.join(f'{name}: {rates}' for name, rates in POINTS.items())}.",
            f"Environments: {', '.join(sorted({s.environment for s in outcomes}))}. They were chosen since programs of "
            "theirs cost little time, and are few: intervals are wide, and of the six cells of a row.",
        ),
    )


def _mean(outcome: Outcome) -> float:
    return float(np.mean(outcome.test))
