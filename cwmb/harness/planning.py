"""Planning with a program in the real environment, and what its returns mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from threading import Event

from cwmb.benchmark.baselines import Returns, of_environment
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import BenchmarkProtocol
from cwmb.harness.episodes import (
    Episode,
    episode_count,
    length,
    normalise,
    planned_episode,
    planner_seed,
    planner_spec,
    summary,
)
from cwmb.harness.ledger import Ledger
from cwmb.harness.metering import Interrupted
from cwmb.harness.records import Planning
from cwmb.harness.setup import Setup, Stage
from cwmb.machine import cores
from cwmb.sandbox import Plan, Sandbox
from cwmb.types import Floats, Program
from cwmb.worlds import make


def plan(
    setup: Setup,
    spec: EnvironmentSpec,
    program: Program,
    ledger: Ledger,
    stopping: Callable[[], bool],
    stage: Callable[[Stage], None],
) -> Planning:
    """A cell's planning result, journaled episode by episode."""
    episodes = plan_episodes(
        setup.sandbox,
        spec,
        setup.protocol,
        program,
        ledger=ledger,
        seat=setup.cores.seat,
        core=setup.cores.planning,
        stopping=stopping,
        stage=lambda done, of: stage(Stage("plan", done, of)),
    )
    return planning(spec, setup.protocol, episodes)


def plan_episodes(
    sandbox: Sandbox,
    spec: EnvironmentSpec,
    protocol: BenchmarkProtocol,
    program: Program,
    *,
    ledger: Ledger | None = None,
    count: int | None = None,
    workers: int | None = None,
    seat: Callable[[], AbstractContextManager[None]] = nullcontext,
    core: Callable[[], AbstractContextManager[None]] = nullcontext,
    stopping: Callable[[], bool] = lambda: False,
    stage: Callable[[int, int], None] = lambda done, of: None,
) -> list[Episode]:
    """Episodes 0 … count - 1 of a program's planner, each with a process and a real environment of its own.

    workers: how many run at a time, one per core by default; nothing depends on it. They are journaled in order.
    seat, core: what an episode holds while it runs, and while it plans.

    Raises:
        Interrupted: stopping() said so between two plans. What is not journaled is lost: it cost no money, only time.
    """
    count = episode_count(spec, protocol) if count is None else count
    over = Event()

    def run(index: int) -> Episode:
        with seat():
            return _episode(sandbox, spec, protocol, program, index, core, lambda: over.is_set() or stopping())

    threads = ThreadPoolExecutor(min(workers or cores(), count) or 1, thread_name_prefix="episode")
    running: dict[int, Future[Episode]] = {}

    def result(index: int) -> Episode:
        if not running:  # this is the first one that was not journaled
            running.update((i, threads.submit(run, i)) for i in range(index, count))
        while not wait([running[index]], timeout=0.2).done:  # one plan may take minutes
            if stopping():
                raise Interrupted
        return running[index].result()

    episodes = []
    try:
        for index in range(count):
            if stopping():
                raise Interrupted
            stage(index, count)
            compute = partial(result, index)
            episodes.append(ledger.entry("episode", index, program.hash, Episode, compute) if ledger else compute())
    finally:
        over.set()
        threads.shutdown(wait=False, cancel_futures=True)  # those that still plan write nothing any more
    return episodes


def _episode(
    sandbox: Sandbox,
    spec: EnvironmentSpec,
    protocol: BenchmarkProtocol,
    program: Program,
    index: int,
    core: Callable[[], AbstractContextManager[None]],
    stopping: Callable[[], bool],
) -> Episode:
    def plan(observation: Floats) -> Plan:
        with core():
            if stopping():  # since it began to wait
                raise Interrupted
            return session.plan(observation)

    simulator = make(spec)
    with sandbox.planning(
        program,
        simulator.observation_space,
        simulator.action_space,
        planner_spec(spec, protocol),
        protocol.limits,
        planner_seed(spec, index),
    ) as session:
        return planned_episode(simulator, spec, index, length(spec, protocol), plan)


def planning(spec: EnvironmentSpec, protocol: BenchmarkProtocol, episodes: Sequence[Episode]) -> Planning:
    """The planning result of a program. Without episodes, or of one that does not load: the random policy's return.

    The oracle is represented by the same episodes, if it has them, so that a perfect deterministic program gets
    exactly 1.
    """
    known = of_environment(spec, protocol.name)
    loaded = any(e.model_steps for e in episodes)
    returns = [e.total for e in episodes] if loaded else []
    if loaded:
        mean, sem = summary(returns)
    elif known.random is not None:
        mean, sem = known.random.mean, 0.0
    else:
        mean, sem = summary([e.total for e in episodes]) if episodes else (0.0, 0.0)
    value = error = None
    if known.scale is not None:
        random, oracle = known.scale
        value, error = normalise(mean, sem, random, _paired(oracle, len(returns)))
    return Planning(
        returns=returns,
        return_mean=mean,
        return_sem=sem,
        normalised_return=value,
        normalised_sem=error,
        episodes=len(episodes),
        steps=sum(e.steps for e in episodes),
        random_actions=sum(e.random_actions for e in episodes),
        model_steps=sum(e.model_steps for e in episodes),
        failed_steps=sum(e.failed_steps for e in episodes),
        limited=sum(e.limited for e in episodes),
        failure=next((e.failure for e in episodes if e.failure), None),
    )


def _paired(oracle: Returns, count: int) -> Returns:
    if oracle.returns is None or not 0 < count < len(oracle.returns):
        return oracle
    mean, sem = summary(oracle.returns[:count])
    return Returns(mean, sem, count, oracle.returns[:count])
