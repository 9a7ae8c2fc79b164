"""The programs at hand, measured: what predicts how well a program can be planned with?

The programs of an environment are the reference program (also the simple one, where there is one), the persistence
program, the simple one with more and more of the faults that the simulated model makes, and what a folder of programs
holds. Where planning tells nothing (the oracle does not clearly beat the random policy), only the reference program and
those of the folder are measured; Swimmer's faulty programs are left out, since planning with one takes minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path
from random import Random

from cwmb import reference
from cwmb.benchmark import trajectories
from cwmb.benchmark.baselines import baselines
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import protocol
from cwmb.errors import CwmbError
from cwmb.harness.episodes import normalise, planner_spec
from cwmb.harness.ledger import Ledger
from cwmb.harness.planning import plan_episodes, planning
from cwmb.judging.horizon import Horizon, program_horizon, recorded_trajectories, simulator_horizon
from cwmb.judging.judge import Judge
from cwmb.judging.scoring import skill
from cwmb.models.faults import with_faults
from cwmb.sandbox import Sandbox
from cwmb.strategies import persistence
from cwmb.types import Program, Transitions
from cwmb.worlds import make

PROTOCOL = "quick"  # whose scoring rules are those of standard, and whose planning is affordable
FAULTS = (1, 2, 3, 5, 8)
SLOW = ("Swimmer-v4",)
ALSO = "also"  # the program of a folder that is given


@dataclass(frozen=True)
class Measured:
    """One program of one environment.

    name: ``reference``, ``simple``, ``persistence``, ``N faults`` or ``also``, from a folder; accuracy, precision, skill: on
    the test split; horizon, simulator: of the program and of the true simulator;
    return_mean, return_sem, normalised_return, normalised_sem: of planning with it.
    """

    environment: str
    name: str
    accuracy: float
    precision: float | None
    skill: float | None
    horizon: Horizon
    simulator: Horizon
    return_mean: float
    return_sem: float
    normalised_return: float | None
    normalised_sem: float | None


def measure(
    names: Sequence[str], folder: Path, sandbox: Sandbox, progress: Callable[[str], None], also: Path | None = None
) -> Iterator[Measured]:
    """Measure the programs of environments.

    folder: keeps each result, so that the work can go on; also: a folder of further programs, ``<environment>.py``.
    """
    for name in names:
        ledger = Ledger(folder / name)
        train = trajectories.transitions(environment(name), "train")
        for index, (label, program) in enumerate(programs(name, train, also).items()):
            if label not in ("reference", ALSO) and not _planning_tells(name):
                continue
            if label.endswith("faults") and name in SLOW:
                continue
            progress(f"{name}: {label}")
            run = partial(_measured, sandbox, name, label, program)
            yield ledger.entry("program", index, program.hash, Measured, run)


def reference_seconds(names: Sequence[str], folder: Path, sandbox: Sandbox) -> dict[str, float]:
    """Seconds that a step of each environment's reference program takes."""
    found = {}
    for name in names:
        program = reference.program(name)
        run = partial(step_seconds, name, program, sandbox)
        found[name] = Ledger(folder / name).entry("seconds", 0, program.hash, float, run)
    return found


def step_seconds(name: str, program: Program, sandbox: Sandbox) -> float:
    """What a step of a program takes while the protocol's planner plans with it: the fastest of three plans."""
    spec, chosen = environment(name), protocol(PROTOCOL)
    simulator = make(spec)
    spaces = simulator.observation_space, simulator.action_space
    observation = simulator.reset(0)
    seconds = []
    with sandbox.planning(program, *spaces, planner_spec(spec, chosen), chosen.limits, 0) as session:
        session.plan(observation)  # starts the process
        for _ in range(3):
            start = time.perf_counter()
            plan = session.plan(observation)
            seconds.append((time.perf_counter() - start) / max(plan.model_steps, 1))
    return min(seconds)


def programs(name: str, train: Transitions, also: Path | None = None) -> dict[str, Program]:
    """The programs of an environment by name; those of the folder ``also``, where there is one, come last."""
    simple = reference.simple(name)
    found = {"reference": reference.program(name), "simple": simple}
    found["persistence"] = persistence.program(train)
    for count in FAULTS:
        found[f"{count} faults"] = Program(with_faults(simple.source, count, Random(f"{name} {count}")))
    if also is not None and (file := also / f"{name}.py").exists():
        found[ALSO] = Program(file.read_text(encoding="utf-8"))
    return {label: p for label, p in found.items() if label != "simple" or p != found["reference"]}


def _planning_tells(name: str) -> bool:
    scale = baselines(PROTOCOL).of(name).scale
    if scale is None:
        return False
    random, oracle = scale
    return normalise(oracle.mean, oracle.sem, random, oracle)[0] is not None


def _measured(sandbox: Sandbox, name: str, label: str, program: Program) -> Measured:
    spec, chosen = environment(name), protocol(PROTOCOL)
    simulator, truth = make(spec), trajectories.transitions(spec, "test")
    recorded = recorded_trajectories(truth, trajectories.transitions(spec, "train"))
    bounds = baselines(PROTOCOL).of(name).test
    if bounds is None:
        raise CwmbError(f"{name} has no baselines under {PROTOCOL}: run 'make baselines PROTOCOL={PROTOCOL}'")
    judge = Judge.of(sandbox, chosen, spec)
    evaluation = judge.score(program, truth).evaluation
    whole = replace(chosen, limits=replace(chosen.limits, planning_seconds=inf))  # all episodes, however slow
    result = planning(spec, chosen, plan_episodes(sandbox, spec, whole, program, workers=1))
    return Measured(
        environment=name,
        name=label,
        accuracy=evaluation.accuracy,
        precision=evaluation.precision,
        skill=skill(evaluation.accuracy, bounds.floor, bounds.ceiling),
        horizon=program_horizon(judge, program, recorded),
        simulator=simulator_horizon(simulator, recorded, judge.rules.observation),
        return_mean=result.return_mean,
        return_sem=result.return_sem,
        normalised_return=result.normalised_return,
        normalised_sem=result.normalised_sem,
    )
