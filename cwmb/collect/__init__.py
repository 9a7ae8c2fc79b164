"""Collecting the benchmark's trajectories: ``cwmb collect``, ``make trajectories``."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cwmb.benchmark.catalog import EnvironmentSpec, environment
from cwmb.benchmark.data import data_path
from cwmb.benchmark.trajectories import checksum, concatenate, dataset, dataset_folder, read
from cwmb.collect.determined import determined
from cwmb.collect.recipes import FIRST_SEED, recordings
from cwmb.collect.storage import write
from cwmb.errors import CwmbError
from cwmb.machine import processes
from cwmb.types import SPLITS, Split, Transitions
from cwmb.worlds import make
from cwmb.worlds.simulator import Simulator


@dataclass(frozen=True)
class Collected:
    """A finished data set. skipped: it was already there."""

    environment: str
    split: Split
    transitions: int
    sha256: str
    skipped: bool


def fresh(spec: EnvironmentSpec, seed: int) -> Transitions:
    """A test set that nobody has seen, by the recipe of the published one but for its seeds (in memory).

    Every valid pair of a small deterministic environment is the same every time.
    """
    simulator = make(spec)
    first = FIRST_SEED["test"] * (2 + seed)
    parts = [r.transitions for r in recordings(spec, simulator, "test", first)]
    return concatenate([_numbered(p, i) for i, p in enumerate(marked(spec, simulator, parts))])


def collect(spec: EnvironmentSpec, split: Split, root: Path | None = None, force: bool = False) -> Collected:
    """Record a split's data set below the Minari folder ``root`` (by default the benchmark's own).

    A data set that is there and right is left alone unless ``force`` is set.

    Raises:
        CwmbError: the new data have another checksum than the environment file names, and ``force`` is not set.
    """
    name, expected = dataset(spec, split)
    root = root or data_path("trajectories")
    folder = dataset_folder(name, root)
    if not force:
        with suppress(CwmbError):  # what is missing or unreadable is collected
            data = read(folder)
            if checksum(data) == expected:
                return Collected(spec.id, split, len(data), expected, skipped=True)
    simulator = make(spec)
    recorded = list(recordings(spec, simulator, split, FIRST_SEED[split]))
    parts = marked(spec, simulator, [r.transitions for r in recorded])
    recorded = [replace(r, transitions=t) for r, t in zip(recorded, parts, strict=True)]
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".collecting-", dir=root) as staging:
        new = write(Path(staging), name, spec, simulator, recorded)
        data = read(new)
        actual = checksum(data)
        if expected and actual != expected and not force:
            raise CwmbError(
                f"trajectories of {spec.id} ({split}): collected anew they have checksum {actual}, but the environment "
                f"file says {expected} (other versions, or another processor). Nothing was changed; check out the "
                "published ones, or replace them with --force"
            )
        _move(new, folder)
    return Collected(spec.id, split, len(data), actual, skipped=False)


def collect_all(
    ids: Iterable[str], jobs: int = 1, force: bool = False, progress: Callable[[Collected], None] | None = None
) -> list[Collected]:
    """Record both splits of several environments in ``jobs`` processes and enter the checksums in their files.

    progress: called after each data set. Interrupted, it goes on with the next data set when called again.
    """
    done = []
    with processes(jobs) as pool:
        futures = [pool.submit(collect, environment(i), split, force=force) for i in ids for split in SPLITS]
        for future in as_completed(futures):
            result = future.result()
            enter_checksum(result)
            done.append(result)
            if progress:
                progress(result)
    return done


def enter_checksum(result: Collected) -> None:
    """Write a data set's checksum into its environment file."""
    path = data_path("environments", f"{result.environment}.toml")
    text = path.read_text(encoding="utf-8")
    key = f"{result.split}_sha256"
    changed, count = re.subn(rf'^{key} = ".*"$', f'{key} = "{result.sha256}"', text, flags=re.MULTILINE)
    if count != 1:
        raise CwmbError(f'environment file {path}: its table [dataset] must hold one line {key} = "…"')
    if changed != text:
        temporary = path.with_suffix(".tmp")
        temporary.write_text(changed, encoding="utf-8")
        temporary.replace(path)


def marked(spec: EnvironmentSpec, simulator: Simulator, parts: list[Transitions]) -> list[Transitions]:
    """The transitions with what is found out about them: which are determined."""
    return [replace(p, determined=determined(spec, simulator, p)) for p in parts]


def _numbered(data: Transitions, first: int) -> Transitions:
    return replace(data, episodes=data.episodes + first)


def _move(new: Path, folder: Path) -> None:
    """Put a finished data set in the place of whatever is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_dir():
        shutil.rmtree(folder)
    new.rename(folder)
    namespace = new.parent / "namespace_metadata.json"
    if namespace.is_file():
        namespace.replace(folder.parent / namespace.name)
