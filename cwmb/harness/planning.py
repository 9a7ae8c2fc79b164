"""Planning with a program in the real environment, and what its returns mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache, partial
from threading import Event, Lock
from typing import Any

from cwmb.benchmark import trajectories
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
from cwmb.types import Failure, Fitted, Floats, Program
from cwmb.worlds import make


class Allowance:
    """The reference seconds that a cell may plan for. Episodes run at the same time, but count in their order.

    An episode's time is up when it and those before it have used all of it; so how many count does not depend on how
    many run at a time. Used from several threads, of which each notes the time of an episode of its own.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._spent: dict[int, float] = {}

    def spend(self, episode: int, seconds: float) -> None:
        """An episode has used so many more."""
        self._spent[episode] = self._spent.get(episode, 0.0) + seconds

    def spent(self, episode: int) -> float:
        """What an episode has used so far."""
        return self._spent.get(episode, 0.0)

    @property
    def all_spent(self) -> float:
        """What all episodes have used so far."""
        return sum(tuple(self._spent.values()))

    def left(self, episode: int) -> float:
        """What is left for an episode, as far as is known."""
        return self.seconds - sum(seconds for index, seconds in tuple(self._spent.items()) if index <= episode)


def plan(
    setup: Setup,
    spec: EnvironmentSpec,
    program: Program,
    ledger: Ledger,
    stopping: Callable[[], bool],
    stage: Callable[[Stage], None],
) -> Planning:
    """A cell's planning result, journaled episode by episode."""
    count = episode_count(spec, setup.protocol)
    stage(Stage("plan", 0, count))
    episodes = plan_episodes(
        setup.sandbox,
        spec,
        setup.protocol,
        program,
        ledger=ledger,
        seat=setup.cores.seat,
        core=setup.cores.planning,
        stopping=stopping,
        done=lambda episode: stage(Stage("plan", episode + 1, count)),
    )
    return planning(spec, setup.protocol, episodes, count)


def plan_episodes(
    sandbox: Sandbox,
    spec: EnvironmentSpec,
    protocol: BenchmarkProtocol,
    program: Program,
    *,
    ledger: Ledger | None = None,
    count: int | None = None,
    workers: int | None = None,
    allowance: Allowance | None = None,
    seat: Callable[[int], AbstractContextManager[None]] | None = None,
    core: Callable[[], AbstractContextManager[None]] = nullcontext,
    stopping: Callable[[], bool] = lambda: False,
    done: Callable[[int], None] = lambda episode: None,
    watch: Callable[[int, int], None] = lambda episode, steps: None,
) -> list[Episode]:
    """Episodes 0 … count - 1 of a program's planner, each with a process and a real environment of its own.

    The last one is cut where the protocol's time for planning was up.

    workers: how many run at a time, one per core by default; nothing depends on it. They are journaled in order.
    allowance: of the protocol's time unless given.
    seat, core: what an episode (of that number) holds while it runs, and while it plans; with a seat others on the
    machine go first.
    done: told when an episode counts; watch: how many steps an episode has taken.

    Raises:
        Interrupted: stopping() said so between two plans. What is not journaled is lost: it cost no money, only time.
    """
    count = episode_count(spec, protocol) if count is None else count
    allowance = allowance or Allowance(protocol.limits.planning_seconds)
    over = Event()

    def run(index: int) -> Episode:
        def granted() -> float:
            if over.is_set() or stopping():
                raise Interrupted
            return allowance.left(index)

        with seat(index) if seat else nullcontext():
            return _episode(
                sandbox,
                spec,
                protocol,
                ready,
                index,
                core,
                granted,
                allowance,
                seat is not None,
                partial(watch, index),
            )

    @cache
    def fitted() -> Fitted:
        spaces = trajectories.spaces(spec)
        train = trajectories.transitions(spec, "train")
        return sandbox.fit(program, *spaces, train, protocol.limits, protocol.scoring.seed)

    learning = Lock()

    def ready() -> Fitted:
        with learning:  # once for all episodes
            return fitted() if spec.fit else Fitted(program)

    threads = ThreadPoolExecutor(min(workers or cores(), count) or 1, thread_name_prefix="episode")
    running: dict[int, Future[Episode]] = {}

    def result(index: int) -> Episode:
        if not running:  # this is the first one that was not journaled
            running.update((i, threads.submit(run, i)) for i in range(index, count))
        while not wait([running[index]], timeout=0.2).done:  # one plan may take minutes
            if stopping():
                raise Interrupted
        episode = running[index].result()
        return replace(episode, cut=True) if allowance.left(index) < 0 else episode

    episodes: list[Episode] = []
    try:
        for index in range(count):
            if stopping():
                raise Interrupted
            compute = partial(result, index)
            if ledger is None:
                episode = compute()
            else:
                timing = partial(_timing, allowance, index, running)
                episode = ledger.entry("episode", index, program.hash, Episode, compute, timing=timing)
                if index not in running:
                    allowance.spend(index, ledger.reference("episode", index))
            episodes.append(episode)
            if episode.cut:
                break
            done(index)
    finally:
        over.set()
        threads.shutdown(wait=False, cancel_futures=True)  # those that still plan write nothing any more
    return episodes


def _timing(allowance: Allowance, index: int, running: Mapping[int, Future[Episode]]) -> dict[str, Any]:
    episode = running[index].result()
    at_once = episode.step_many == "used"
    return {"reference": round(allowance.spent(index), 6), "steps": episode.model_steps, "at_once": at_once}


def _episode(
    sandbox: Sandbox,
    spec: EnvironmentSpec,
    protocol: BenchmarkProtocol,
    ready: Callable[[], Fitted],
    index: int,
    core: Callable[[], AbstractContextManager[None]],
    granted: Callable[[], float],
    allowance: Allowance,
    behind: bool,
    watch: Callable[[int], None],
) -> Episode:
    """One episode. ready: the program to plan with; granted: how much longer it may plan, or raises Interrupted."""
    with core():
        learned = ready()

    def plan(observation: Floats) -> Plan:
        with core():
            seconds = granted()  # after waiting for the core
            if seconds <= 0:
                return Plan(None, cut=True)
            if learned.failure is not None:
                return Plan(None, failure=learned.failure, loaded=False)
            made = session.plan(observation, seconds)
            allowance.spend(index, made.seconds)
            return made

    simulator = make(spec)
    with sandbox.planning(
        learned.program,
        simulator.observation_space,
        simulator.action_space,
        planner_spec(spec, protocol),
        protocol.limits,
        planner_seed(spec, index),
        behind,
    ) as session:
        return planned_episode(simulator, spec, index, length(spec, protocol), plan, watch)


def planning(
    spec: EnvironmentSpec, protocol: BenchmarkProtocol, episodes: Sequence[Episode], wanted: int = 0
) -> Planning:
    """The planning result of a program. wanted: the number of episodes that were to be planned.

    Without an episode that counts, or of a program that does not load: the random policy's return. The oracle is
    represented by the same episodes, if it has them, so that a perfect deterministic program gets exactly 1.
    """
    known = of_environment(spec, protocol.name)
    whole = [e for e in episodes if not e.cut]
    loaded = any(e.loaded for e in whole)
    returns = [e.total for e in whole] if loaded else []
    if loaded:
        mean, sem = summary(returns)
    elif known.random is not None:
        mean, sem = known.random.mean, 0.0
    else:
        mean, sem = summary([e.total for e in whole]) if whole else (0.0, 0.0)
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
        episodes=len(whole),
        steps=sum(e.steps for e in whole),
        random_actions=sum(e.random_actions for e in whole),
        model_steps=sum(e.model_steps for e in episodes),
        failed_steps=sum(e.failed_steps for e in episodes),
        limited=sum(e.limited for e in whole),
        failure=_failure(episodes, protocol.limits.planning_seconds, length(spec, protocol)),
        wanted=wanted or len(episodes),
        step_many=_step_many(episodes),
    )


def _step_many(episodes: Sequence[Episode]) -> str | None:
    """Whether it was used in all episodes; else why not in the first of the others."""
    said = [e.step_many for e in episodes if e.step_many]
    return next((word for word in said if word != "used"), said[0] if said else None)


def _failure(episodes: Sequence[Episode], seconds: float, length: int) -> Failure | None:
    """What went wrong in the first episode where something did; else that none was planned in time."""
    found = next((e.failure for e in episodes if e.failure), None)
    if found is None and len(episodes) == 1 and episodes[0].cut:
        cut = episodes[0]
        return Failure(
            "timeout",
            f"no episode was planned in {seconds:g} s of CPU time: the first one came to step {cut.steps} of "
            f"{length} with {cut.model_steps} steps of the model, "
            f"{1e3 * seconds / max(cut.model_steps, 1):.2g} ms each",
        )
    return found


def _paired(oracle: Returns, count: int) -> Returns:
    if oracle.returns is None or not 0 < count < len(oracle.returns):
        return oracle
    mean, sem = summary(oracle.returns[:count])
    return Returns(mean, sem, count, oracle.returns[:count])
