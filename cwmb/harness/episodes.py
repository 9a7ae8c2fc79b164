"""Episodes in the real environment: of a program's planner, of the oracle and of the random policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cwmb.benchmark.baselines import Returns
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import BenchmarkProtocol, PlannerSpec
from cwmb.planners import Planner, create
from cwmb.plugins import find, load
from cwmb.sandbox import Plan
from cwmb.seeds import Purpose, generator, number
from cwmb.types import Failure, Floats, Space
from cwmb.worlds.simulator import Simulator


@dataclass(frozen=True)
class Episode:
    """What became of one episode.

    limited: the model took longer than allowed, and the rest was random; loaded: whether there was a model to plan
    with; cut: the time for planning was up in the middle of it, so that it does not count; step_many: see Plan, of the
    last one.
    """

    total: float
    steps: int
    random_actions: int = 0
    model_steps: int = 0
    failed_steps: int = 0
    limited: bool = False
    failure: Failure | None = None
    loaded: bool = True
    cut: bool = False
    step_many: str | None = None


def length(spec: EnvironmentSpec, protocol: BenchmarkProtocol) -> int:
    """Steps of an episode at most."""
    return min(spec.step_limit, protocol.max_steps or spec.step_limit)


def planner_spec(spec: EnvironmentSpec, protocol: BenchmarkProtocol) -> PlannerSpec:
    """The protocol's planner for an environment, its horizon cut to the length of an episode."""
    chosen = protocol.planner(spec.group)
    parameters = {**chosen.parameters, **chosen.environments.get(spec.id, {})}
    if "horizon" in parameters:
        parameters["horizon"] = min(parameters["horizon"], length(spec, protocol))
    return PlannerSpec(chosen.name, parameters, stepping=chosen.stepping)


def planner(wanted: PlannerSpec, space: Space) -> Planner:
    """A planner of a protocol for an action space.

    Raises:
        CwmbError: there is none of that name.
        ValueError: a parameter does not exist or has an impossible value.
    """
    made = load(find("cwmb.planners", "planner", wanted.name), "planner")
    return create(made, np.array(space.low), np.array(space.high), space.dtype, wanted.parameters)


def planner_revision(wanted: PlannerSpec) -> int:
    """How often the plans of a planner have changed for the same parameters; see cwmb.planners.Planner."""
    return int(getattr(load(find("cwmb.planners", "planner", wanted.name), "planner"), "revision", 1))


def episode_count(spec: EnvironmentSpec, protocol: BenchmarkProtocol) -> int:
    """Episodes that a protocol plans in an environment."""
    return spec.episodes.get(protocol.name, protocol.episodes)


def planner_seed(spec: EnvironmentSpec, episode: int) -> int:
    """The seed of the planner in an episode: the same for every program and for the oracle."""
    return number(episode, spec.id, Purpose.PLANNER)


def planned_episode(
    simulator: Simulator,
    spec: EnvironmentSpec,
    index: int,
    steps: int,
    plan: Callable[[Floats], Plan],
    watch: Callable[[int], None] = lambda taken: None,
) -> Episode:
    """Run episode ``index`` from reset(seed=index), executing what plan(observation) says until it is asked again.

    Where there is no plan the action is random; after a fatal failure (a time-out, a crash) all remaining ones are.
    watch: told how many steps have been taken, before each plan and in the end.
    """
    rng = generator(index, spec.id, Purpose.RANDOM_POLICY)
    observation = simulator.reset(index)
    queue: list[Floats] = []
    total, taken, random_actions, model_steps, failed_steps = 0.0, 0, 0, 0, 0
    failure: Failure | None = None
    over, loaded, step_many = False, True, None
    while taken < steps and not over:
        if not queue and failure is None:
            watch(taken)
            answer = plan(observation)
            model_steps += answer.model_steps
            failed_steps += answer.failed_steps
            failure, loaded, step_many = answer.failure, answer.loaded, answer.step_many or step_many
            if answer.cut:
                return Episode(total, taken, random_actions, model_steps, failed_steps, cut=True, step_many=step_many)
            queue = list(answer.actions) if answer.actions is not None else []
        if not queue:
            queue = [random_action(simulator.action_space, rng)]
            random_actions += 1
        observation, reward, terminated, truncated = simulator.step(queue.pop(0))
        total += reward
        taken += 1
        over = terminated or truncated
    watch(taken)
    limited = loaded and failure is not None and failure.kind == "timeout"
    return Episode(
        total, taken, random_actions, model_steps, failed_steps, limited, failure, loaded, step_many=step_many
    )


def random_action(space: Space, rng: np.random.Generator) -> Floats:
    """A uniform action [A]; an unbounded dimension would be standard normal, but no action space has one."""
    if space.kind == "discrete":
        return np.array([rng.integers(int(space.low[0]), int(space.high[0]) + 1)], dtype=np.float64)
    return rng.uniform(space.low, space.high).astype(space.dtype).astype(np.float64)


def summary(totals: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error (sample standard deviation over the square root of n; 0 for a single episode)."""
    values = np.asarray(totals, dtype=np.float64)
    sem = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    return float(values.mean()), sem


def normalise(mean: float, sem: float, random: Returns, oracle: Returns) -> tuple[float | None, float | None]:
    """Normalised return and its standard error, which includes both baselines'.

    None where the oracle does not beat the random policy by two standard errors of their difference.
    """
    span = oracle.mean - random.mean
    if span <= 2 * np.hypot(oracle.sem, random.sem):
        return None, None
    value = (mean - random.mean) / span
    error = np.sqrt(sem**2 + (value * oracle.sem) ** 2 + ((1 - value) * random.sem) ** 2) / span
    return float(value), float(error)
