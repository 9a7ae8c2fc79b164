"""Offline reinforcement learning on the same data: what a policy gets that was learned without any model (table 12).

The algorithms are tianshou's (extra ``offline-rl``). Observations are standardised by the training data, discrete ones
are one column a value; actions lie in [-1, 1] while learning. A policy's episodes are the planners': the same seeds,
lengths and baselines.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import numpy as np

from cwmb.benchmark.baselines import of_environment
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.data import data_path
from cwmb.benchmark.protocols import BenchmarkProtocol
from cwmb.benchmark.trajectories import dataset, spaces, transitions
from cwmb.conversion import convert
from cwmb.errors import CwmbError, unknown
from cwmb.harness.episodes import episode_count, length, normalise, planned_episode, summary
from cwmb.harness.files import dumps, locked, make_folder, write_whole
from cwmb.sandbox import Plan
from cwmb.types import Floats, Space, Transitions
from cwmb.worlds import make

Algorithm = Literal["bc", "cql", "td3bc"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
PAPER_UPDATES = 1000  # ten epochs of a hundred steps
BATCH, WIDTH, RATE, DISCOUNT, QUANTILES = 64, 128, 3e-4, 0.99, 50
ONE_COLUMN_EACH = 1000  # values of a discrete observation, at most

Policy = Callable[[Floats], Floats]


@dataclass(frozen=True)
class PolicyReturn:
    """What a learned policy got in the real environment.

    transitions: of the training data that it learned from; updates: gradient steps; mean, sem, normalised_return: as of
    planning. versions: of what it was learned with.
    """

    algorithm: Algorithm
    environment: str
    suite: str
    protocol: str
    seed: int
    transitions: int
    updates: int
    data_sha256: str
    returns: list[float]
    mean: float
    sem: float
    normalised_return: float | None
    normalised_sem: float | None
    versions: dict[str, str]

    @property
    def key(self) -> tuple[str | int, ...]:
        """What tells it from others."""
        return (
            *(self.suite, self.environment, self.algorithm, self.protocol),
            *(self.transitions, self.updates, self.seed),
        )


def learned_return(
    algorithm: str,
    spec: EnvironmentSpec,
    protocol: BenchmarkProtocol,
    *,
    updates: int = PAPER_UPDATES,
    count: int | None = None,
    seed: int = 0,
    episodes: int | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, of: None,
) -> PolicyReturn:
    """Learn a policy from training transitions, and run it in the real environment.

    count: how many transitions, drawn, of all unless said; episodes: the protocol's unless said.

    Raises:
        CwmbError: there is no such algorithm, it does not fit the environment, or tianshou is not installed.
    """
    if algorithm not in ALGORITHMS:
        raise unknown("offline algorithm", algorithm, ALGORITHMS)
    chosen: Algorithm = algorithm
    if find_spec("tianshou") is None:
        raise CwmbError("offline reinforcement learning needs tianshou: pip install 'cwmb[offline-rl]'")
    train = subset(transitions(spec, "train"), count, seed)
    policy = learn(chosen, *spaces(spec), train, updates, seed, lambda done: progress("updates", done, updates))
    number = episodes or episode_count(spec, protocol)
    returns = []
    for index in range(number):
        returns.append(_episode(policy, spec, index, length(spec, protocol)))
        progress("episodes", index + 1, number)
    mean, sem = summary(returns)
    known = of_environment(spec, protocol.name)
    value = error = None
    if known.scale is not None:
        value, error = normalise(mean, sem, *known.scale)
    return PolicyReturn(
        algorithm=chosen,
        environment=spec.id,
        suite=spec.world.suite if spec.world else "cwmb18",
        protocol=protocol.name,
        seed=seed,
        transitions=len(train),
        updates=updates,
        data_sha256=dataset(spec, "train")[1],
        returns=returns,
        mean=mean,
        sem=sem,
        normalised_return=value,
        normalised_sem=error,
        versions=_versions(),
    )


def subset(train: Transitions, count: int | None, seed: int) -> Transitions:
    """So many of the transitions, drawn; those of a smaller count are among those of a larger one."""
    if count is None or count >= len(train):
        return train
    return train.take(np.sort(np.random.default_rng(seed).permutation(len(train))[:count]))


def _episode(policy: Policy, spec: EnvironmentSpec, index: int, steps: int) -> float:
    def plan(observation: Floats) -> Plan:
        return Plan(policy(observation)[None], model_steps=0, failed_steps=0, failure=None)

    return planned_episode(make(spec), spec, index, steps, plan).total


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {package: version(package) for package in ("gymnasium", "numpy", "tianshou", "torch")}


# ----------------------------------------------------------------------------------------------------- learning


def learn(
    algorithm: Algorithm,
    observations: Space,
    actions: Space,
    train: Transitions,
    updates: int,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Policy:
    """A deterministic policy: from an observation [D] to an action [A].

    Raises:
        CwmbError: the algorithm does not fit the actions, or the observations are too many to tell apart.
    """
    import torch
    from tianshou.data import Batch, ReplayBuffer
    from tianshou.utils.torch_utils import policy_within_training_step

    discrete = actions.kind == "discrete"
    if discrete and algorithm == "td3bc":
        raise CwmbError("td3bc needs continuous actions: choose cql or bc here")
    seen = features(observations, train)
    with _torch_of(seed):
        width = seen(train.observations[:1]).shape[1]
        made = _algorithm(algorithm, width, actions)
        size = len(train)
        buffer = ReplayBuffer(size)
        rows = seen(train.observations), _unit(train.actions, actions), seen(train.next_observations)
        np.random.seed(seed)  # which the buffer draws from
        for i in range(size):
            ended = bool(train.terminated[i])
            buffer.add(
                Batch(
                    obs=rows[0][i],
                    act=int(rows[1][i, 0]) if discrete else rows[1][i],
                    rew=train.rewards[i],
                    terminated=ended,
                    truncated=False,
                    obs_next=rows[2][i],
                    info={},
                )
            )
        for done in range(updates):
            with policy_within_training_step(made.policy):
                made.update(buffer, min(BATCH, size))
            progress(done + 1)
    network = made.policy.eval()

    def act(observation: Floats) -> Floats:
        with torch.no_grad():
            said = network(Batch(obs=seen(observation[None]), info={})).act
        said = np.asarray(said, dtype=np.float64).reshape(-1)
        return said if discrete else _real(np.clip(said, -1.0, 1.0), actions)

    return act


@contextmanager
def _torch_of(seed: int) -> Any:
    """While networks are made and updated: torch's generator, and one thread, which is quickest for small ones."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def features(space: Space, train: Transitions) -> Callable[[Floats], Any]:
    """What networks see of observations [N, D]: float32 [N, F]."""
    if space.kind == "board":
        raise CwmbError("observations are words here, which no policy is learned from")
    if space.kind == "discrete":
        low, count = int(space.low[0]), int(space.high[0] - space.low[0]) + 1
        if count > ONE_COLUMN_EACH:
            raise CwmbError(f"{count} observations are too many to tell apart")
        return lambda rows: np.eye(count, dtype=np.float32)[rows[:, 0].astype(np.int64) - low]
    mean = train.observations.mean(axis=0)
    scale = train.observations.std(axis=0)
    scale = np.where(scale > 1e-6, scale, 1.0)
    return lambda rows: np.asarray((rows - mean) / scale, dtype=np.float32)


def _unit(rows: Floats, space: Space) -> Any:
    """Actions in [-1, 1], of a discrete space as they are."""
    if space.kind == "discrete":
        return rows
    low, high = np.array(space.low), np.array(space.high)
    return np.asarray(2 * (rows - low) / (high - low) - 1, dtype=np.float32)


def _real(row: Floats, space: Space) -> Floats:
    low, high = np.array(space.low), np.array(space.high)
    return np.asarray((low + (row + 1) * (high - low) / 2).astype(space.dtype).astype(np.float64))


def _algorithm(algorithm: Algorithm, width: int, actions: Space) -> Any:
    """tianshou's algorithm with networks of two hidden layers; its own defaults where nothing is said."""
    from gymnasium.spaces import Box, Discrete
    from tianshou.algorithm.imitation.cql import CQL
    from tianshou.algorithm.imitation.discrete_cql import DiscreteCQL
    from tianshou.algorithm.imitation.imitation_base import ImitationPolicy, OfflineImitationLearning
    from tianshou.algorithm.imitation.td3_bc import TD3BC
    from tianshou.algorithm.modelfree.ddpg import ContinuousDeterministicPolicy
    from tianshou.algorithm.modelfree.qrdqn import QRDQNPolicy
    from tianshou.algorithm.modelfree.sac import AutoAlpha, SACPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.utils.net.common import Net
    from tianshou.utils.net.continuous import (
        ContinuousActorDeterministic,
        ContinuousActorProbabilistic,
        ContinuousCritic,
    )

    hidden, optim = [WIDTH, WIDTH], AdamOptimizerFactory(lr=RATE)
    if actions.kind == "discrete":
        count = int(actions.high[0] - actions.low[0]) + 1
        space: Any = Discrete(count)
        if algorithm == "bc":
            net = Net(state_shape=width, action_shape=count, hidden_sizes=hidden)
            policy = ImitationPolicy(actor=net, action_space=space, action_bound_method=None)
            return OfflineImitationLearning(policy=policy, optim=optim)
        net = Net(state_shape=width, action_shape=count, hidden_sizes=hidden, num_atoms=QUANTILES)
        return DiscreteCQL(
            policy=QRDQNPolicy(model=net, action_space=space),
            optim=optim,
            min_q_weight=1.0,
            gamma=DISCOUNT,
            num_quantiles=QUANTILES,
            target_update_freq=100,
        )
    size = len(actions.low)
    space = Box(-1.0, 1.0, (size,))

    def trunk() -> Any:
        return Net(state_shape=width, hidden_sizes=hidden)

    def critic() -> Any:
        return ContinuousCritic(
            preprocess_net=Net(state_shape=width, action_shape=size, hidden_sizes=hidden, concat=True)
        )

    own = {"action_space": space, "action_scaling": False}
    if algorithm == "cql":
        drawn = ContinuousActorProbabilistic(
            preprocess_net=trunk(), action_shape=size, unbounded=True, conditioned_sigma=True
        )
        return CQL(
            policy=SACPolicy(actor=drawn, **own),
            policy_optim=optim,
            critic=critic(),
            critic_optim=optim,
            critic2=critic(),
            alpha=AutoAlpha(-float(size), 0.0, optim),
            gamma=DISCOUNT,
            with_lagrange=False,
            calibrated=False,
            min_action=-1.0,
            max_action=1.0,
        )
    actor = ContinuousActorDeterministic(preprocess_net=trunk(), action_shape=size)
    if algorithm == "bc":
        return OfflineImitationLearning(policy=ImitationPolicy(actor=actor, **own), optim=optim)
    return TD3BC(
        policy=ContinuousDeterministicPolicy(actor=actor, **own),
        policy_optim=optim,
        critic=critic(),
        critic_optim=optim,
        critic2=critic(),
        gamma=DISCOUNT,
    )


# ------------------------------------------------------------------------------------------------------ storing


def stored_path() -> Path:
    """Where the results of the benchmark's own data lie."""
    return data_path("results", "offline_rl.jsonl")


def stored(path: Path | None = None) -> list[PolicyReturn]:
    """What was measured, sorted; nothing where there is no file. Raises CwmbError: the file is malformed."""
    path = path or stored_path()
    if not path.exists():
        return []
    try:
        return [convert(json.loads(line), PolicyReturn) for line in path.read_bytes().splitlines()]
    except (ValueError, msgspec.ValidationError) as error:
        raise CwmbError(f"{path}: {error}; remove the line, or restore the file") from error


def store(found: PolicyReturn, path: Path | None = None) -> None:
    """Keep a result in place of an earlier one of the same settings."""
    path = path or stored_path()
    make_folder(path.parent)
    with locked(path.parent):
        kept = [old for old in stored(path) if old.key != found.key]
        rows = sorted([*kept, found], key=lambda r: r.key)
        write_whole(path, "".join(dumps(row) + "\n" for row in rows))
