"""Probes of scoring against the check of the paper's own code, from a checkout of its repository.

That check runs a program in its own process, without any protection; ours is the whole of a score, audit included. Both
get the transitions that were published with the paper and the same right programs, in turn. Only the file of the check
is loaded; of the pickled transitions nothing but arrays is.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from cwmb.bench import bare
from cwmb.bench.probe import Probe, Row, timed
from cwmb.bench.scoring import PUBLISHED, audit, judge
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.trajectories import spaces
from cwmb.errors import CwmbError
from cwmb.reference import program
from cwmb.sandbox import Sandbox
from cwmb.types import Transitions

CHECK = Path("src", "mcts", "gif_mcts", "simulators", "simulator_cwm.py")
MOST, MOST_IN_MEAN = 1 / 1.5, 1 / 4  # of the time of the paper's check
NAME = "score against the paper's check"


@dataclass(frozen=True, eq=False)
class Published:
    """One environment's published transitions: as their check takes them, and as ours does."""

    theirs: tuple[Sequence[Any], ...]
    ours: Transitions


def paper_probes(sandbox: Sandbox, checkout: Path) -> Iterator[Probe]:
    """Scoring the reference program on the published transitions, against the check of the paper's code.

    Raises:
        CwmbError: the folder is no checkout of the paper's repository.
    """
    check = _check(checkout)
    for name in PUBLISHED:
        yield _probe(sandbox, name, published(checkout, name), check)


def _probe(sandbox: Sandbox, name: str, data: Published, check: Callable[..., Any]) -> Probe:
    judging, reference = judge(sandbox, name), program(name)
    continuous = judging.observation_space.kind == "box"

    def theirs() -> float:
        made = bare.environment(reference)
        with contextlib.redirect_stdout(io.StringIO()):
            return timed(lambda: check(made, data.theirs, check_valid_actions=False, continuous_state=continuous))

    return Probe(
        name=f"{NAME}, {name}",
        unit="µs/transition",
        scale=1e6 / len(data.ours),
        ours=lambda: timed(lambda: judging.score(reference, data.ours, audit(name, reference))),
        bare=theirs,
        against="the paper's check",
        repeats=7,
        ratio_target=MOST,
    )


def mean_row(rows: Sequence[Row]) -> Iterator[Row]:
    """The geometric mean of the ratios over the environments, where they were measured."""
    found = [row for row in rows if row.name.startswith(NAME) and row.ratio is not None]
    if not found:
        return
    ratios = np.array([row.ratio for row in found])
    noise = np.array([row.ratio_noise for row in found])
    mean = float(np.exp(np.log(ratios).mean()))
    yield Row(
        name=f"{NAME}, geometric mean",
        unit="×",
        value=mean,
        value_noise=mean * float(np.sqrt(((noise / ratios) ** 2).sum()) / len(found)),
        against="the paper's check",
        value_target=MOST_IN_MEAN,
    )


def published(checkout: Path, name: str) -> Published:
    """The published transitions of an environment.

    Raises:
        CwmbError: they are not there, or are something else.
    """
    file = checkout / "data" / "replay_buffers" / "gymnasium_envs" / name / "train_buffer.pkl"
    try:
        with file.open("rb") as opened:
            held = _Arrays(opened).load()
        n = held["idx"]
        columns = [held[key][:n] for key in ("obs", "actions", "next_obs", "rewards", "dones")]
        starts = np.asarray(held["traj_starts"][:n], np.int64)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        raise CwmbError(f"{file} holds no published transitions ({error}): is PAPER the paper's checkout?") from error
    observations, actions, following = (np.array(column, np.float64).reshape(n, -1) for column in columns[:3])
    done = np.asarray(columns[4], bool)
    ours = Transitions(
        observations=observations,
        actions=actions,
        rewards=np.asarray(columns[3], np.float64),
        next_observations=following,
        terminated=done,
        truncated=np.zeros(n, bool),
        episodes=np.unique(starts, return_inverse=True)[1].astype(np.int64),
        steps=np.arange(n) - starts,
        determined=np.ones((n, observations.shape[1] + 2), bool),
    )
    observation_space, _ = spaces(environment(name))
    if observation_space.size != observations.shape[1]:
        raise CwmbError(f"{file} holds observations of {observations.shape[1]}, not of {observation_space.size}")
    return Published((*columns, [{"valid_actions": None}] * n), ours)


class _Nothing:
    """In the place of whatever a pickle holds beside arrays."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


class _Arrays(pickle.Unpickler):
    """Reads numpy's arrays and numbers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """See pickle.Unpickler."""
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name in ("_reconstruct", "scalar"):
            return getattr(importlib.import_module("numpy._core.multiarray"), name)
        return getattr(np, name) if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")) else _Nothing


def _check(checkout: Path) -> Callable[..., Any]:
    """The paper's check. What its file imports and the check does not use may be missing."""
    path = checkout.resolve() / CHECK
    spec = importlib.util.spec_from_file_location("cwmb_bench_paper", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise CwmbError(f"{checkout} is no checkout of the paper's repository: {CHECK} is not there")
    before, loaded = list(sys.path), importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(checkout.resolve()))
    missing = [name for name in ("autopep8", "mloggers") if importlib.util.find_spec(name) is None]
    try:
        for name in missing:
            sys.modules[name] = _Missing(name)
        spec.loader.exec_module(loaded)
        return loaded.check_code_world_model  # type: ignore[no-any-return]
    except Exception as error:
        raise CwmbError(f"{path} cannot be loaded ({type(error).__name__}: {error})") from error
    finally:
        sys.path[:] = before
        for name in missing:
            del sys.modules[name]


class _Missing(ModuleType):
    """A module that has whatever is asked of it, and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything


class _Anything:
    INFO = None

    def __init__(self, *_: Any, **__: Any) -> None:
        pass
