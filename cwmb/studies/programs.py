"""The programs at hand, measured: what predicts how well a program can be planned with?

The programs of an environment are the reference program (also the simple one, where there is one), the persistence
program, the simple one with more and more of the faults that the simulated model makes, and what a folder of programs
holds. Where planning tells nothing (the oracle does not clearly beat the random policy), only the reference program and
those of the folder are measured; the faulty programs of environments whose steps take long are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from cwmb import reference
from cwmb.benchmark import trajectories
from cwmb.benchmark.baselines import baselines
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import protocol
from cwmb.errors import CwmbError
from cwmb.harness.episodes import episode_count, normalise
from cwmb.harness.ledger import Ledger
from cwmb.harness.planning import Allowance, plan_episodes, planning
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
SLOW = ("Swimmer-v4", "Walker2d-v4", "Ant-v4", "Humanoid-v4", "HumanoidStandup-v4")
ALSO = "also"  # the program of a folder that is given


@dataclass(frozen=True)
class Scored:
    """What is known of a program without planning, on the test split.

    horizon, simulator: of the program and of the true simulator; microseconds: of reference time that a step takes.
    """

    accuracy: float
    precision: float | None
    skill: float | None
    horizon: Horizon
    simulator: Horizon
    microseconds: float


@dataclass(frozen=True)
class Planned:
    """What planning with it brings, within the protocol's time.

    episodes: of ``wanted`` ones; microseconds: of reference time that a step of the model takes; step_many: as in
    cwmb.harness.records.Planning.
    """

    return_mean: float
    return_sem: float
    normalised_return: float | None
    normalised_sem: float | None
    episodes: int
    wanted: int
    microseconds: float
    step_many: str | None


@dataclass(frozen=True)
class Measured:
    """One program of one environment.

    name: ``reference``, ``simple``, ``persistence``, ``N faults`` or ``also``, from a folder; planned: None where it
    was not planned with.
    """

    environment: str
    name: str
    scored: Scored
    planned: Planned | None


def measure(
    names: Sequence[str],
    folder: Path,
    sandbox: Sandbox,
    progress: Callable[[str], None],
    also: Path | None = None,
    plan: Collection[str] = (),
) -> Iterator[Measured]:
    """Measure the programs of environments.

    folder: keeps each result, so that the work can go on; also: a folder of further programs, ``<environment>.py``;
    plan: the environments in which to plan with programs that have not been planned with.
    """
    for name in names:
        ledger = Ledger(folder / name)
        train = trajectories.transitions(environment(name), "train")
        for index, (label, program) in enumerate(programs(name, train, also).items()):
            if label not in ("reference", ALSO) and not _planning_tells(name):
                continue
            if label.endswith("faults") and name in SLOW:
                continue

            def scored(name: str = name, label: str = label, program: Program = program) -> Scored:
                progress(f"{name}: {label}")
                return _scored(sandbox, name, program)

            def planned(name: str = name, label: str = label, program: Program = program) -> Planned:
                if name not in plan:
                    raise _NotNow
                progress(f"{name}: planning with {label}")
                return _planned(sandbox, name, program)

            found = ledger.entry("score", index, program.hash, Scored, scored)
            try:
                returns = ledger.entry("plan", index, program.hash, Planned, planned)
            except _NotNow:
                returns = None
            yield Measured(name, label, found, returns)


class _NotNow(Exception):
    """A program is not to be planned with this time."""


def programs(name: str, train: Transitions, also: Path | None = None) -> dict[str, Program]:
    """The programs of an environment by name; those of the folder ``also``, where there is one, come last."""
    simple = reference.simple(name)
    found = {"reference": reference.program(name), "simple": simple}
    found["persistence"] = persistence.program(train)
    right = reference.steps_only(name, simple)
    for count in FAULTS:
        found[f"{count} faults"] = Program(with_faults(right.source, count, Random(f"{name} {count}")))
    if also is not None and (file := also / f"{name}.py").exists():
        found[ALSO] = Program(file.read_text(encoding="utf-8"))
    return {label: p for label, p in found.items() if label != "simple" or p != found["reference"]}


def _planning_tells(name: str) -> bool:
    scale = baselines(PROTOCOL).of(name).scale
    if scale is None:
        return False
    random, oracle = scale
    return normalise(oracle.mean, oracle.sem, random, oracle)[0] is not None


def _scored(sandbox: Sandbox, name: str, program: Program) -> Scored:
    spec = environment(name)
    truth = trajectories.transitions(spec, "test")
    recorded = recorded_trajectories(truth, trajectories.transitions(spec, "train"))
    bounds = baselines(PROTOCOL).of(name).test
    if bounds is None:
        raise CwmbError(f"{name} has no baselines under {PROTOCOL}: run 'make baselines PROTOCOL={PROTOCOL}'")
    judge = Judge.of(sandbox, protocol(PROTOCOL), spec)
    judged = judge.score(program, truth)
    evaluation = judged.evaluation
    return Scored(
        accuracy=evaluation.accuracy,
        precision=evaluation.precision,
        skill=skill(evaluation.accuracy, bounds.floor, bounds.ceiling),
        horizon=program_horizon(judge, program, recorded),
        simulator=simulator_horizon(make(spec), recorded, judge.rules.observation),
        microseconds=1e6 * judged.seconds / max(round(evaluation.ran * len(truth)), 1),
    )


def _planned(sandbox: Sandbox, name: str, program: Program) -> Planned:
    spec, chosen = environment(name), protocol(PROTOCOL)
    allowance, wanted = Allowance(chosen.limits.planning_seconds), episode_count(spec, chosen)
    episodes = plan_episodes(sandbox, spec, chosen, program, workers=1, allowance=allowance)
    result = planning(spec, chosen, episodes, wanted)
    return Planned(
        return_mean=result.return_mean,
        return_sem=result.return_sem,
        normalised_return=result.normalised_return,
        normalised_sem=result.normalised_sem,
        episodes=result.episodes,
        wanted=wanted,
        microseconds=1e6 * allowance.all_spent / max(result.model_steps, 1),
        step_many=result.step_many,
    )
