"""The cross-entropy method over open-loop plans (Rubinstein & Kroese 2004), as the paper plans continuous actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cwmb.planners import Floats, Model, SimulationFailed, require


@dataclass(frozen=True)
class CEM:
    """Plans a sequence of actions from scratch at every call.

    horizon: actions in a plan; iterations: of sampling and refitting; samples, elites: plans drawn in each iteration,
    and how many of the best the next distribution is fitted to; execute: how many actions of the best plan are carried
    out before planning again, or ``all``.
    """

    low: Floats
    high: Floats
    dtype: str
    horizon: int = 100
    iterations: int = 20
    samples: int = 1000
    elites: int = 100
    execute: int | Literal["all"] = "all"

    def __post_init__(self) -> None:
        check_shooting("cem", self)

    @property
    def most_steps(self) -> int:
        """Steps in the model that a plan takes at most."""
        return self.iterations * self.samples * self.horizon

    def plan(self, model: Model, rng: np.random.Generator) -> Floats:
        """The next actions [k, A]: the head of the best plan of the last iteration.

        Raises:
            SimulationFailed: every plan of an iteration failed.
        """
        mean, std = initial_distribution(self.low, self.high, self.horizon)
        for _ in range(self.iterations):
            noise = rng.standard_normal((self.samples, *mean.shape))
            plans = admissible(mean + std * noise, self.low, self.high, self.dtype)
            ranked = survivors(plans, model.returns(plans))
            elites = ranked[: self.elites]
            mean, std = elites.mean(axis=0), elites.std(axis=0)
        return ranked[0, : executed(self)]


def check_shooting(name: str, planner: CEM) -> None:
    """Refuse parameters that no plan can be made with. Raises ValueError."""
    require(np.issubdtype(planner.dtype, np.floating), f"{name} needs continuous actions, not {planner.dtype}")
    bounded = bool(np.isfinite(planner.low).all() and np.isfinite(planner.high).all())
    require(bounded, f"{name} needs bounded actions, not {planner.low} to {planner.high}")
    for parameter in ("horizon", "iterations", "samples", "elites"):
        value = getattr(planner, parameter)
        require(value >= 1, f"{name}: {parameter} must be at least 1, not {value}")
    require(
        planner.elites <= planner.samples,
        f"{name}: elites must be at most samples ({planner.samples}), not {planner.elites}",
    )
    require(
        planner.execute == "all" or (isinstance(planner.execute, int) and planner.execute >= 1),
        f'{name}: execute must be "all" or at least 1, not {planner.execute!r}',
    )


def executed(planner: CEM) -> int:
    """How many actions of a plan are carried out."""
    return planner.horizon if planner.execute == "all" else min(planner.execute, planner.horizon)


def initial_distribution(low: Floats, high: Floats, horizon: int) -> tuple[Floats, Floats]:
    """Mean [H, A], the middle of the range, and standard deviation [A], half of the largest absolute bound."""
    mean = np.tile((low + high) / 2, (horizon, 1))
    return mean, np.maximum(np.abs(low), np.abs(high)) / 2


def admissible(plans: Floats, low: Floats, high: Floats, dtype: str) -> Floats:
    """The plans as they can be carried out: clipped to the bounds and cast to the action space's dtype."""
    clipped: Floats = np.clip(plans, low, high).astype(dtype).astype(np.float64)
    return clipped


def survivors(plans: Floats, returns: Floats) -> Floats:
    """The plans that did not fail, best first (ties: the earlier one).

    Raises:
        SimulationFailed: there is none.
    """
    alive = returns > -np.inf  # false for NaN too: infinite rewards of both signs
    if not alive.any():
        raise SimulationFailed("every plan failed")
    ranked: Floats = plans[alive][np.argsort(-returns[alive], kind="stable")]
    return ranked
