"""Probes of planning: what a plan costs on top of the model steps that it must take."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import numpy as np

from cwmb.bench import bare
from cwmb.bench.probe import Probe
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import PlannerSpec, protocol
from cwmb.benchmark.trajectories import spaces, transitions
from cwmb.harness import episodes
from cwmb.reference import program
from cwmb.sandbox import Sandbox
from cwmb.sandbox.model import CandidateModel

SEED = 0
PLANS = 4  # in a session: those with a memory plan otherwise from the second one on
TARGETS = {"mcts": 1.3, "maxuct": 2.0, "icem": 1.15, "cem": 1.15}


def planning_probes(sandbox: Sandbox) -> Iterator[Probe]:
    """The planners of protocols paper and standard on quick and slower programs."""
    paper, standard = protocol("paper"), protocol("standard")
    # The paper's plan of 2,000,000 steps took its code 20 s: a fiftieth of it says as much of a step.
    less = PlannerSpec(paper.continuous.name, {**paper.continuous.parameters, "iterations": 2, "samples": 200})
    # 21 ms a plan of CartPole.
    yield planning_probe(sandbox, "CartPole-v1", paper.discrete)
    yield planning_probe(sandbox, "Taxi-v3", paper.discrete)
    yield planning_probe(sandbox, "MountainCar-v0", standard.discrete)
    yield planning_probe(sandbox, "Pendulum-v1", less, plans=1, published=20e6 / 2e6)
    yield planning_probe(sandbox, "Pendulum-v1", standard.continuous)
    # Its contacts take a millisecond a step.
    yield planning_probe(sandbox, "HalfCheetah-v4", standard.continuous, plans=1, repeats=3)


def planning_probe(
    sandbox: Sandbox,
    name: str,
    planner: PlannerSpec,
    plans: int = PLANS,
    published: float | None = None,
    repeats: int = 15,
) -> Probe:
    """Plans from one observation with the reference program, per model step; by the same seed always the same ones."""
    spec, reference = environment(name), program(name)
    observation_space, action_space = spaces(spec)
    observation = bare.first_observation(transitions(spec, "train"))
    limits = protocol("standard").limits

    recorder = bare.Recorder(bare.environment(reference))
    discrete = action_space.kind != "box"
    again = planner.stepping == "set_state"
    model = CandidateModel(recorder, observation_space.kind, observation_space.size, discrete, again=again)
    rng = np.random.Generator(np.random.PCG64(SEED))
    made = episodes.planner(planner, action_space)
    for plan in range(1 + plans):
        model.begin(observation)
        made.plan(model, rng)
        if plan == 0:  # an episode has hundreds: what a fresh process pays for once does not count
            recorder.walks.clear()
    steps = recorder.steps

    def ours() -> float:
        with sandbox.planning(reference, observation_space, action_space, planner, limits, SEED) as session:
            session.plan(observation)
            start = perf_counter()
            taken = sum(session.plan(observation).model_steps for _ in range(plans))
            seconds = perf_counter() - start
        if taken != steps:
            raise AssertionError(f"{planner.name} took {taken} steps of {name} in the sandbox, {steps} outside of it")
        return seconds

    return Probe(
        name=f"{planner.name} {name}, {steps // plans:,} steps a plan",
        unit="µs/step",
        scale=1e6 / steps,
        ours=ours,
        bare=bare.walks(bare.environment(reference), recorder.walks, observation_space.size),
        against="bare loop with copies",
        repeats=repeats,
        published=published,
        ratio_target=TARGETS[planner.name],
    )
