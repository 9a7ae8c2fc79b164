"""What is recorded of each environment: behaviour from random to strong, and what it seldom meets (PROTOCOL section 3).

Ten levels. With discrete actions level i acts at random with probability 1 - i/9 and else by a strong policy. With
continuous ones level 0 is random and the others carry out, open loop, what CEM found in so many iterations on the real
environment. A level is recorded until it holds a number of transitions. Then follow short episodes from chosen states
(cwmb.collect.edges), and the ends of random episodes where good behaviour seldom meets them. The test set of a small
deterministic environment is every valid state-action pair once instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from zlib import crc32

import numpy as np

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.trajectories import concatenate
from cwmb.collect.edges import EDGES, Edge
from cwmb.collect.policies import (
    Controller,
    balance,
    basic_strategy,
    best_of_random,
    pump,
    swing,
    tabulate,
    value_iteration,
)
from cwmb.collect.recording import Policy, Recording, cast, play, random_action
from cwmb.planners.cem import CEM
from cwmb.types import Floats, Split, Transitions
from cwmb.worlds.oracle import SimulatorModel
from cwmb.worlds.simulator import Simulator

EPSILONS = tuple(1 - i / 9 for i in range(10))
CEM_ITERATIONS = (0, 2, 3, 4, 5, 8, 12, 16, 20, 25)
EDGE_EPISODES, EDGE_STEPS = 32, 4
LONGEST_END = 300  # steps in which a random episode must have ended for its end to be recorded

# Episode seeds count on from here; far from the small ones that episodes of an evaluation are reset with.
FIRST_SEED: dict[Split, int] = {"train": 1_000_000, "test": 2_000_000}
SEEDS_PER_LEVEL = 1_000


@dataclass(frozen=True)
class Recipe:
    """How much is recorded, and by what strong policy.

    transitions: of a level, at least; steps: of an episode, at most; samples: plans in a CEM iteration, a tenth of
    them, at least 10, elites; iterations: of CEM, at most; table: whether a level's episodes are so short that they
    are stored together; ends: whether ends of random episodes are recorded besides.
    """

    transitions: int = 100
    steps: int = 100
    samples: int = 200
    iterations: int = CEM_ITERATIONS[-1]
    controller: Callable[[Simulator], Controller] | None = None
    table: bool = False
    ends: bool = False


# The paper's sizes are the orientation. The costly simulators get fewer samples.
RECIPES = {
    "CartPole-v1": Recipe(transitions=40, steps=60, controller=lambda _: balance),
    "MountainCar-v0": Recipe(transitions=150, steps=200, controller=lambda _: swing),
    "Acrobot-v1": Recipe(transitions=400, steps=500, controller=lambda _: pump),
    "CliffWalking-v0": Recipe(transitions=80, controller=value_iteration),
    "Taxi-v3": Recipe(transitions=300, steps=200, controller=value_iteration, table=True),
    "Blackjack-v1": Recipe(transitions=60, controller=lambda _: basic_strategy, table=True),
    "Reacher-v4": Recipe(transitions=50),
    "InvertedPendulum-v4": Recipe(transitions=50),
    "InvertedDoublePendulum-v4": Recipe(transitions=30),
    "Pusher-v4": Recipe(samples=100),
    "HalfCheetah-v4": Recipe(samples=100),
    "Swimmer-v4": Recipe(samples=100),
    "Hopper-v4": Recipe(samples=100, ends=True),
    "Walker2d-v4": Recipe(samples=100, ends=True),
    "Ant-v4": Recipe(samples=60, ends=True),
    "Humanoid-v4": Recipe(samples=60, ends=True),
    "HumanoidStandup-v4": Recipe(samples=40),
}


def recordings(spec: EnvironmentSpec, simulator: Simulator, split: Split, first_seed: int) -> Iterator[Recording]:
    """All recordings of a split, one level after the other. The same arguments give the same recordings.

    first_seed: FIRST_SEED[split], or another one for a data set that nobody has seen.
    """
    if split == "test" and simulator.observation_space.kind == "discrete" and not spec.stochastic:
        yield _every_pair(simulator)
        return
    recipe = RECIPES.get(spec.id, Recipe())
    for level, (start, provenance) in enumerate(behaviour(spec, simulator, recipe)):
        episodes: list[Recording] = []
        while sum(len(e.transitions) for e in episodes) < recipe.transitions:
            seed = first_seed + level * SEEDS_PER_LEVEL + len(episodes)
            rng = _generator(spec, seed)
            observation = simulator.reset(seed)
            transitions = play(simulator, observation, start(rng), recipe.steps)
            episodes.append(Recording(transitions, {**provenance, "start": "reset"}, seed))
        if recipe.table:
            yield _together(episodes)
        else:
            yield from (_with_return(e) for e in episodes)
    first_seed += len(EPSILONS) * SEEDS_PER_LEVEL
    edges = EDGES.get(spec.id, ())
    for kind, edge in enumerate(edges):
        yield _from_edge(spec, simulator, edge, first_seed + kind * SEEDS_PER_LEVEL)
    if recipe.ends:
        yield _ends(spec, simulator, first_seed + len(edges) * SEEDS_PER_LEVEL)


def _from_edge(spec: EnvironmentSpec, simulator: Simulator, edge: Edge, first_seed: int) -> Recording:
    """Short episodes of random actions from chosen states."""
    episodes = []
    for seed in range(first_seed, first_seed + EDGE_EPISODES):
        rng = _generator(spec, seed)
        observation = cast(edge(rng), simulator.observation_space)
        simulator.reset(seed)
        simulator.restore(observation)
        transitions = play(simulator, observation, partial(_random, simulator, rng), EDGE_STEPS)
        provenance = {"policy": "random", "start": f"chosen: {edge.__name__}"}
        episodes.append(Recording(transitions, provenance, seed))
    return _together(episodes)


def _ends(spec: EnvironmentSpec, simulator: Simulator, first_seed: int) -> Recording:
    """The last steps of random episodes that terminate; steps count from the first one kept."""
    ends: list[Recording] = []
    for seed in range(first_seed, first_seed + SEEDS_PER_LEVEL):
        rng = _generator(spec, seed)
        episode = play(simulator, simulator.reset(seed), partial(_random, simulator, rng), LONGEST_END)
        if episode.terminated[-1]:
            kept = episode.take(slice(-EDGE_STEPS, None))
            kept = replace(kept, steps=np.arange(len(kept), dtype=np.int64))
            ends.append(Recording(kept, {"policy": "random", "start": f"last {EDGE_STEPS} steps"}, seed))
        if len(ends) == EDGE_EPISODES:
            break
    return _together(ends)


Start = Callable[[np.random.Generator], Policy]  # called when the simulator stands at the start of an episode


def behaviour(spec: EnvironmentSpec, simulator: Simulator, recipe: Recipe) -> Iterator[tuple[Start, dict[str, Any]]]:
    """The ten levels of behaviour, from random to strong, each with what is to be said of it."""
    return _mixtures(recipe, simulator) if spec.group == "discrete" else _plans(recipe, simulator, spec)


def _mixtures(recipe: Recipe, simulator: Simulator) -> Iterator[tuple[Start, dict[str, Any]]]:
    strong = recipe.controller(simulator) if recipe.controller else None
    name = getattr(strong, "__name__", "best_of_random").strip("_")

    def start(epsilon: float, rng: np.random.Generator) -> Policy:
        def act(observation: Floats) -> Floats:
            if rng.random() < epsilon:
                return _random(simulator, rng, observation)
            return np.array([strong(observation) if strong else best_of_random(simulator, rng)], dtype=np.float64)

        return act

    for epsilon in EPSILONS:
        yield partial(start, epsilon), {"policy": f"epsilon-mixture of random and {name}", "epsilon": epsilon}


def _plans(recipe: Recipe, simulator: Simulator, spec: EnvironmentSpec) -> Iterator[tuple[Start, dict[str, Any]]]:
    space, horizon = simulator.action_space, min(recipe.steps, spec.step_limit)
    yield lambda rng: partial(_random, simulator, rng), {"policy": "random"}
    for iterations in CEM_ITERATIONS[1:]:
        planner = CEM(
            np.array(space.low), np.array(space.high), space.dtype,
            horizon=horizon, iterations=min(iterations, recipe.iterations),
            samples=recipe.samples, elites=max(10, recipe.samples // 10),
        )  # fmt: skip

        def start(rng: np.random.Generator, planner: CEM = planner) -> Policy:
            here = simulator.snapshot()
            plan = iter(planner.plan(SimulatorModel(simulator, here, rng), rng))
            simulator.load(here)
            return lambda _: next(plan)

        yield (
            start,
            {
                "policy": "open-loop CEM on the real environment",
                "iterations": planner.iterations,
                "samples": planner.samples,
                "elites": planner.elites,
                "horizon": horizon,
            },
        )


def _random(simulator: Simulator, rng: np.random.Generator, _: Floats) -> Floats:
    return random_action(simulator.action_space, rng)


def _generator(spec: EnvironmentSpec, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, crc32(spec.id.encode())])


def _with_return(episode: Recording) -> Recording:
    total = float(episode.transitions.rewards.sum())
    return replace(episode, provenance={**episode.provenance, "return": total})


def _together(episodes: list[Recording]) -> Recording:
    """Several episodes of the same provenance as one table."""
    parts = [replace(e.transitions, episodes=e.transitions.episodes + i) for i, e in enumerate(episodes)]
    provenance = {
        **episodes[0].provenance,
        "seeds": [e.seed for e in episodes],
        "returns": [float(e.transitions.rewards.sum()) for e in episodes],
    }
    return Recording(concatenate(parts), provenance, table=True)


def _every_pair(simulator: Simulator) -> Recording:
    """Every valid state-action pair once, each an episode of one step."""
    table = tabulate(simulator)
    n = len(table)
    pairs = np.array(list(table), dtype=np.float64)
    following, rewards, done = zip(*table.values(), strict=True)
    transitions = Transitions(
        observations=pairs[:, :1],
        actions=pairs[:, 1:],
        rewards=np.array(rewards, dtype=np.float64),
        next_observations=np.array(following, dtype=np.float64)[:, None],
        terminated=np.array(done, dtype=bool),
        truncated=np.zeros(n, dtype=bool),
        episodes=np.arange(n, dtype=np.int64),
        steps=np.zeros(n, dtype=np.int64),
        determined=np.zeros((n, 3), dtype=bool),
    )
    provenance = {"policy": "every valid state-action pair once", "start": "chosen: every valid state"}
    return Recording(transitions, provenance, table=True)
