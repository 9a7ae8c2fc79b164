"""A probe measures one thing against its physical limit, many times in turn; a row is what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np


@dataclass(frozen=True)
class Probe:
    """What is measured. ours, bare: do the work once and return seconds, or whatever ``scale`` turns into ``unit``.

    bare: the least that the same work can cost, measured in turn with ours; against: what that is;
    scale: by which a value is multiplied; repeats: how often, at most; published: the value of the paper's code;
    value_target, ratio_target: what must not be exceeded.
    """

    name: str
    unit: str
    scale: float
    ours: Callable[[], float]
    bare: Callable[[], float] | None = None
    against: str = ""
    repeats: int = 15
    published: float | None = None
    value_target: float | None = None
    ratio_target: float | None = None


@dataclass(frozen=True)
class Row:
    """A result: medians over the repeats and, as the noise, half of their interquartile ranges.

    value, bare: in the unit; ratio: median of the repeats' ratios of the two.
    """

    name: str
    unit: str
    value: float
    value_noise: float
    bare: float | None = None
    ratio: float | None = None
    ratio_noise: float | None = None
    against: str = ""
    published: float | None = None
    value_target: float | None = None
    ratio_target: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the targets are met; None where there is none."""
        checks = [(self.value, self.value_target), (self.ratio, self.ratio_target)]
        held = [value <= target for value, target in checks if value is not None and target is not None]
        return all(held) if held else None


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = perf_counter()
    call()
    return perf_counter() - start


def measure(probes: Sequence[Probe], say: Callable[[str], None] = lambda _: None) -> list[Row]:
    """Measure all probes in turn, so that a slow minute of the machine meets them all."""
    samples: list[list[tuple[float, float]]] = [[] for _ in probes]
    rounds = max((p.repeats for p in probes), default=0)
    for repeat in range(rounds):
        say(f"round {repeat + 1} of {rounds}")
        for probe, taken in zip(probes, samples, strict=True):
            if repeat < probe.repeats:
                bare = probe.bare() if probe.bare else np.nan
                taken.append((probe.ours(), bare))
    return [row(probe, taken) for probe, taken in zip(probes, samples, strict=True)]


def row(probe: Probe, taken: Iterable[tuple[float, float]]) -> Row:
    """Medians and noise of pairs (ours, bare)."""
    pairs = np.array(list(taken)) * probe.scale
    value, value_noise = centre(pairs[:, 0])
    bare = ratio = ratio_noise = None
    if probe.bare is not None:
        bare = float(np.median(pairs[:, 1]))
        ratio, ratio_noise = centre(pairs[:, 0] / pairs[:, 1])
    return Row(
        name=probe.name,
        unit=probe.unit,
        value=value,
        value_noise=value_noise,
        bare=bare,
        ratio=ratio,
        ratio_noise=ratio_noise,
        against=probe.against,
        published=probe.published,
        value_target=probe.value_target,
        ratio_target=probe.ratio_target,
    )


def centre(values: np.ndarray) -> tuple[float, float]:
    """Median, and half of the interquartile range."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(middle), float((high - low) / 2)
