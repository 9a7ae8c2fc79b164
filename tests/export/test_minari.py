"""The data sets as plain Minari sees them: every episode, its spaces, its environment and its reference scores."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cwmb.benchmark.baselines import of_environment
from cwmb.benchmark.suites import Worlds, shipped
from cwmb.benchmark.trajectories import transitions
from cwmb.cli.app import app
from cwmb.types import Space, Transitions


def exported(folder: Path, suite: str, ids: tuple[str, ...], patch: pytest.MonkeyPatch) -> Path:
    """A Minari folder of some of a suite's environments, written by the command, and Minari told of it."""
    patch.setattr(Worlds, "ids", ids)
    done = CliRunner().invoke(app, ["export", "minari", str(folder), "--suite", suite, "--contact", "a@b.org"])
    assert done.exit_code in (0, None), done.output
    patch.setenv("MINARI_DATASETS_PATH", str(folder))
    return folder


def rows(values: Any, space: Space) -> Any:
    """Minari's observations or actions as rows."""
    return np.column_stack(values) if space.kind == "tuple" else np.asarray(values).reshape(-1, space.size)


@pytest.mark.parametrize("name", ["CartPole-v1", "Blackjack-v1", "InvertedPendulum-v4"])
def test_minari_reads_the_same_transitions_and_makes_the_environment(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gymnasium
    import minari

    spec = shipped("cwmb18").environment(name)
    exported(tmp_path, "cwmb18", (name,), monkeypatch)
    assert sorted(minari.list_local_datasets()) == [f"cwmb/{name}/test-v0", f"cwmb/{name}/train-v0"]
    dataset = minari.load_dataset(f"cwmb/{name}/train-v0")
    data: Transitions = transitions(spec, "train")
    assert dataset.total_steps == len(data)
    assert dataset.total_episodes == data.episodes.max() + 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # that what is installed is not what was required
        env = dataset.recover_environment()
    assert env.observation_space == dataset.observation_space
    assert env.action_space == dataset.action_space
    from cwmb.benchmark.trajectories import spaces

    observation_space, action_space = spaces(spec)
    for number, episode in enumerate(dataset.iterate_episodes()):
        part = data.take(data.episodes == number)
        observations = rows(episode.observations, observation_space)
        assert (observations[:-1] == part.observations).all()
        assert (observations[1:] == part.next_observations).all()
        assert (rows(episode.actions, action_space) == part.actions).all()
        assert (episode.rewards == part.rewards).all()
        assert (episode.terminations == part.terminated).all()
        assert (episode.truncations == part.truncated).all()
        assert (episode.infos["determined"][:-1] == part.determined).all()
    assert isinstance(env, gymnasium.Env)

    metadata = dataset.storage.metadata
    assert set(metadata["author_email"]) == {"a@b.org"}
    assert metadata["code_permalink"] == "unknown"
    assert {"author", "algorithm_name", "description", "minari_version", "requirements"} <= metadata.keys()
    scale = of_environment(spec, "standard").scale
    assert scale is not None
    assert (metadata["ref_min_score"], metadata["ref_max_score"]) == (scale[0].mean, scale[1].mean)
    assert minari.get_normalized_score(dataset, np.array([scale[1].mean])) == pytest.approx([1.0])


def test_a_drawn_world_says_why_it_cannot_be_recovered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import minari

    exported(tmp_path, "hidden", ("CartPole-v1",), monkeypatch)
    dataset = minari.load_dataset("cwmb-hidden/CartPole-v1/test-v0")
    with pytest.raises(ValueError, match="env_spec is None"):
        dataset.recover_environment()
    assert "is no environment of Gymnasium" in dataset.storage.metadata["description"]


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "cwmb").mkdir()
    done = CliRunner().invoke(app, ["export", "minari", str(tmp_path)])
    assert "is there already: name a new folder" in str(done.output) + str(done.exception)
