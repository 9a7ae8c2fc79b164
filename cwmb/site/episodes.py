"""An episode of the planner with a program beside the truth: what each step led to, and what the program had said.

Bundles hold what episodes returned, not their states, so that one is planned anew; what came of it is kept in the
site's folder and taken from there the next time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import chosen
from cwmb.harness.records import Record
from cwmb.report.frame import Run
from cwmb.site import charts
from cwmb.site.calls import judged_program
from cwmb.types import Floats, Program, Space, Transitions

if TYPE_CHECKING:
    from cwmb.worlds.simulator import Simulator

ELEMENTS = 6  # of an observation that are shown: those that are most wrong


@dataclass(frozen=True)
class Shown:
    """The episodes of a site. folder: it, while it is made; before: the one in whose place it is put; steps: of an
    episode at most, 0 to plan none that is not there yet.
    """

    folder: Path
    before: Path
    steps: int

    def __call__(self, run: Run, record: Record) -> Mapping[str, Any] | None:
        """The episode of a cell as its page shows it, None where there is none."""
        if record.program is None:
            return None
        name = f"{record.suite}-{record.environment}-{record.protocol}-{record.program}".encode()
        file = Path("episodes") / f"{hashlib.sha256(name).hexdigest()[:32]}.json"
        try:
            found: dict[str, Any] | None = json.loads((self.before / file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            place = run.folder / record.cell.path
            source = judged_program(place, record.program) if self.steps else None
            found = episode(record, source, self.steps) if source else None
        if found is None:
            return None
        (self.folder / file).parent.mkdir(exist_ok=True)
        (self.folder / file).write_text(json.dumps(found) + "\n", encoding="utf-8")
        names = [f"observation[{i}]" for i in found["elements"]]
        return {"said": found["said"], "svg": charts.states(found["real"], found["predicted"], names)}


@dataclass
class _Recorded:
    """A real environment that notes what it went through."""

    simulator: Simulator
    rows: list[tuple[Floats, Floats, Floats, float, bool]] = field(default_factory=list)
    last: Floats | None = None

    @property
    def action_space(self) -> Space:
        return self.simulator.action_space

    def reset(self, seed: int | None = None) -> Floats:
        self.last = self.simulator.reset(seed)
        return self.last

    def step(self, action: Floats) -> tuple[Floats, float, bool, bool]:
        observation, reward, terminated, truncated = self.simulator.step(action)
        assert self.last is not None
        self.rows.append((self.last, action, observation, reward, terminated))
        self.last = observation
        return observation, reward, terminated, truncated


def episode(record: Record, program: Program, steps: int) -> dict[str, Any] | None:
    """The first episode of a cell, planned again in the sandbox, at most so many steps of it. None where the program
    does not load, or the time for planning is up before the first step.
    """
    from cwmb.harness.episodes import length, planned_episode, planner_seed, planner_spec
    from cwmb.judging.judge import Judge
    from cwmb.sandbox import Plan, Sandbox
    from cwmb.worlds import make

    rules = protocol(record.protocol)
    worlds = chosen(record.suite, None)
    spec = worlds.environment(record.environment)
    if (spec.world.seed if spec.world else None) != record.world_seed:
        return None  # a world that is not shipped
    left = rules.limits.planning_seconds
    with Sandbox(workers=1) as sandbox:
        judge = Judge.of(sandbox, rules, spec)
        fitted = judge.fitted(program)
        if fitted.failure is not None:
            return None
        recorded = _Recorded(make(spec))
        spaces = judge.observation_space, judge.action_space
        seed = planner_seed(spec, 0)
        with sandbox.planning(fitted.program, *spaces, planner_spec(spec, rules), rules.limits, seed) as session:

            def plan(observation: Floats) -> Plan:
                nonlocal left
                if left <= 0:
                    return Plan(None, cut=True)
                made = session.plan(observation, left)
                left -= made.seconds
                return made

            whole = min(length(spec, rules), steps)
            done = planned_episode(recorded, spec, 0, whole, plan)  # type: ignore[arg-type] # all that it uses
        if not done.loaded or not recorded.rows:
            return None
        truth = _transitions(recorded)
        predicted = judge.predict(program, truth).observations
    return _told(truth, predicted, done.total)


def _transitions(recorded: _Recorded) -> Transitions:
    before, actions, after, rewards, ends = zip(*recorded.rows, strict=True)
    n = len(rewards)
    return Transitions(
        np.array(before, np.float64),
        np.array(actions, np.float64),
        np.array(rewards, np.float64),
        np.array(after, np.float64),
        np.array(ends, np.bool_),
        np.zeros(n, np.bool_),
        np.zeros(n, np.int64),
        np.arange(n),
        np.ones((n, len(before[0]) + 2), np.bool_),
    )


def _told(truth: Transitions, predicted: Floats, total: float) -> dict[str, Any]:
    real = truth.next_observations
    spread = real.std(axis=0) + 1e-9
    error = np.nan_to_num(np.abs(predicted - real) / spread, nan=1e9).mean(axis=0)
    order = sorted(range(real.shape[1]), key=lambda i: (-round(float(error[i]), 6), i))
    elements = sorted(order[:ELEMENTS])
    size = real.shape[1]
    which = "all" if size <= ELEMENTS else f"{ELEMENTS} of {size}, those that are predicted worst"
    return {
        "said": f"{len(real)} steps, return {total:.6g}; elements of the observation: {which}.",
        "elements": elements,
        "real": [[_json(v) for v in row] for row in real[:, elements]],
        "predicted": [[_json(v) for v in row] for row in predicted[:, elements]],
    }


def _json(value: float) -> float | None:
    return round(float(value), 9) if np.isfinite(value) and abs(value) < 1e12 else None
