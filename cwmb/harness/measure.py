"""Measuring the baselines: bounds of the data, returns of the random policy and of the oracle. ``make baselines``.

What was measured is kept episode by episode in ledgers below the output folder, so that hours of work survive a kill.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cwmb import baselines as stored
from cwmb import trajectories
from cwmb.adapters import make
from cwmb.adapters.model import SimulatorModel
from cwmb.baselines import Baselines, Bounds, EnvironmentBaselines, Returns
from cwmb.catalog import EnvironmentSpec, environment
from cwmb.data import data_path
from cwmb.harness.bounds import measure as measure_bounds
from cwmb.harness.episodes import (
    Episode,
    episode_count,
    length,
    planned_episode,
    planner_seed,
    planner_spec,
    summary,
)
from cwmb.harness.files import dumps, write_whole
from cwmb.harness.judge import Judge
from cwmb.harness.ledger import Ledger
from cwmb.harness.plugins import find
from cwmb.harness.provenance import PACKAGES, versions
from cwmb.harness.seeds import Purpose, generator
from cwmb.planners import Planner, create
from cwmb.protocols import BenchmarkProtocol
from cwmb.sandbox import Plan, Sandbox
from cwmb.scoring import rules
from cwmb.types import Floats

RANDOM_EPISODES = 1000
LONG = 5.0  # seconds of an episode that is worth being told of, and stored at once


def measure(
    protocol: BenchmarkProtocol,
    names: list[str],
    sandbox: Sandbox,
    folder: Path,
    progress: Callable[[str], None],
) -> None:
    """Measure the environments named and merge them into ``results/baselines/<protocol>.json``.

    Bounds and random returns come first, the oracles' episodes one by one after them: an oracle of fewer episodes than
    the protocol has is one that was not measured to the end.
    """
    ledgers = {name: Ledger(folder / protocol.name / name) for name in names}
    for name in names:
        spec = environment(name)
        train, test = _bounds(spec, protocol, sandbox, progress)
        random = _random(spec, protocol, ledgers[name], progress)
        _store(protocol, name, partial(replace, train=train, test=test, random=random))
    for name in names:
        for oracle in _oracle(environment(name), protocol, ledgers[name], progress):
            _store(protocol, name, partial(replace, oracle=oracle))


def _store(
    protocol: BenchmarkProtocol, name: str, change: Callable[[EnvironmentBaselines], EnvironmentBaselines]
) -> None:
    stored.baselines.cache_clear()
    known = stored.baselines(protocol.name)
    # What was measured under another version of the protocol must be measured again: the ledgers hold what still holds.
    environments = dict(known.environments) if known.protocol_sha256 == protocol.checksum else {}
    environments[name] = change(environments.get(name, EnvironmentBaselines()))
    merged = Baselines(protocol.name, protocol.checksum, versions(), dict(sorted(environments.items())))
    write_whole(data_path("results", "baselines", f"{protocol.name}.json"), _lines(merged))
    stored.baselines.cache_clear()


def _lines(measured: Baselines) -> str:
    """Canonical JSON with one environment a line, so that a change shows as such."""
    head = dumps({"protocol": measured.protocol, "protocol_sha256": measured.protocol_sha256})
    environments = ",\n".join(f"{json.dumps(name)}: {dumps(b)}" for name, b in measured.environments.items())
    return f'{head[:-1]},\n"versions": {dumps(measured.versions)},\n"environments": {{\n{environments}\n}}}}\n'


def _bounds(
    spec: EnvironmentSpec, protocol: BenchmarkProtocol, sandbox: Sandbox, progress: Callable[[str], None]
) -> tuple[Bounds, Bounds]:
    """Of the training and of the test set."""
    progress(f"{spec.id}: floors and ceilings")
    simulator = make(spec)
    judge = Judge(sandbox, protocol, rules(spec, protocol.scoring), simulator.observation_space, simulator.action_space)
    train, test = trajectories.transitions(spec, "train"), trajectories.transitions(spec, "test")
    return (
        measure_bounds(spec, judge, simulator, train, train, spec.dataset.train_sha256),
        measure_bounds(spec, judge, simulator, test, train, spec.dataset.test_sha256),
    )


def _random(
    spec: EnvironmentSpec, protocol: BenchmarkProtocol, ledger: Ledger, progress: Callable[[str], None]
) -> Returns:
    progress(f"{spec.id}: random policy, {RANDOM_EPISODES} episodes")
    steps = length(spec, protocol)
    returns = ledger.entry("random", 0, fingerprint({"steps": steps}), list[float], lambda: random_returns(spec, steps))
    mean, sem = summary(returns)
    return Returns(mean, sem, len(returns))


def random_returns(spec: EnvironmentSpec, steps: int, episodes: int = RANDOM_EPISODES) -> list[float]:
    """Returns of the random policy: episode i from reset(seed=i) with Gymnasium's action_space.seed(i)."""
    from gymnasium.spaces import Box, Discrete

    simulator = make(spec)
    actions = simulator.action_space
    dtype: Any = np.dtype(actions.dtype).type
    space: Box | Discrete = (
        Discrete(int(actions.high[0]) + 1)
        if actions.kind == "discrete"
        else Box(np.array(actions.low, dtype), np.array(actions.high, dtype), dtype=dtype)
    )
    result = []
    for index in range(episodes):
        simulator.reset(index)
        space.seed(index)
        total = 0.0
        for _ in range(steps):
            action = np.atleast_1d(np.asarray(space.sample(), dtype=np.float64))
            _, reward, terminated, truncated = simulator.step(action)
            total += reward
            if terminated or truncated:
                break
        result.append(total)
    return result


def _oracle(
    spec: EnvironmentSpec, protocol: BenchmarkProtocol, ledger: Ledger, progress: Callable[[str], None]
) -> Iterator[Returns]:
    """The oracle's returns after each episode: hours may pass between two."""
    count = episode_count(spec, protocol)
    planner = planner_spec(spec, protocol)
    key = fingerprint({"planner": planner.name, **planner.parameters, "steps": length(spec, protocol)})
    returns: list[float] = []
    for index in range(count):
        run = partial(oracle_episode, spec, protocol, index)
        returns.append(ledger.entry("oracle", index, key, Episode, run).total)
        if index + 1 == count or ledger.seconds("oracle", index) > LONG:
            so_far = Returns(*summary(returns), len(returns), list(returns))
            progress(f"{spec.id}: oracle, {index + 1} of {count} episodes: {so_far.mean:.6g} ± {so_far.sem:.2g}")
            yield so_far


def fingerprint(settings: Mapping[str, Any]) -> str:
    """SHA-256 of all that a return depends on: the settings and the software that computes the dynamics."""
    software = {package: versions()[package] for package in PACKAGES}
    return hashlib.sha256(dumps({**settings, **software}).encode()).hexdigest()


def oracle_episode(spec: EnvironmentSpec, protocol: BenchmarkProtocol, index: int) -> Episode:
    """Episode ``index`` of the oracle. It plans on a simulator of its own, set to snapshots of the real one."""
    real, own = make(spec), make(spec)
    planner_ = planner_spec(spec, protocol)
    space = real.action_space
    planner: Planner = create(
        find("cwmb.planners", "planner", planner_.name).load(),
        np.array(space.low),
        np.array(space.high),
        space.dtype,
        planner_.parameters,
    )
    seed = planner_seed(spec, index)
    rng = np.random.default_rng(seed)
    hidden = generator(index, spec.id, Purpose.ORACLE)  # what chance decides while planning

    def plan(observation: Floats) -> Plan:
        model = SimulatorModel(own, real.snapshot(), hidden)
        return Plan(planner.plan(model, rng), model_steps=0, failed_steps=0, failure=None)

    return planned_episode(real, spec, index, length(spec, protocol), plan)
