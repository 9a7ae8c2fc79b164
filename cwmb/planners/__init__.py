"""Planners: they choose actions by trying them in a world model.

A planner runs beside the candidate inside the sandbox, or, for the oracle, beside the real environment in the parent:
these modules import numpy and nothing else. One is made for every episode with the parameters of its protocol and
asked again whenever the actions that it gave have been executed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class SimulationFailed(Exception):
    """The model raised, or returned something malformed or not finite: this sample ends here."""


class Model(Protocol):
    """A world model set on the state that is planned from."""

    def reset(self) -> None:
        """Go to the state that is planned from (and raise SimulationFailed if that fails)."""
        ...

    def step(self, action: Any) -> tuple[Hashable, float, bool]:
        """Take an action (an int where actions are discrete, else float64 [A]).

        Returns (a hashable key of the observation, reward, done). Raises SimulationFailed.
        """
        ...

    def rollout(self, actions: Sequence[int]) -> list[float]:
        """Take discrete actions until one is done or fails, without looking at the observations.

        Returns the rewards of those that did not fail.
        """
        ...

    def returns(self, plans: Floats) -> Floats:
        """Sums of rewards [K] of the open-loop plans [K, H, A], each from the state that is planned from, up to done.

        -inf where a step failed. The plans are already cast to the action space's dtype.
        """
        ...


class Stepwise:
    """A model whose rollouts go step by step."""

    def step(self, action: Any) -> tuple[Hashable, float, bool]:
        """Take an action; see Model."""
        raise NotImplementedError

    def rollout(self, actions: Sequence[int]) -> list[float]:
        """Take actions until one is done or fails; see Model."""
        rewards = []
        try:
            for action in actions:
                _, reward, done = self.step(action)
                rewards.append(reward)
                if done:
                    break
        except SimulationFailed:
            pass
        return rewards


class Planner(Protocol):
    """Entry-point group ``cwmb.planners``.

    Called as ``planner_class(low, high, dtype, **parameters)``: the bounds [A] of the action space and its dtype
    (discrete actions: low [0], high [n - 1], ``int64``). An attribute ``most_steps``, the steps that one plan takes in
    the model at most, lets the harness disbelieve a program that says it was asked for more. A class whose plans have
    changed for the same parameters says so by a higher ``revision`` (an int, 1 where there is none): stored returns of
    the one before no longer count.
    """

    def plan(self, model: Model, rng: np.random.Generator) -> Floats:
        """The next actions to execute [k, A], k >= 1, already cast to the action space's dtype.

        Raises:
            SimulationFailed: no sample survived; the caller takes a random action.
        """
        ...


def create(
    planner: Callable[..., Planner], low: Floats, high: Floats, dtype: str, parameters: Mapping[str, Any]
) -> Planner:
    """A planner with the parameters of a protocol.

    Raises:
        ValueError: a parameter does not exist or has an impossible value; the message says which.
    """
    known = [name for name in inspect.signature(planner).parameters if name not in ("low", "high", "dtype")]
    for name in parameters:
        require(
            name in known,
            f"planner {planner.__name__} has no parameter {name!r}; there are: {', '.join(known) or 'none'}",
        )
    return planner(np.asarray(low, np.float64), np.asarray(high, np.float64), dtype, **parameters)


def require(condition: object, message: str) -> None:
    """Raise ValueError with the message unless the condition holds."""
    if not condition:
        raise ValueError(message)


def require_one_discrete(planner: str, low: Floats, dtype: str, simulations: int) -> None:
    """Raise ValueError unless a step takes one discrete action, for planners that search a tree of them."""
    require(np.issubdtype(dtype, np.integer), f"{planner} needs discrete actions, not {dtype}")
    require(np.size(low) == 1, f"{planner} needs one discrete action a step, not {np.size(low)}")
    require(simulations >= 1, f"{planner}: simulations must be at least 1, not {simulations}")
