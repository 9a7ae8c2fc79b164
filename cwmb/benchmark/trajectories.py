"""Recorded transitions: the data sets below ``trajectories/``, and the user's own in an ``.npz`` file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.data import data_path
from cwmb.errors import CwmbError
from cwmb.types import Bools, Floats, Ints, Space, Split, Transitions

LARGEST_DATA = 1 << 30  # bytes of a stranger's data
# The canonical bytes of each kind of array: little-endian, so that a checksum means the same on every machine.
CANONICAL = {"f": "<f8", "b": "u1", "i": "<i8"}


def transitions(spec: EnvironmentSpec, split: Split) -> Transitions:
    """The recorded transitions of an environment, in the order of recording; their arrays are read-only.

    Raises:
        CwmbError: the data set is missing, unreadable, or not the one that the environment file names.
    """
    name, expected = dataset(spec, split)
    return _verified(dataset_folder(name, root(spec)), expected, f"{spec.id} ({split})")


def root(spec: EnvironmentSpec) -> Path | None:
    """The Minari folder of an environment's data; None for the benchmark's own."""
    return spec.world.folder.parent if spec.world is not None and spec.world.folder is not None else None


def dataset(spec: EnvironmentSpec, split: Split) -> tuple[str, str]:
    """(Minari id, SHA-256 of the arrays) of a split."""
    if split == "train":
        return spec.dataset.train, spec.dataset.train_sha256
    return spec.dataset.test, spec.dataset.test_sha256


def spaces(spec: EnvironmentSpec) -> tuple[Space, Space]:
    """The observation and the action space of an environment, as its data set says: no simulator is needed.

    Raises:
        CwmbError: the data set is missing or does not say it.
    """
    path = dataset_folder(spec.dataset.train, root(spec)) / "data" / "metadata.json"
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
        observation = _space(json.loads(metadata["observation_space"]))
        if observation.kind == "board" and spec.world is not None:
            observation = replace(observation, words=tuple(spec.world.constants["words"]))
        return observation, _space(json.loads(metadata["action_space"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CwmbError(
            f"trajectories: {path} cannot be read ({error}); check it out again or run `make trajectories`"
        ) from error


def _space(described: Mapping[str, Any]) -> Space:
    """The space that Minari describes."""
    if described["type"] == "Box":
        return Space("box", tuple(described["low"]), tuple(described["high"]), described["dtype"])
    if described["type"] == "Discrete":
        return Space(
            "discrete", (float(described["start"]),), (float(described["start"] + described["n"] - 1),), "int64"
        )
    if described["type"] == "MultiDiscrete":
        return Space("board", (0.0,) * len(described["nvec"]), tuple(n - 1.0 for n in described["nvec"]), "int64")
    parts = [_space(part) for part in described["subspaces"]]
    return Space("tuple", tuple(x for p in parts for x in p.low), tuple(x for p in parts for x in p.high), "int64")


def dataset_folder(name: str, root: Path | None = None) -> Path:
    """The folder of a Minari data set (root: a Minari folder, by default the benchmark's own)."""
    return (root or data_path("trajectories")).joinpath(*name.split("/"))


@cache
def _verified(folder: Path, expected: str, what: str) -> Transitions:
    if not folder.is_dir():
        raise CwmbError(f"trajectories of {what}: {folder} is missing; check it out or run `make trajectories`")
    data = read(folder)
    actual = checksum(data)
    if actual != expected:
        raise CwmbError(
            f"trajectories of {what}: {folder} has checksum {actual}, but the environment file says "
            f"{expected or 'none'}; check out the matching version or run `make trajectories`"
        )
    for field in fields(data):
        getattr(data, field.name).flags.writeable = False
    return data


def checksum(data: Transitions) -> str:
    """SHA-256 over the shapes and canonical bytes of all arrays, in the order of the fields, in hex.

    Of what is determined it counts whether transitions are as wholes: the parts can be found out anew from the rest.
    """
    digest = hashlib.sha256()
    for field in fields(data):
        array = data.wholly_determined if field.name == "determined" else getattr(data, field.name)
        digest.update(f"{field.name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array, dtype=CANONICAL[array.dtype.kind]).tobytes())
    return digest.hexdigest()


def concatenate(parts: list[Transitions]) -> Transitions:
    """All transitions of several sets, one after the other."""
    return Transitions(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Transitions)))


def read(folder: Path) -> Transitions:
    """The transitions of a Minari data set in our form (see trajectories/README.md).

    A Minari episode either is one episode, whose next observation is the following one, or, where
    ``infos/next_observations`` is there, a table of transitions with ``infos/episodes`` and ``infos/steps``.

    Raises:
        CwmbError: the data set cannot be read.
    """
    # h5py alone reads Minari's format in a fraction of the time that importing Minari takes.
    import h5py

    try:
        with h5py.File(folder / "data" / "main_data.hdf5", "r") as file:
            parts = []
            first = 0
            for index in range(len(file)):
                part = _recording(file[f"episode_{index}"], first)
                first = int(part.episodes.max()) + 1
                parts.append(part)
            return concatenate(parts)
    except (OSError, KeyError, ValueError) as error:
        raise CwmbError(
            f"trajectories: {folder} cannot be read ({error}); check it out again or run `make trajectories`"
        ) from error


def _recording(group: Any, first: int) -> Transitions:
    """The transitions of one Minari episode, its own episodes counted on from ``first``."""
    observations, infos = _rows(group["observations"]), group["infos"]
    n = len(observations) - 1
    if "next_observations" in infos:
        following = _rows(infos["next_observations"])[:n]
        episodes, steps = (infos[key][:n, 0].astype(np.int64) for key in ("episodes", "steps"))
    else:
        following = observations[1:]
        episodes, steps = np.zeros(n, dtype=np.int64), np.arange(n, dtype=np.int64)
    return Transitions(
        observations=observations[:-1],
        actions=_rows(group["actions"]),
        rewards=group["rewards"][()].astype(np.float64),
        next_observations=following,
        terminated=group["terminations"][()].astype(bool),
        truncated=group["truncations"][()].astype(bool),
        episodes=first + episodes,
        steps=steps,
        determined=_parts(infos["determined"][:n].astype(bool), observations.shape[1] + 2),
    )


def _parts(stored: Bools, count: int) -> Bools:
    """What is determined [N, count], also where a data set says it only of the transitions as wholes [N, 1]."""
    return np.broadcast_to(stored, (len(stored), count)).copy()


def _rows(item: Any) -> Floats:
    """Rows [N, D] of a stored array [N] or [N, D], or of Minari's group of a tuple's columns."""
    if hasattr(item, "keys"):
        return np.column_stack([item[f"_index_{i}"][()] for i in range(len(item))]).astype(np.float64)
    array = item[()].astype(np.float64)
    rows: Floats = array.reshape(len(array), -1)
    return rows


def load_folder(folder: Path, spec: EnvironmentSpec) -> Transitions:
    """Transitions of an environment from a Minari data set that may be a stranger's.

    Raises:
        CwmbError: the data set cannot be read, is larger than LARGEST_DATA, leads out of its file, or is not that of
            the environment.
    """
    import h5py

    def check(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual or item.nbytes > LARGEST_DATA):
            raise ValueError(f"{name} lies in another file or takes {item.nbytes} bytes")

    def links(group: Any) -> None:
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is a link")
            if isinstance(group[name], h5py.Group):
                links(group[name])

    try:
        with h5py.File(folder / "data" / "main_data.hdf5", "r") as file:
            links(file)
            file.visititems(check)
        data = read(folder)
    except CwmbError:
        raise
    except Exception as error:  # whatever a stranger's bytes make of the library
        raise CwmbError(f"data set {folder} cannot be read ({error}): name a Minari data set's folder") from error
    arrays = {
        "obs": data.observations,
        "actions": data.actions,
        "next_obs": data.next_observations,
        "rewards": data.rewards,
        "terminated": data.terminated,
        "truncated": data.truncated,
        "episode": data.episodes,
    }
    recorded = _recorded_in(folder)
    if recorded is not None and recorded.split("-v")[0] != spec.id.split("-v")[0]:
        raise CwmbError(f"data set {folder} was recorded in {recorded!r}: name one of {spec.id}")
    checked = _from_arrays(folder, arrays, spec)
    return replace(checked, steps=data.steps, determined=data.determined)


def load_npz(path: Path, spec: EnvironmentSpec) -> Transitions:
    """Transitions from a file with ``obs, actions, next_obs, rewards, terminated`` (or ``dones``), row by row.

    Optional are ``truncated`` and ``episode``; without the latter an episode ends where it is done or where the next
    observation is not the following row's. All transitions count as determined.

    Raises:
        CwmbError: the file is not an npz file of numbers, a key is missing, or a shape or a value does not fit.
    """
    from zipfile import ZipFile

    try:
        with ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST_DATA:
            raise CwmbError(f"data file {path} unpacks to {size} bytes; at most {LARGEST_DATA} are read")
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: np.asarray(file[key]) for key in file.files}
    except FileNotFoundError as error:
        raise CwmbError(f"data file {path} does not exist; give the path of an .npz file") from error
    except CwmbError:
        raise
    except Exception as error:  # whatever a stranger's bytes make of the library
        raise CwmbError(
            f"data file {path} cannot be read as an .npz file of plain arrays ({error}); "
            "write it with numpy.savez and without Python objects"
        ) from error
    return _from_arrays(path, arrays, spec)


def _recorded_in(folder: Path) -> str | None:
    """The environment that a Minari data set names, None where it names none."""
    try:
        named = json.loads(json.loads((folder / "data" / "metadata.json").read_bytes())["env_spec"])["id"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return named if isinstance(named, str) else None


def _from_arrays(path: Path, arrays: dict[str, NDArray[Any]], spec: EnvironmentSpec) -> Transitions:
    observation_space, action_space = spaces(spec)

    def column(key: str) -> NDArray[Any]:
        array = arrays[key]
        if array.dtype.kind not in "biuf":
            raise CwmbError(f"data file {path}: {key!r} has dtype {array.dtype}; it must hold numbers")
        if array.ndim == 0 or len(array) != len(arrays["obs"]):
            raise CwmbError(
                f"data file {path}: {key!r} has shape {array.shape}; it must have as many rows as 'obs' "
                f"{arrays['obs'].shape}"
            )
        if not np.isfinite(array).all():
            raise CwmbError(f"data file {path}: {key!r} holds values that are not finite; remove those rows")
        return array

    def rows(key: str, space: Space) -> Floats:
        array = column(key)
        if array.shape not in {(len(array), space.size), (len(array),) if space.size == 1 else ()}:
            raise CwmbError(
                f"data file {path}: {key!r} has shape {array.shape}; {spec.id} has [{len(array)}, {space.size}]"
            )
        result = array.reshape(len(array), space.size).astype(np.float64)
        inside = (result >= space.low) & (result <= space.high) & (result == np.round(result))
        if space.kind != "box" and not inside.all():
            raise CwmbError(
                f"data file {path}: {key!r} holds {result[~inside.all(axis=1)][0]}, which is no integer from "
                f"{space.low} to {space.high}"
            )
        return result

    def flags(key: str) -> NDArray[np.bool_]:
        array = scalars(key)
        if not np.isin(array, (0, 1)).all():
            raise CwmbError(f"data file {path}: {key!r} must hold booleans")
        return array.astype(bool)

    def scalars(key: str) -> NDArray[Any]:
        array = column(key)
        if array.size != len(array):
            raise CwmbError(f"data file {path}: {key!r} has shape {array.shape}; it must be [{len(array)}]")
        return array.reshape(len(array))

    done = "dones" if "dones" in arrays and "terminated" not in arrays else "terminated"
    missing = [key for key in ("obs", "actions", "next_obs", "rewards", done) if key not in arrays]
    if missing:
        raise CwmbError(
            f"data file {path}: no array {', '.join(map(repr, missing))}; it needs obs, actions, next_obs, rewards "
            f"and terminated (or dones), and has {', '.join(sorted(arrays)) or 'none'}"
        )
    if arrays["obs"].ndim == 0 or len(arrays["obs"]) == 0:
        raise CwmbError(f"data file {path}: 'obs' holds no transition")
    observations = rows("obs", observation_space)
    following = rows("next_obs", observation_space)
    terminated = flags(done)
    truncated = flags("truncated") if "truncated" in arrays else np.zeros(len(observations), dtype=bool)
    if "episode" in arrays:
        episodes = scalars("episode").astype(np.int64)
    else:
        ends = terminated[:-1] | truncated[:-1] | (following[:-1] != observations[1:]).any(axis=1)
        episodes = np.concatenate([[0], np.cumsum(ends)]).astype(np.int64)
    return Transitions(
        observations=observations,
        actions=rows("actions", action_space),
        rewards=scalars("rewards").astype(np.float64),
        next_observations=following,
        terminated=terminated,
        truncated=truncated,
        episodes=episodes,
        steps=_steps(episodes),
        determined=np.ones((len(observations), observation_space.size + 2), dtype=bool),
    )


def _steps(episodes: Ints) -> Ints:
    """How many rows of the same episode come before each row."""

    def count() -> Iterator[int]:
        seen: dict[int, int] = {}
        for episode in episodes.tolist():
            yield seen.setdefault(episode, 0)
            seen[episode] += 1

    return np.fromiter(count(), dtype=np.int64, count=len(episodes))
