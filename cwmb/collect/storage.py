"""Writing recordings as Minari data sets."""

from __future__ import annotations

import copy
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import cwmb
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.collect.recording import Recording
from cwmb.types import Floats, Space, Transitions
from cwmb.worlds.base import gymnasium_space
from cwmb.worlds.simulator import Simulator

COMPRESS_ABOVE = 1024  # bytes; below, a compressed block would be larger than its contents


def write(root: Path, name: str, spec: EnvironmentSpec, simulator: Simulator, recordings: list[Recording]) -> Path:
    """Write a Minari data set below the Minari folder ``root``; returns the data set's own folder."""
    return create(root, name, spec, (simulator.observation_space, simulator.action_space), recordings)


def create(
    root: Path,
    name: str,
    spec: EnvironmentSpec,
    spaces: tuple[Space, Space],
    recordings: list[Recording],
    *,
    recoverable: bool = True,
    about: Mapping[str, Any] | None = None,
) -> Path:
    """Write a Minari data set, as ``write`` does.

    spaces: of observations and actions; recoverable: whether Gymnasium's environment is to be named, which Minari then
    gives back as the one that was recorded; about: further metadata.
    """
    import gymnasium
    import minari
    import mujoco
    from minari.data_collector import EpisodeBuffer

    observation_space, action_space = spaces
    environment: Any = gymnasium.Env()  # what Minari asks of one: spaces and a specification
    environment.observation_space = gymnasium_space(observation_space)
    environment.action_space = gymnasium_space(action_space)
    if recoverable:
        environment.spec = copy.deepcopy(gymnasium.spec(spec.gymnasium_id))
        environment.spec.kwargs.update(spec.kwargs)
    buffers = [
        EpisodeBuffer(
            id=index,
            seed=recording.seed,
            observations=_stored(_chain(recording.transitions), observation_space),
            actions=_stored(recording.transitions.actions, action_space),
            rewards=recording.transitions.rewards,
            terminations=recording.transitions.terminated,
            truncations=recording.transitions.truncated,
            infos=_infos(recording, observation_space),
        )
        for index, recording in enumerate(recordings)
    ]
    versions = {
        "versions/gymnasium": gymnasium.__version__,
        "versions/mujoco": mujoco.__version__,
        "versions/numpy": np.__version__,
        "versions/cwmb": cwmb.__version__,
    }
    with _minari_folder(root), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no author or link is given
        dataset = minari.create_dataset_from_buffers(
            name,
            buffers,
            env=environment,
            algorithm_name="see the metadata of the episodes",
            author="The cwmb developers",
            description=f"Transitions of {spec.id} for the Code World Models Benchmark",
            requirements=[f"gymnasium=={gymnasium.__version__}", f"mujoco=={mujoco.__version__}"],
        )
        dataset.storage.update_episode_metadata([{**r.provenance, **versions} for r in recordings])
        folder = Path(dataset.storage.data_path).parent
        _pack(folder / "data" / "main_data.hdf5")
        dataset.storage.update_metadata({**(about or {}), "dataset_size": dataset.storage.get_size()})
    return folder


def _chain(data: Transitions) -> Floats:
    """Observations [T + 1, D] as Minari wants them: of every row, and the last row's next one."""
    return np.concatenate([data.observations, data.next_observations[-1:]])


def _padded(array: Any) -> Any:
    """[T, k] as [T + 1, k], Minari's length of infos: the last row once more."""
    return np.concatenate([array, array[-1:]])


def _infos(recording: Recording, space: Space) -> dict[str, Any]:
    data = recording.transitions
    infos = {"determined": _padded(data.determined)}
    if recording.table:
        infos["next_observations"] = _padded(data.next_observations.astype(space.dtype))
        infos["episodes"] = _padded(data.episodes[:, None])
        infos["steps"] = _padded(data.steps[:, None])
    return infos


def _stored(rows: Floats, space: Space) -> Any:
    """Rows [N, D] in the layout that Minari has for the space."""
    typed = rows.astype(space.dtype)
    if space.kind == "discrete":
        return typed[:, 0]
    return tuple(typed.T) if space.kind == "tuple" else typed


@contextmanager
def _minari_folder(root: Path) -> Iterator[None]:
    """Minari finds its folder in the process's environment and nowhere else."""
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(root)
    try:
        yield
    finally:
        if before is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = before


def _pack(path: Path) -> None:
    """Write an HDF5 file anew without the reserve that Minari leaves for growing: a sixth of the size, as readable."""
    import h5py

    def copy_group(source: Any, target: Any) -> None:
        target.attrs.update(source.attrs)
        for name, item in source.items():
            if isinstance(item, h5py.Group):
                copy_group(item, target.create_group(name))
            else:
                large = item.nbytes > COMPRESS_ABOVE
                options = {"compression": "gzip", "shuffle": True} if large else {}
                target.create_dataset(name, data=item[()], **options)

    packed = path.with_suffix(".packed")
    with h5py.File(path, "r") as source, h5py.File(packed, "w", libver=("v110", "v110"), track_order=True) as target:
        copy_group(source, target)
    shutil.move(packed, path)
