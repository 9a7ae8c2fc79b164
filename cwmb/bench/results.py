"""Stored results, and what got slower since."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cwmb.bench.probe import Row
from cwmb.benchmark.data import data_path
from cwmb.conversion import convert
from cwmb.errors import CwmbError
from cwmb.harness.files import dumps, write_whole
from cwmb.harness.provenance import versions
from cwmb.machine import cores

LEAST = 0.05  # a share of the stored value: what is less is no news


@dataclass(frozen=True)
class Results:
    """One run of the benchmark. cpu: the processor's model; cores: that could be used."""

    rows: list[Row]
    versions: dict[str, str]
    cpu: str
    cores: int


@dataclass(frozen=True)
class Change:
    """A row that differs from the stored one by more than the noise. factor: of its ratio (its value without one)."""

    name: str
    factor: float


def results(rows: Sequence[Row]) -> Results:
    """The rows with what they were measured on."""
    return Results(list(rows), versions(), _cpu(), cores())


def stored_path() -> Path:
    """The file of the stored results."""
    return data_path("results", "bench.json")


def load(path: Path) -> Results | None:
    """Stored results, or None.

    Raises:
        CwmbError: the file is malformed.
    """
    if not path.exists():
        return None
    try:
        return convert(msgspec.json.decode(path.read_bytes()), Results)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise CwmbError(f"{path}: {error}; restore the file, or measure anew with 'make bench STORE=1'") from error


def store(path: Path, new: Results) -> None:
    """Write results, rows by name."""
    write_whole(path, dumps(new, indent=1) + "\n")


def changes(old: Results, new: Results) -> list[Change]:
    """What got slower (factor above 1) or quicker by more than the noise of both runs."""
    before = {row.name: row for row in old.rows}
    found = []
    for row in new.rows:
        if row.name in before:
            was, was_noise = _compared(before[row.name])
            value, noise = _compared(row)
            if abs(value - was) > was_noise + noise + LEAST * abs(was):
                found.append(Change(row.name, value / was))
    return found


def _compared(row: Row) -> tuple[float, float]:
    """The figure that means the same on another machine, and its noise."""
    if row.ratio is not None and row.ratio_noise is not None:
        return row.ratio, row.ratio_noise
    return row.value, row.value_noise


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
