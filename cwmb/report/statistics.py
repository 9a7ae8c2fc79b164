"""Aggregates over environments and their uncertainty.

The environments of the benchmark are fixed, so its uncertainty is that of the seeds: intervals come from a bootstrap
that is stratified over environments (Agarwal et al. 2021, Deep RL at the Edge of the Statistical Precipice), in a few
lines of numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cwmb.types import Floats

RESAMPLES = 1000
LEVEL = 0.95
_CHUNK = 2_000_000  # numbers drawn at a time, to bound memory

Statistic = Callable[[Floats], Floats]


def mean(values: Floats) -> Floats:
    """Mean over the last axis: [..., E] -> [...]."""
    return np.asarray(values.mean(axis=-1))


def interquartile_mean(values: Floats) -> Floats:
    """Mean of the middle half of the values over the last axis: [..., E] -> [...].

    Where E is no multiple of four, the values at the quartiles count in part, so that exactly half of the weight is
    kept whatever E is.
    """
    n = values.shape[-1]
    rank = np.arange(n)
    weights = np.clip(np.minimum(rank + 1, 0.75 * n) - np.maximum(rank, 0.25 * n), 0, None)
    return np.asarray(np.sort(values, axis=-1) @ (weights / weights.sum()))


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval. resampled: what was drawn anew, the seeds of each environment or the environments."""

    low: float
    high: float
    resampled: Literal["seeds", "environments"]


def bootstrap_interval(
    strata: Sequence[Floats],
    statistic: Statistic = mean,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval | None:
    """Percentile interval of a statistic of the environments' means.

    strata: for each environment the values of its seeds [n_e]. They are resampled within each environment; where some
    environment has a single value that cannot tell anything, and the environments themselves are resampled instead.
    None where there is but one environment with one value, or none.
    """
    strata = [np.asarray(values, dtype=np.float64) for values in strata if len(values)]
    if not strata or (len(strata) == 1 and len(strata[0]) == 1):
        return None
    rng = np.random.default_rng(seed)
    resampled: Literal["seeds", "environments"]
    if min(len(values) for values in strata) > 1:
        resampled, means = "seeds", _resampled_means(strata, rng, resamples)
    else:
        resampled = "environments"
        fixed = np.array([values.mean() for values in strata])
        means = fixed[rng.integers(len(fixed), size=(resamples, len(fixed)))]
    low, high = np.quantile(statistic(means), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), resampled)


def _resampled_means(strata: Sequence[Floats], rng: np.random.Generator, resamples: int) -> Floats:
    """Means of resampled strata [resamples, E]."""
    counts = np.array([len(values) for values in strata])
    padded = np.zeros((len(strata), counts.max()))
    for row, values in zip(padded, strata, strict=True):
        row[: len(values)] = values
    mask = np.arange(counts.max()) < counts[:, None]
    step = max(1, _CHUNK // padded.size)
    parts = []
    for start in range(0, resamples, step):
        shape = (min(step, resamples - start), *padded.shape)
        index = (rng.random(shape) * counts[:, None]).astype(np.int64)
        drawn = np.take_along_axis(np.broadcast_to(padded, shape), index, axis=-1)
        parts.append((drawn * mask).sum(axis=-1) / counts)
    return np.concatenate(parts)


def probability_of_improvement(differences: Sequence[Floats]) -> float | None:
    """The chance that the first of two paired results is the better one: its mean over environments, ties half.

    differences: for each environment those of its paired seeds, first minus second. None where there are none.
    """
    shares = [
        float(np.mean((d > 0) + 0.5 * (d == 0)))
        for d in (np.asarray(x, dtype=np.float64) for x in differences if len(x))
    ]
    return float(np.mean(shares)) if shares else None


def standard_error(values: Floats) -> float | None:
    """Sample standard deviation over the square root of n; None for fewer than two values."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
