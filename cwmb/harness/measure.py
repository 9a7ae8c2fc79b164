"""Measuring the baselines: bounds of the data, returns of the random policy and of the oracle. ``make baselines``.

What was measured is stored as it comes in and not measured again while it holds, so that hours of work survive a kill
and can be spread over many runs.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from cwmb.benchmark import baselines as stored
from cwmb.benchmark import trajectories
from cwmb.benchmark.baselines import Baselines, Bounds, EnvironmentBaselines, Returns
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import BenchmarkProtocol, protocol_names
from cwmb.benchmark.suites import fingerprint
from cwmb.harness.episodes import (
    Episode,
    episode_count,
    length,
    planned_episode,
    planner,
    planner_revision,
    planner_seed,
    planner_spec,
    summary,
)
from cwmb.harness.files import dumps, locked, write_whole
from cwmb.harness.provenance import versions
from cwmb.judging.bounds import measure as measure_bounds
from cwmb.judging.judge import Judge
from cwmb.sandbox import Plan, Sandbox
from cwmb.seeds import Purpose, generator
from cwmb.types import Floats
from cwmb.worlds import make
from cwmb.worlds.oracle import SimulatorModel

RANDOM_EPISODES = 1000
DYNAMICS = ("gymnasium", "mujoco")  # pinned; numpy is not, and decides at most last bits and draws
LONG = 5.0  # CPU seconds of work that are worth being told of, and stored at once


def measure(
    protocol: BenchmarkProtocol,
    specs: Sequence[EnvironmentSpec],
    sandbox: Sandbox,
    progress: Callable[[str], None],
) -> None:
    """Measure what is missing of the environments given in their suite's ``<protocol>.json``.

    Bounds and random returns come first, the oracles' episodes after them: an oracle of fewer episodes than the
    protocol has is one that was not measured to the end.
    """
    for spec in specs:
        train, test = _bounds(spec, protocol, sandbox, progress)
        _store(protocol, spec, partial(replace, train=train, test=test))
        random = _known_random(spec, protocol)
        if random is None:
            progress(f"{spec.id}: random policy, {RANDOM_EPISODES} episodes")
            random = _random(spec, protocol)
        _store(protocol, spec, partial(replace, random=random))
    for spec in specs:
        for oracle in _oracle(spec, protocol, stored.of_environment(spec, protocol.name).oracle):
            _store(protocol, spec, partial(replace, oracle=oracle))
            progress(
                f"{spec.id}: oracle, {oracle.episodes} of {episode_count(spec, protocol)} episodes: "
                f"{oracle.mean:.6g} ± {oracle.sem:.2g}"
            )


def _store(
    protocol: BenchmarkProtocol,
    spec: EnvironmentSpec,
    change: Callable[[EnvironmentBaselines], EnvironmentBaselines],
) -> None:
    """Change what is stored of an environment, and drop what a change of the protocol or the software made wrong.

    The returns of other environments stay: another process may have spent hours on them under a newer protocol.
    """
    name, folder = spec.id, stored.folder(spec)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        stored.baselines.cache_clear()
        known = stored.baselines(protocol.name, folder)
        same = known.protocol_sha256 == protocol.checksum
        environments = {n: b if same else replace(b, train=None, test=None) for n, b in known.environments.items()}
        environments[name] = change(_valid(spec, environments.get(name, EnvironmentBaselines()), protocol))
        merged = Baselines(protocol.name, protocol.checksum, versions(), dict(sorted(environments.items())))
        write_whole(folder / f"{protocol.name}.json", _lines(merged))
        stored.baselines.cache_clear()


def _valid(spec: EnvironmentSpec, known: EnvironmentBaselines, protocol: BenchmarkProtocol) -> EnvironmentBaselines:
    if known.random is not None and known.random.settings != random_settings(spec, protocol):
        known = replace(known, random=None)
    if known.oracle is not None and known.oracle.settings != oracle_settings(spec, protocol):
        known = replace(known, oracle=None)
    return known


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
    judge = Judge.of(sandbox, protocol, spec)
    train, test = trajectories.transitions(spec, "train"), trajectories.transitions(spec, "test")
    return (
        measure_bounds(spec, judge, simulator, train, train, spec.dataset.train_sha256),
        measure_bounds(spec, judge, simulator, test, train, spec.dataset.test_sha256),
    )


def _known_random(spec: EnvironmentSpec, protocol: BenchmarkProtocol) -> Returns | None:
    """What this or another protocol has measured: the random policy knows nothing of a planner."""
    for name in protocol_names():
        found = stored.of_environment(spec, name).random
        if found is not None and found.settings == random_settings(spec, protocol):
            return found
    return None


def _random(spec: EnvironmentSpec, protocol: BenchmarkProtocol) -> Returns:
    start = time.process_time()
    mean, sem = summary(random_returns(spec, length(spec, protocol)))
    seconds = round(time.process_time() - start, 1)
    return Returns(mean, sem, RANDOM_EPISODES, settings=random_settings(spec, protocol), cpu_seconds=seconds)


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


def _oracle(spec: EnvironmentSpec, protocol: BenchmarkProtocol, known: Returns | None) -> Iterator[Returns]:
    """The oracle's returns with ever more episodes: hours may pass between two."""
    returns = list(known.returns or ()) if known else []
    seconds = known.cpu_seconds if known else 0.0
    count, settings = episode_count(spec, protocol), oracle_settings(spec, protocol)
    start = time.process_time()
    for index in range(len(returns), count):
        returns.append(oracle_episode(spec, protocol, index).total)
        taken = time.process_time() - start
        if index + 1 == count or taken > LONG:
            seconds, start = round(seconds + taken, 1), start + taken
            yield Returns(*summary(returns), len(returns), list(returns), settings, seconds)


def random_settings(spec: EnvironmentSpec, protocol: BenchmarkProtocol) -> str:
    """What the random policy's returns depend on, as a hash."""
    return _fingerprint(spec, {"steps": length(spec, protocol)})


def oracle_settings(spec: EnvironmentSpec, protocol: BenchmarkProtocol) -> str:
    """What the oracle's returns depend on, as a hash."""
    wanted = planner_spec(spec, protocol)
    revision = planner_revision(wanted)
    changed = {"revision": revision} if revision > 1 else {}
    return _fingerprint(spec, {"planner": wanted.name, **wanted.parameters, **changed, "steps": length(spec, protocol)})


def _fingerprint(spec: EnvironmentSpec, settings: Mapping[str, Any]) -> str:
    """SHA-256 of settings, of the software that computes the dynamics, and of a world's constants."""
    software = {package: versions()[package] for package in DYNAMICS}
    world = {"world": fingerprint(spec)} if spec.world else {}
    return hashlib.sha256(dumps({**settings, **software, **world}).encode()).hexdigest()


def oracle_episode(spec: EnvironmentSpec, protocol: BenchmarkProtocol, index: int) -> Episode:
    """Episode ``index`` of the oracle. It plans on a simulator of its own, set to snapshots of the real one."""
    real, own = make(spec), make(spec)
    planning = planner(planner_spec(spec, protocol), real.action_space)
    rng = np.random.default_rng(planner_seed(spec, index))
    hidden = generator(index, spec.id, Purpose.ORACLE)  # what chance decides while planning

    def plan(observation: Floats) -> Plan:
        model = SimulatorModel(own, real.snapshot(), hidden)
        return Plan(planning.plan(model, rng), model_steps=0, failed_steps=0, failure=None)

    return planned_episode(real, spec, index, length(spec, protocol), plan)
