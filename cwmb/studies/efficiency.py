"""Sample efficiency: what a searched program and a learned policy make of 1, 10, 100 and all training transitions.

The search sees that many transitions in its scores and its feedback; the policy learns from the same ones. Both are
measured as ever: the program on the test set, both in the real environment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.trajectories import transitions
from cwmb.conversion import convert
from cwmb.errors import CwmbError
from cwmb.harness.files import dumps, make_folder, write_whole
from cwmb.harness.ledger import Ledger
from cwmb.harness.metering import Meter
from cwmb.harness.offline_rl import learned_return, subset
from cwmb.harness.planning import plan_episodes, planning
from cwmb.harness.records import SIMULATED
from cwmb.harness.scores import score
from cwmb.harness.search import search
from cwmb.harness.setup import Job, Setup
from cwmb.judging.judge import Judge
from cwmb.report.table import Column, Table

COUNTS: tuple[int | None, ...] = (1, 10, 100, None)  # None: all
ROWS, FIGURE = "efficiency.jsonl", "efficiency.svg"


@dataclass(frozen=True)
class Point:
    """What was made of so many transitions. who: a strategy with its model, or an offline algorithm (no skill)."""

    who: str
    environment: str
    seed: int
    transitions: int
    skill: float | None
    normalised_return: float | None
    simulated: bool


def searched(setup: Setup, spec: EnvironmentSpec, seed: int, count: int | None, folder: Path) -> Point:
    """A search that sees so many transitions.

    Raises:
        CwmbError: the suite lets programs learn from the training data by themselves.
    """
    if spec.fit:
        raise CwmbError(f"{spec.id}: programs of this suite learn from all data by themselves; choose another suite")
    train = subset(transitions(spec, "train"), count, seed)
    meter = Meter(setup.budget)
    ledger = Ledger(folder)
    job = Job(
        setup=setup,
        spec=spec,
        seed=seed,
        folder=folder,
        ledger=ledger,
        meter=meter,
        judge=Judge.of(setup.sandbox, setup.protocol, spec, setup.cores.share),
        data={"train": train, "test": transitions(spec, "test")},
    )
    found = search(job, setup.strategy.make())
    planned = []
    if found.program is not None:
        planned = plan_episodes(setup.sandbox, spec, setup.protocol, found.program, ledger=ledger)
    return Point(
        who=f"{setup.strategy.name}, {setup.provider.name}",
        environment=spec.id,
        seed=seed,
        transitions=len(train),
        skill=score(job, found.program, "test").skill,
        normalised_return=planning(spec, setup.protocol, planned).normalised_return,
        simulated=any(asked.reply.model == SIMULATED for asked in meter.asked),
    )


def study(
    setup: Setup,
    specs: Sequence[EnvironmentSpec],
    seeds: int,
    algorithms: Sequence[str],
    updates: int,
    folder: Path,
    progress: Callable[[Point], None],
) -> list[Point]:
    """All points, kept in the folder as they come in; what is there is not made again.

    Raises:
        CwmbError: see searched() and learned_return().
    """
    make_folder(folder)
    points = stored(folder)
    known = {(p.who, p.environment, p.seed, p.transitions) for p in points}
    searcher = f"{setup.strategy.name}, {setup.provider.name}"
    for spec, count, seed in product(specs, COUNTS, range(seeds)):
        size = len(subset(transitions(spec, "train"), count, seed))
        for who in (searcher, *algorithms):
            if (who, spec.id, seed, size) in known:
                continue
            if who == searcher:
                point = searched(setup, spec, seed, count, folder / "cells" / f"{spec.id}-{size}-{seed}")
            else:
                point = _learned(who, setup, spec, seed, count, updates)
            points.append(point)
            progress(point)
            write_whole(folder / ROWS, "".join(dumps(p) + "\n" for p in points))
    return points


def _learned(algorithm: str, setup: Setup, spec: EnvironmentSpec, seed: int, count: int | None, updates: int) -> Point:
    found = learned_return(algorithm, spec, setup.protocol, updates=updates, count=count, seed=seed)
    return Point(algorithm, spec.id, seed, found.transitions, None, found.normalised_return, False)


def stored(folder: Path) -> list[Point]:
    """The points of a folder, none where there are none yet. Raises CwmbError: the file is malformed."""
    path = folder / ROWS
    if not path.exists():
        return []
    try:
        return [convert(json.loads(line), Point) for line in path.read_bytes().splitlines()]
    except (ValueError, msgspec.ValidationError) as error:
        raise CwmbError(f"{path}: {error}; remove the file, and it is made anew") from error


def table(points: Sequence[Point]) -> Table:
    """One row a point."""
    columns = (
        *(Column("environment", "environment"), Column("who", "who"), Column("transitions", "transitions")),
        *(Column("seed", "seed"), Column("skill", "skill"), Column("normalised_return", "return")),
    )
    notes = ("The model simulated knows the answers: its rows test code.",) if any(p.simulated for p in points) else ()
    caption = "Skill and return by the number of training transitions."
    return Table.of("efficiency", caption, columns, map(vars, points), notes)


def draw(points: Sequence[Point], path: Path) -> None:
    """The figure: skill and return against the number of transitions, a line each, mean over environments and seeds.

    Raises:
        CwmbError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise CwmbError("the figure needs matplotlib: pip install matplotlib")
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.5), sharex=True)
    for axis, name, title in zip(axes, ("skill", "normalised_return"), ("skill", "normalised return"), strict=True):
        for who in dict.fromkeys(p.who for p in points):
            own = [p for p in points if p.who == who]
            line = _line(own, name)
            if line:
                marked = " (simulated: no result)" if any(p.simulated for p in own) else ""
                axis.plot(*zip(*line, strict=True), marker="o", label=who + marked)
        labels = [str(count or "all") for count in COUNTS]
        axis.set(title=title, xlabel="training transitions", xticks=range(len(labels)), xticklabels=labels)
        axis.grid(alpha=0.3)
    axes[1].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _line(points: Sequence[Point], name: str) -> list[tuple[int, float]]:
    """Means by place: 0 for one transition, … 3 for all."""
    places: dict[int, list[float]] = {}
    for p in points:
        value: Any = getattr(p, name)
        known = [count for count in COUNTS if count is not None]
        place = known.index(p.transitions) if p.transitions in known else len(known)
        if value is not None:
            places.setdefault(place, []).append(value)
    return [(place, sum(values) / len(values)) for place, values in sorted(places.items())]
