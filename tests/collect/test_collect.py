import re
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import cwmb.collect
from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.data import data_path
from cwmb.benchmark.trajectories import checksum, dataset, dataset_folder, read, transitions
from cwmb.collect import Collected, collect, collect_all, enter_checksum, fresh, recipes
from cwmb.collect.policies import best_of_random, value_iteration
from cwmb.collect.recipes import Recipe, recordings
from cwmb.collect.recording import play
from cwmb.errors import CwmbError
from cwmb.types import SPLITS, Floats, Split
from cwmb.worlds import make


def test_collecting_again_gives_the_same_bytes_and_then_nothing_is_left_to_do(tmp_path: Path) -> None:
    spec = environment("CartPole-v1")
    first = collect(spec, "train", tmp_path)
    assert first.sha256 == spec.dataset.train_sha256 == checksum(read(dataset_folder(spec.dataset.train, tmp_path)))
    assert not first.skipped
    assert collect(spec, "train", tmp_path) == replace(first, skipped=True)
    assert collect(spec, "train", tmp_path, force=True) == first


def test_damaged_data_are_collected_anew(tmp_path: Path) -> None:
    spec = environment("CliffWalking-v0")
    collect(spec, "test", tmp_path)
    damaged = dataset_folder(spec.dataset.test, tmp_path) / "data" / "main_data.hdf5"
    damaged.write_bytes(b"cut off")
    assert not collect(spec, "test", tmp_path).skipped
    assert checksum(read(dataset_folder(spec.dataset.test, tmp_path))) == spec.dataset.test_sha256


def test_data_with_another_checksum_replace_nothing_unless_forced(tmp_path: Path) -> None:
    spec = environment("CliffWalking-v0")
    other = replace(spec, dataset=replace(spec.dataset, test_sha256="0" * 64))
    with pytest.raises(CwmbError, match=rf"CliffWalking-v0 \(test\).*{'0' * 64}.*--force"):
        collect(other, "test", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert collect(other, "test", tmp_path, force=True).sha256 == spec.dataset.test_sha256


def test_what_is_there_is_skipped_in_any_number_of_processes() -> None:
    before = {path: path.read_bytes() for path in data_path("environments").glob("*.toml")}
    reported: list[Collected] = []
    done = collect_all(["CartPole-v1", "CliffWalking-v0"], jobs=2, progress=reported.append)
    assert done == reported
    assert {(r.environment, r.split) for r in done} == {
        (name, split) for name in ("CartPole-v1", "CliffWalking-v0") for split in ("train", "test")
    }
    assert all(r.skipped for r in done)
    assert {path: path.read_bytes() for path in data_path("environments").glob("*.toml")} == before


def test_checksums_enter_the_environment_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cwmb.collect, "data_path", lambda *parts: tmp_path.joinpath(*parts))
    path = tmp_path / "environments" / "CartPole-v1.toml"
    path.parent.mkdir()
    path.write_text('id = "x"\ntrain_sha256 = ""\ntest_sha256 = "a"\n')
    enter_checksum(Collected("CartPole-v1", "test", 1, "b", skipped=False))
    assert path.read_text() == 'id = "x"\ntrain_sha256 = ""\ntest_sha256 = "b"\n'
    path.write_text('id = "x"\n')
    with pytest.raises(CwmbError, match="must hold one line test_sha256"):
        enter_checksum(Collected("CartPole-v1", "test", 1, "b", skipped=False))


def test_a_fresh_test_set_is_recorded_alike_from_other_seeds() -> None:
    spec = environment("CartPole-v1")
    data, published = fresh(spec, seed=0), transitions(spec, "test")
    assert checksum(data) == checksum(fresh(spec, seed=0))
    assert abs(len(data) - len(published)) < 100
    assert data.episodes[-1] + 1 == len(set(data.episodes.tolist()))
    starts = {tuple(row) for row in published.observations[published.steps == 0]}
    assert starts.isdisjoint(tuple(row) for row in data.observations[data.steps == 0])
    assert checksum(fresh(environment("CliffWalking-v0"), 5)) == environment("CliffWalking-v0").dataset.test_sha256


@pytest.mark.parametrize("name", environment_ids())
def test_policies_are_recorded_by_a_name(name: str) -> None:
    for split in SPLITS:
        policies = recorded_policies(name, split)
        assert all(re.fullmatch(r"[a-z][\w -]*", policy, re.IGNORECASE) for policy in policies), policies
    recipe = recipes.RECIPES.get(name)
    if recipe is not None and recipe.controller is not None:
        provenance = [p for _, p in recipes._mixtures(recipe, make(environment(name)))]
        assert {p["policy"] for p in provenance} <= recorded_policies(name, "train")


def recorded_policies(name: str, split: Split) -> set[str]:
    folder = dataset_folder(dataset(environment(name), split)[0])
    with h5py.File(folder / "data" / "main_data.hdf5") as file:
        return {file[episode].attrs["policy"] for episode in file}


@pytest.mark.parametrize(("name", "worst"), [("CliffWalking-v0", -13), ("Taxi-v3", 5)])
def test_value_iteration_is_optimal(name: str, worst: float) -> None:
    simulator = make(environment(name))
    best = value_iteration(simulator)
    returns = [
        play(simulator, simulator.reset(seed), lambda o: np.array([float(best(o))]), 100).rewards.sum()
        for seed in range(5)
    ]
    assert min(returns) >= worst


def test_an_environment_without_a_strong_policy_gets_a_planned_one(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = make(environment("CartPole-v1"))
    rng = np.random.default_rng(0)

    def planned(_: Floats) -> Floats:
        return np.array([float(best_of_random(simulator, rng, plans=20, horizon=10))])

    assert len(play(simulator, simulator.reset(0), planned, 40)) == 40
    monkeypatch.setitem(recipes.RECIPES, "CartPole-v1", Recipe(transitions=5, steps=5))
    monkeypatch.setattr(recipes, "best_of_random", lambda simulator, rng: 1)
    recorded = list(recordings(environment("CartPole-v1"), simulator, "train", 0))
    strongest = recorded[len(recipes.EPSILONS) - 1]
    assert strongest.provenance["policy"] == "epsilon-mixture of random and best_of_random"
    assert strongest.provenance["epsilon"] == 0
    assert (strongest.transitions.actions == 1).all()


def test_levels_of_continuous_actions_carry_out_what_cem_found(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = environment("Swimmer-v4")
    monkeypatch.setitem(recipes.RECIPES, spec.id, Recipe(transitions=5, steps=5, samples=20))
    monkeypatch.setattr(recipes, "CEM_ITERATIONS", (0, 2, 8))
    simulator = make(spec)

    def recorded(seed: int) -> list[recipes.Recording]:
        return list(recordings(spec, simulator, "train", seed))[:3]  # without the edges

    levels = recorded(7)
    assert [r.provenance.get("iterations", 0) for r in levels] == [0, 2, 8]
    assert levels[0].provenance["policy"] == "random"
    returns = [r.provenance["return"] for r in levels]
    assert returns[2] > returns[0]
    for level in levels:
        assert len(level.transitions) == 5
        assert not (level.transitions.terminated | level.transitions.truncated).any()
        # The planner leaves the simulator at the episode's start.
        np.testing.assert_array_equal(level.transitions.observations[0], simulator.reset(level.seed))
    for level, again, other in zip(levels, recorded(7), recorded(8), strict=True):
        assert checksum(level.transitions) == checksum(again.transitions) != checksum(other.transitions)
