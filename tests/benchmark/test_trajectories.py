import re
import shutil
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmb.benchmark import trajectories
from cwmb.benchmark.catalog import EnvironmentSpec, environment, environment_ids
from cwmb.benchmark.data import data_path
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import suite_names
from cwmb.benchmark.trajectories import checksum, load_npz, read, spaces, transitions
from cwmb.collect.determined import determined, restored
from cwmb.collect.policies import tabulate
from cwmb.errors import CwmbError
from cwmb.judging.scoring import evaluate, rules
from cwmb.types import OK, Floats, Predictions, Split, Transitions
from cwmb.worlds import make

SPLITS: tuple[Split, ...] = ("train", "test")
PAPER = Path(__file__).parents[3] / "shared" / "paper_transitions"
ENUMERATED = {"CliffWalking-v0": 148, "Taxi-v3": 2400}

every_environment = pytest.mark.parametrize("name", environment_ids())
every_split = pytest.mark.parametrize("split", SPLITS)

simulator = cache(lambda name: make(environment(name)))


def enumerated(name: str, split: Split) -> bool:
    return split == "test" and name in ENUMERATED


@every_environment
@every_split
def test_arrays_have_the_shapes_and_values_of_the_spaces(name: str, split: Split) -> None:
    data = transitions(environment(name), split)
    real = simulator(name)
    assert spaces(environment(name)) == (real.observation_space, real.action_space)
    for rows, space in (
        (data.observations, real.observation_space),
        (data.next_observations, real.observation_space),
        (data.actions, real.action_space),
    ):
        assert rows.shape == (len(data), space.size)
        assert rows.dtype == np.float64
        assert np.isfinite(rows).all()
        assert (rows == rows.astype(space.dtype)).all()
    assert (data.actions >= real.action_space.low).all()
    assert (data.actions <= real.action_space.high).all()
    assert np.isfinite(data.rewards).all()


@every_environment
@every_split
def test_episodes_are_chains_that_end_at_most_once(name: str, split: Split) -> None:
    data = transitions(environment(name), split)
    same = data.episodes[1:] == data.episodes[:-1]
    assert (data.episodes[1:][~same] == data.episodes[:-1][~same] + 1).all()
    assert data.episodes[0] == 0
    assert (data.steps == 0).sum() == data.episodes[-1] + 1
    assert (data.steps[1:][same] == data.steps[:-1][same] + 1).all()
    assert (data.next_observations[:-1][same] == data.observations[1:][same]).all()
    assert not (data.terminated | data.truncated)[:-1][same].any()
    limit = {"Reacher-v4": 50, "Pusher-v4": 100, "Pendulum-v1": 200}.get(name, environment(name).step_limit)
    assert (data.steps[data.truncated] == limit - 1).all()


@every_environment
@every_split
def test_every_kind_of_reward_and_end_is_visited(name: str, split: Split) -> None:
    spec, data = environment(name), transitions(environment(name), split)
    if spec.reward_values is not None:
        assert set(np.unique(data.rewards)) == set(spec.reward_values)
    if enumerated(name, split):
        assert len(data) == ENUMERATED[name]
        return
    if spec.reward_values is not None:
        assert min((data.rewards == value).sum() for value in spec.reward_values) >= 20
    endless = {"Pendulum-v1", "Reacher-v4", "Pusher-v4", "HalfCheetah-v4", "Swimmer-v4", "HumanoidStandup-v4"}
    assert (data.terminated.sum() >= 20) == (name not in endless)
    assert len(data) >= {"InvertedDoublePendulum-v4": 300, "Reacher-v4": 500, "Blackjack-v1": 400}.get(name, 700)
    assert data.determined.any()


def limits(name: str, before: Floats, after: Floats) -> dict[str, np.ndarray]:
    """Which transitions meet the walls, clips and limits that the description names."""
    if name == "CartPole-v1":
        return {
            "left": after[:, 0] < -2.4, "right": after[:, 0] > 2.4,
            "falls left": after[:, 2] < -np.pi / 15, "falls right": after[:, 2] > np.pi / 15,
        }  # fmt: skip
    if name == "MountainCar-v0":
        return {
            "wall": after[:, 0] == np.float32(-1.2), "goal": after[:, 0] >= 0.5,
            "fastest left": after[:, 1] == np.float32(-0.07), "fastest right": after[:, 1] == np.float32(0.07),
        }  # fmt: skip
    if name == "Acrobot-v1":
        return {
            f"{sign} {column}": after[:, column] == np.float32(sign * limit * np.pi)
            for sign in (-1, 1)
            for column, limit in ((4, 4), (5, 9))
        }
    if name == "Pendulum-v1":
        return {"left": after[:, 2] == -8, "right": after[:, 2] == 8}
    if name == "Reacher-v4":
        elbow = np.arctan2(after[:, 3], after[:, 1])
        return {"stop": elbow > 3, "other stop": elbow < -3}
    if name == "InvertedPendulum-v4":
        return {"right": after[:, 0] > 1, "left": after[:, 0] < -1}
    if name == "InvertedDoublePendulum-v4":
        return {"right": after[:, 8] < 0, "left": after[:, 8] > 0, "fast": np.abs(after[:, 5:8]).max(axis=1) == 10}
    if name in ("Hopper-v4", "Walker2d-v4"):
        return {"fast": np.abs(after[:, -len(after[0]) // 2 :]).max(axis=1) == 10}
    if name == "Swimmer-v4":
        stop = np.radians(100)
        return {f"stop {joint}": np.abs(after[:, joint]) > stop for joint in (1, 2)}
    if name == "Pusher-v4":
        return {"contact": np.abs(after[:, 17:19] - before[:, 17:19]).max(axis=1) > 1e-3}
    return {}


@every_environment
@every_split
def test_limits_are_visited(name: str, split: Split) -> None:
    data = transitions(environment(name), split)
    for limit, met in limits(name, data.observations, data.next_observations).items():
        assert met.sum() >= 5, limit


@pytest.mark.parametrize("name", ENUMERATED)
def test_test_sets_of_tables_hold_every_valid_pair_once(name: str) -> None:
    spec = environment(name)
    train, test = transitions(spec, "train"), transitions(spec, "test")

    def pairs(data: Transitions) -> list[tuple[int, int]]:
        return list(zip(data.observations[:, 0].astype(int), data.actions[:, 0].astype(int), strict=True))

    assert pairs(test) == list(tabulate(simulator(name)))
    assert len(set(pairs(test))) == ENUMERATED[name]
    unseen = set(pairs(test)) - set(pairs(train))
    assert 0 < len(unseen) < len(test)
    assert set(pairs(train)) < set(pairs(test))


@every_environment
@every_split
def test_the_restored_simulator_repeats_determined_transitions(name: str, split: Split) -> None:
    spec, data = environment(name), transitions(environment(name), split)
    some = data.take(np.random.default_rng(0).choice(len(data), 50))
    found = determined(spec, simulator(name), some)
    # At an end the next observation does not count.
    assert (found >= some.determined)[~some.terminated].all()
    assert (found >= some.determined)[:, -2:].all()
    assert found.shape == some.observations.shape[:1] + (data.observations.shape[1] + 2,)


@every_split
def test_in_blackjack_the_dealers_card_is_determined_and_a_hit_of_21_too(split: Split) -> None:
    data = transitions(environment("Blackjack-v1"), split)
    total, _, ace = data.observations.T
    hit = data.actions[:, 0] == 1
    assert data.determined[:, 1].all()
    assert data.determined[~hit, -1].all()
    assert data.determined[hit & (total == 21) & (ace == 0), -2:].all()  # bust for certain
    assert data.determined[hit & ((total <= 11) | (ace == 1)), -2:].all()  # it cannot be
    assert not data.determined[hit, 0].any()
    assert not data.determined[hit & (ace == 0) & (total > 11) & (total < 21), -2].any()


def test_a_data_set_may_say_of_transitions_as_wholes_whether_they_are_determined(tmp_path: Path) -> None:
    import h5py

    folder = shutil.copytree(trajectories.dataset_folder(environment("Blackjack-v1").dataset.test), tmp_path / "copy")
    with h5py.File(folder / "data" / "main_data.hdf5", "r+") as file:
        for index in range(len(file)):
            infos = file[f"episode_{index}/infos"]
            whole = infos["determined"][:].all(axis=1, keepdims=True)
            del infos["determined"]
            infos["determined"] = whole
    data, parts = trajectories.read(folder), transitions(environment("Blackjack-v1"), "test")
    assert data.determined.shape == parts.determined.shape
    assert (parts.determined.all(axis=1) == data.determined.T).all()


def test_minari_loads_what_we_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(data_path("trajectories")))
    import minari

    for name in environment_ids():
        seeds: set[int] = set()
        for split in SPLITS:
            spec = environment(name)
            data = transitions(spec, split)
            dataset = minari.load_dataset(getattr(spec.dataset, split))
            assert dataset.total_steps == len(data)
            assert dataset.env_spec is not None
            first = 0
            for episode in dataset:
                rows = slice(first, first + len(episode))
                first += len(episode)
                observations = episode.observations
                if isinstance(observations, tuple):
                    observations = np.column_stack(observations)
                np.testing.assert_array_equal(observations[:-1].reshape(len(episode), -1), data.observations[rows])
                np.testing.assert_array_equal(episode.actions.reshape(len(episode), -1), data.actions[rows])
                np.testing.assert_array_equal(episode.rewards, data.rewards[rows])
                np.testing.assert_array_equal(episode.terminations, data.terminated[rows])
                if "next_observations" not in episode.infos:
                    assert data.episodes[rows][0] == data.episodes[rows][-1]
                    np.testing.assert_array_equal(observations[-1:].reshape(1, -1), data.next_observations[rows][-1:])
            assert first == len(data)
            for metadata in dataset.storage.get_episode_metadata(range(dataset.total_episodes)):
                assert {"policy", "start", "versions"} < set(metadata)
                assert {"gymnasium", "mujoco", "numpy", "cwmb"} == set(metadata["versions"])
                if enumerated(name, split):
                    continue
                own = np.atleast_1d(metadata["seeds"] if "seeds" in metadata else metadata["seed"]).tolist()
                assert seeds.isdisjoint(own)
                seeds.update(own)
                assert np.size(metadata["returns"] if "returns" in metadata else metadata["return"]) == len(own)


def test_the_data_stay_small() -> None:
    originals, drawn = 0, 0
    for path in filter(Path.is_file, data_path("trajectories").rglob("*")):
        is_drawn = path.relative_to(data_path("trajectories")).parts[0] in suite_names()
        originals, drawn = originals + path.stat().st_size * (not is_drawn), drawn + path.stat().st_size * is_drawn
    assert 0 < originals < 20e6
    assert 0 < drawn < 15e6


def renamed(spec: EnvironmentSpec, **changes: str) -> EnvironmentSpec:
    return replace(spec, dataset=replace(spec.dataset, **changes))


def test_other_data_are_refused() -> None:
    spec = environment("CartPole-v1")
    actual = spec.dataset.test_sha256
    with pytest.raises(CwmbError, match=rf"CartPole-v1 \(test\).*{actual}.*{'0' * 64}.*make trajectories"):
        transitions(renamed(spec, test_sha256="0" * 64), "test")
    with pytest.raises(CwmbError, match=r"missing.*make trajectories"):
        transitions(renamed(spec, train="CartPole-v1/train-v9"), "train")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "main_data.hdf5").write_bytes(b"no HDF5")
    with pytest.raises(CwmbError, match="cannot be read"):
        read(tmp_path)


def test_loaded_arrays_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        transitions(environment("CartPole-v1"), "train").rewards[0] = 5


def test_the_checksum_sees_every_array_but_not_the_memory_layout() -> None:
    data = transitions(environment("CartPole-v1"), "train").take(slice(0, 20))
    assert checksum(data) == checksum(replace(data, observations=np.asfortranarray(data.observations)))
    assert checksum(data) == checksum(replace(data, rewards=data.rewards.astype(">f8")))
    for field in fields(data):
        changed = getattr(data, field.name).copy()
        changed.flat[3] = not changed.flat[3] if changed.dtype == bool else changed.flat[3] + 1
        assert checksum(replace(data, **{field.name: changed})) != checksum(data)


Arrays = dict[str, np.ndarray]


def cartpole(n: int = 4) -> Arrays:
    walk = np.arange((n + 1) * 4, dtype=np.float32).reshape(n + 1, 4)
    return {
        "obs": walk[:-1],
        "actions": np.zeros(n, dtype=np.int64),
        "next_obs": walk[1:],
        "rewards": np.ones(n),
        "terminated": np.zeros(n, dtype=bool),
    }


def saved(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)
    return path


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["goes on", "terminates", "jumps"]), min_size=1, max_size=12))
def test_npz_without_episodes_is_cut_where_it_ends_or_jumps(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str]
) -> None:
    arrays = cartpole(len(rows))
    arrays["terminated"] = np.array([row == "terminates" for row in rows])
    arrays["next_obs"] = arrays["next_obs"] + np.array([[row == "jumps"] for row in rows]) * np.float32(0.5)
    data = load_npz(saved(tmp_path_factory.mktemp("data") / "a.npz", arrays), environment("CartPole-v1"))
    episode = step = 0
    for i, row in enumerate(rows):
        assert (data.episodes[i], data.steps[i]) == (episode, step)
        episode, step = (episode, step + 1) if row == "goes on" else (episode + 1, 0)
    assert data.determined.all()
    assert not data.truncated.any()
    np.testing.assert_array_equal(data.observations, arrays["obs"])


def test_npz_episodes_may_be_interleaved(tmp_path: Path) -> None:
    arrays = cartpole(5) | {"episode": np.array([7, 8, 7, 7, 8]), "truncated": np.array([0, 0, 0, 1, 0])}
    arrays["dones"] = arrays.pop("terminated")
    data = load_npz(saved(tmp_path / "a.npz", arrays), environment("CartPole-v1"))
    assert data.steps.tolist() == [0, 0, 1, 2, 1]
    assert data.episodes.tolist() == [7, 8, 7, 7, 8]
    assert data.truncated.tolist() == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rewards": None}, r"no array 'rewards'; it needs obs, .* and has actions"),
        ({"terminated": None}, r"no array 'terminated'"),
        ({"obs": np.zeros((4, 3))}, r"'obs' has shape \(4, 3\); CartPole-v1 has \[4, 4\]"),
        ({"obs": np.zeros(4)}, r"'obs' has shape \(4,\)"),
        ({"obs": np.zeros((0, 4))}, "'obs' holds no transition"),
        ({"obs": np.float64(1)}, "'obs' holds no transition"),
        ({"next_obs": np.zeros((3, 4))}, r"'next_obs' has shape \(3, 4\); it must have as many rows"),
        ({"actions": np.array([0, 1, 2, 0])}, r"'actions' holds \[2\.\]"),
        ({"actions": np.array([0, 0.5, 1, 0])}, r"'actions' holds \[0\.5\]"),
        ({"actions": np.array(["a"] * 4)}, "'actions' has dtype <U1; it must hold numbers"),
        ({"rewards": np.array([0, np.nan, 0, 0])}, "'rewards' holds values that are not finite"),
        ({"rewards": np.zeros((4, 2))}, r"'rewards' has shape \(4, 2\); it must be \[4\]"),
        ({"terminated": np.array([0, 2, 0, 0])}, "'terminated' must hold booleans"),
        ({"obs": np.array([None] * 4)}, "cannot be read as an .npz file of plain arrays"),
    ],
)
def test_npz_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, np.ndarray | None], message: str) -> None:
    arrays = {key: value for key, value in (cartpole() | change).items() if value is not None}
    path = saved(tmp_path / "mine.npz", arrays)
    with pytest.raises(CwmbError, match=message) as error:
        load_npz(path, environment("CartPole-v1"))
    assert "mine.npz" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"text", b"\x93NUMPY\x01\x00"])
def test_files_that_are_no_npz_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(CwmbError, match=r"mine\.npz cannot be read"):
        load_npz(path, environment("CartPole-v1"))


def test_a_single_array_or_no_file_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(CwmbError, match="cannot be read"):
        load_npz(tmp_path / "one.npy", environment("CartPole-v1"))
    with pytest.raises(CwmbError, match="does not exist"):
        load_npz(tmp_path / "none.npz", environment("CartPole-v1"))
    with pytest.raises(CwmbError, match="cannot be read"):
        load_npz(tmp_path, environment("CartPole-v1"))


@pytest.mark.parametrize("name", [n for n in environment_ids() if environment(n).reward_values is not None])
@every_split
def test_a_program_that_is_never_done_loses_a_twentieth(name: str, split: Split) -> None:
    truth, standard = transitions(environment(name), split), rules(environment(name), protocol("standard").scoring)
    n = len(truth)
    said = Predictions(truth.next_observations, truth.rewards, np.zeros(n, bool), np.full(n, OK, np.uint8))
    assert evaluate(truth, replace(said, done=truth.terminated), standard).accuracy == 1.0
    assert evaluate(truth, said, standard).accuracy <= 0.95 + 1e-9


@pytest.mark.parametrize(
    ("name", "column"),
    [("Walker2d-v4", "elements"), ("Walker2d-v4", "rewards"), ("Ant-v4", "rewards"), ("Humanoid-v4", "rewards")],
)
def test_the_reason_of_a_tolerance_gives_figures_of_the_test_set(name: str, column: str) -> None:
    data = transitions(environment(name), "test")
    predicted = restored(simulator(name), data)
    true, said = (
        (data.rewards, predicted.rewards) if column == "rewards" else (data.next_observations, predicted.observations)
    )
    reason = " ".join(environment(name).tolerances.reason.split())
    stated = re.findall(r"((?:[\d.]+, )+[\d.]+) % of the (?:test set's )?(\w+ ?\w*)", reason)
    (figures,) = [figures for figures, what in stated if column in what]
    for power, figure in zip(range(-5, -1), figures.split(", "), strict=False):
        share = 100 * np.mean(np.abs(said - true) <= 10.0**power * (1 + np.abs(true)))
        assert share == pytest.approx(float(figure), abs=0.06 if "." in figure else 0.6)


@pytest.mark.skipif(not PAPER.is_dir(), reason="the paper's transitions are not beside the checkout")
@pytest.mark.parametrize("name", ["CartPole-v1", "CliffWalking-v0", "Hopper-v4", "Pendulum-v1", "Reacher-v4"])
def test_the_papers_transitions_load(name: str) -> None:
    with np.load(PAPER / f"{name}.npz") as stored:
        data = load_npz(PAPER / f"{name}.npz", environment(name))
        assert len(data) == len(stored["rewards"])
        np.testing.assert_array_equal(data.observations, stored["obs"].reshape(len(data), -1))
        np.testing.assert_array_equal(data.terminated, stored["dones"])
        np.testing.assert_array_equal(data.episodes, stored["episode"])
        assert data.steps[0] == 0
        assert data.steps.max() == np.bincount(stored["episode"]).max() - 1
