"""The improved cross-entropy method, iCEM (Pinneri et al. 2020, "Sample-efficient cross-entropy method for real-time
planning"): noise that is correlated in time, fewer samples in later iterations, and a memory between plans."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from cwmb.planners import Floats, Model, require
from cwmb.planners.cem import CEM, admissible, check_shooting, executed, initial_distribution, survivors


@dataclass
class Memory:
    """What one plan leaves to the next. mean [H, A]; kept [n, H, A]: its best plans; None before the first plan."""

    mean: Floats | None = None
    kept: Floats | None = None


@dataclass(frozen=True)
class ICEM(CEM):
    """CEM that starts from the previous plan, shifted by what has been executed of it.

    samples: plans drawn in the first iteration; decay: by which each further iteration has fewer (never fewer than
    twice the elites); keep_fraction: share of the elites that stay among the samples of the next iteration, and of the
    next plan; noise_beta: exponent of the noise's power spectrum, 1/f^β, over the horizon; momentum: share of the old
    mean in the new one, and of the old standard deviation. One of the last iteration's samples is the mean itself.
    """

    revision: ClassVar[int] = 2
    horizon: int = 30
    iterations: int = 3
    samples: int = 64
    decay: float = 1.25
    elites: int = 10
    keep_fraction: float = 0.3
    noise_beta: float = 2.0
    momentum: float = 0.1
    memory: Memory = field(default_factory=Memory, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_shooting("icem", self)
        require(self.decay >= 1, f"icem: decay must be at least 1, not {self.decay}")
        require(0 <= self.keep_fraction <= 1, f"icem: keep_fraction must lie in [0, 1], not {self.keep_fraction}")
        require(0 <= self.momentum < 1, f"icem: momentum must lie in [0, 1), not {self.momentum}")

    @property
    def most_steps(self) -> int:
        """Steps in the model that a plan takes at most, kept plans included."""
        return sum(self.drawn(i) + self.kept for i in range(self.iterations)) * self.horizon

    @property
    def kept(self) -> int:
        """How many of the best plans go on to the next iteration, and to the next plan."""
        return round(self.keep_fraction * self.elites)

    def drawn(self, iteration: int) -> int:
        """How many plans are drawn in an iteration."""
        return max(round(self.samples / self.decay**iteration), 2 * self.elites)

    def plan(self, model: Model, rng: np.random.Generator) -> Floats:
        """The next actions [k, A]: the head of the best plan of the last iteration, kept plans included.

        Raises:
            SimulationFailed: every plan of an iteration failed; the next plan then starts afresh.
        """
        mean, std = initial_distribution(self.low, self.high, self.horizon)
        kept = np.empty((0, *mean.shape))
        memory = self.memory
        if memory.mean is not None and memory.kept is not None:
            mean, kept = self.shifted(memory.mean), self.shifted(memory.kept)
        fresh_tail = min(executed(self), self.horizon - 1) if len(kept) else 0
        memory.mean = memory.kept = None

        for iteration in range(self.iterations):
            noise = coloured_noise(self.noise_beta, (self.drawn(iteration), *mean.shape), rng)
            if iteration == self.iterations - 1:
                noise[0] = 0.0
            plans = admissible(mean + std * noise, self.low, self.high, self.dtype)
            if iteration == 0 and fresh_tail:
                # What lies beyond the old horizon is drawn like any other sample.
                kept[:, -fresh_tail:] = plans[: len(kept), -fresh_tail:]
            plans = np.concatenate([plans, kept])
            ranked = survivors(plans, model.returns(plans))
            elites = ranked[: self.elites]
            kept = ranked[: self.kept].copy()
            mean = self.momentum * mean + (1 - self.momentum) * elites.mean(axis=0)
            std = self.momentum * std + (1 - self.momentum) * elites.std(axis=0)

        memory.mean, memory.kept = mean, kept
        return ranked[0, : executed(self)]

    def shifted(self, plans: Floats) -> Floats:
        """Plans [..., H, A] without the actions that have been executed, their last action repeated at the end."""
        index = np.minimum(np.arange(self.horizon) + executed(self), self.horizon - 1)
        return plans[..., index, :]


def coloured_noise(beta: float, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    """Gaussian noise [K, H, A] of unit variance whose power spectrum along H falls as 1/f^beta.

    Made in the frequency domain (Timmer & König 1995); the constant component gets the power of the lowest frequency.
    """
    samples, horizon, size = shape
    amplitude = np.maximum(np.fft.rfftfreq(horizon), 1 / horizon) ** (-beta / 2)
    parts = rng.standard_normal((2, samples, size, len(amplitude)))
    spectrum = parts[0] + 1j * parts[1]
    # Components that are their own mirror image are real, and must carry the power of a complex one.
    real = [0, -1] if horizon % 2 == 0 else [0]
    spectrum[..., real] = np.sqrt(2) * parts[0][..., real]
    power = 2 * amplitude**2
    mirrored = 2 * power.sum() - power[real].sum()
    noise = np.fft.irfft(spectrum * amplitude, n=horizon, axis=-1) * horizon / np.sqrt(mirrored)
    ordered: Floats = np.ascontiguousarray(noise.swapaxes(1, 2))
    return ordered
