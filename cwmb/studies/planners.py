"""Planners of continuous actions on the true environments: which settings make an oracle worth the name?

Every setting plans the same episodes in the environments' own simulators (no program, no sandbox), so a difference
between two settings is one between planners. Trials are kept in a CSV file as they come, and not made again while
setting and software stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, cast

from cwmb.benchmark.baselines import Returns, baselines
from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.protocols import BenchmarkProtocol, PlannerSpec, protocol
from cwmb.harness.episodes import summary
from cwmb.harness.files import locked, write_whole
from cwmb.harness.measure import oracle_episode, oracle_settings
from cwmb.report.baselines import returns_estimate
from cwmb.report.published import published_rows
from cwmb.report.table import Column, Table, Value
from cwmb.studies.stored import read_frame

STEPS = 200  # of an episode at most: the paper's CEM takes hours for a thousand


def _icem(**changes: Any) -> PlannerSpec:
    return PlannerSpec("icem", {**protocol("standard").continuous.parameters, **changes})


SETTINGS: Mapping[str, PlannerSpec] = {
    "paper's CEM": protocol("paper").continuous,
    "iCEM": _icem(),
    "every step": _icem(execute=1),
    "every 5 steps": _icem(execute=5),
    "horizon 60, every 4": _icem(horizon=60, execute=4),
    "horizon 100, every 5": _icem(horizon=100, execute=5),
    "horizon 60, every 4, 5 × 48": _icem(horizon=60, execute=4, iterations=5, samples=48),
    "5 × 48": _icem(iterations=5, samples=48),
    "6 × 64": _icem(iterations=6),
    "6 × 128": _icem(iterations=6, samples=128),
    "6 × 128, every step": _icem(iterations=6, samples=128, execute=1),
    "10 × 256": _icem(iterations=10, samples=256),
}


@dataclass(frozen=True)
class Trial:
    """One episode of one setting. total: its return; seconds: of CPU time; fingerprint: what it depends on."""

    environment: str
    setting: str
    episode: int
    total: float
    steps: int
    seconds: float
    fingerprint: str


def continuous_environments() -> tuple[str, ...]:
    """Those with continuous actions."""
    return tuple(name for name in environment_ids() if environment(name).group == "continuous")


def measure(
    names: Sequence[str], settings: Sequence[str], episodes: int, path: Path, progress: Callable[[str], None]
) -> None:
    """Make the trials that path does not have yet: episode 0 of all first, so that a part of them says something."""
    for index, name, setting in product(range(episodes), names, settings):
        if any(_key(t) == (name, setting, index) and holds(t) for t in read(path)):
            continue
        start = time.process_time()
        episode = oracle_episode(environment(name), rules(setting), index)
        seconds = round(time.process_time() - start, 1)
        _store(path, Trial(name, setting, index, episode.total, episode.steps, seconds, fingerprint(name, setting)))
        progress(f"{name}, {setting}: {episode.total:.6g} in {episode.steps} steps, {seconds:.0f} s")


def fingerprint(name: str, setting: str) -> str:
    """What a trial made today would depend on, as a hash."""
    return oracle_settings(environment(name), rules(setting))


def holds(trial: Trial) -> bool:
    """Whether a trial would come out the same today."""
    return trial.fingerprint == fingerprint(trial.environment, trial.setting)


def rules(setting: str) -> BenchmarkProtocol:
    """What a setting is tried under."""
    return replace(protocol("standard"), continuous=SETTINGS[setting], max_steps=STEPS)


def _key(trial: Trial) -> tuple[str, str, int]:
    return trial.environment, trial.setting, trial.episode


def _store(path: Path, trial: Trial) -> None:
    """Add a trial in the place of an outdated one; several processes may do so at a time."""
    import pandas as pd

    with locked(path.parent):
        trials = sorted([t for t in read(path) if _key(t) != _key(trial)] + [trial], key=_key)
        write_whole(path, pd.DataFrame([vars(t) for t in trials]).to_csv(index=False, lineterminator="\n"))


def read(path: Path) -> list[Trial]:
    """The trials of a file, none where there is no file."""
    if not path.exists():
        return []
    rows = cast("list[dict[str, Any]]", read_frame(path, "make planners").to_dict("records"))
    return [Trial(**row) for row in rows]


def table(trials: Sequence[Trial]) -> Table:
    """Mean returns by environment and setting."""
    rows: list[tuple[Value, ...]] = []
    for name in continuous_environments():
        totals = {s: [t.total for t in trials if (t.environment, t.setting) == (name, s)] for s in SETTINGS}
        if any(totals.values()):
            found = (Returns(*summary(t), len(t)) if t else None for t in totals.values())
            rows.append((name, *map(returns_estimate, found)))
    outdated = sum(not holds(trial) for trial in trials)
    return Table(
        "planners",
        f"Returns of planners on the true environments in episodes of at most {STEPS} steps, ± one standard error "
        "where there are several episodes. iCEM: 3 iterations of 64 plans of 30 actions, re-planned every 2 steps; the "
        "other settings of iCEM differ in what their names say (iterations × plans).",
        (Column("environment", "environment"), *(Column(setting, setting, digits=1) for setting in SETTINGS)),
        tuple(rows),
        (f"{outdated} of the {len(trials)} episodes were planned by an earlier revision of iCEM.",) if outdated else (),
    )


def oracle_table() -> Table:
    """The oracles of whole episodes: the paper's, measured here and as published, and that of ``standard``."""
    published = {row["environment"]: row["oracle"] for row in published_rows("12")}
    rows: list[tuple[Value, ...]] = []
    for name in continuous_environments():
        ours, paper = baselines("standard").of(name), baselines("paper").of(name).oracle
        cells: list[Value] = [name, returns_estimate(ours.random), published[name]]
        for found in (paper, ours.oracle):
            cells += [returns_estimate(found), found.episodes if found else None]
        rows.append((*cells, returns_estimate(paired_gain(ours.oracle, paper))))
    return Table(
        "oracles",
        "Returns in whole episodes on the true environments, ± one standard error where there are several episodes. "
        "Published: the oracle of Table 12 of arXiv 2405.15383, which made the environment anew while planning. Gain: "
        "of standard over the paper's CEM, in the episodes that both have.",
        (
            Column("environment", "environment"),
            Column("random", "random policy", digits=1),
            Column("published", "published", digits=1),
            Column("paper", "paper's CEM", digits=1),
            Column("paper_episodes", "episodes"),
            Column("standard", "standard", digits=1),
            Column("standard_episodes", "episodes"),
            Column("gain", "gain", digits=1),
        ),
        tuple(rows),
    )


def paired_gain(ours: Returns | None, theirs: Returns | None) -> Returns | None:
    """How much more one planner gets than another in the episodes that both have; None if there are none."""
    pairs = zip((ours and ours.returns) or (), (theirs and theirs.returns) or (), strict=False)
    gains = [a - b for a, b in pairs]
    return Returns(*summary(gains), len(gains)) if gains else None
