"""Planners of continuous actions on the true environments: which settings make an oracle worth the name?

Every setting plans the same episodes in the environments' own simulators (no program, no sandbox), so a difference
between two settings is one between planners. Trials are kept in a CSV file as they come, and not made again while
setting and software stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from cwmb.catalog import environment, environment_ids
from cwmb.harness.episodes import summary
from cwmb.harness.files import locked, write_whole
from cwmb.harness.measure import oracle_episode, oracle_settings
from cwmb.protocols import BenchmarkProtocol, PlannerSpec, protocol
from cwmb.report.table import Column, Estimate, Table, Value, estimate
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
    for episode in range(episodes):
        for name in names:
            for setting in settings:
                rules = _rules(setting)
                fingerprint = oracle_settings(environment(name), rules)
                if any(_key(t) == (name, setting, episode) and t.fingerprint == fingerprint for t in read(path)):
                    continue
                trial = _trial(name, setting, rules, episode, fingerprint)
                _store(path, trial)
                progress(f"{name}, {setting}: {trial.total:.6g} in {trial.steps} steps, {trial.seconds:.0f} s")


def _rules(setting: str) -> BenchmarkProtocol:
    return replace(protocol("standard"), name="planners", continuous=SETTINGS[setting], max_steps=STEPS)


def _trial(name: str, setting: str, rules: BenchmarkProtocol, index: int, fingerprint: str) -> Trial:
    start = time.process_time()
    episode = oracle_episode(environment(name), rules, index)
    seconds = round(time.process_time() - start, 1)
    return Trial(name, setting, index, episode.total, episode.steps, seconds, fingerprint)


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
            rows.append((name, *(_mean(found) for found in totals.values())))
    return Table(
        "planners",
        f"Returns of planners on the true environments in episodes of at most {STEPS} steps, ± one standard error "
        "where there are several episodes. iCEM: 3 iterations of 64 plans of 30 actions, re-planned every 2 steps; the "
        "other settings of iCEM differ in what their names say (iterations × plans).",
        (Column("environment", "environment"), *(Column(setting, setting, digits=1) for setting in SETTINGS)),
        tuple(rows),
    )


def _mean(totals: Sequence[float]) -> Estimate | None:
    if not totals:
        return None
    mean, sem = summary(totals)
    return estimate(mean, sem if len(totals) > 1 else None)
