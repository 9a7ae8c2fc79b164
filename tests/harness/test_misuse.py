"""What people type, and what strangers send: one line that helps, the right exit code, and never a traceback."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from killable import Killable

from cwmb.benchmark.data import data_path
from cwmb.reference import program

ARRAYS = {
    "obs": np.zeros((3, 4)),
    "actions": np.zeros(3, dtype=np.int64),
    "next_obs": np.zeros((3, 4)),
    "rewards": np.ones(3),
    "terminated": np.zeros(3, dtype=bool),
}
EVAL = "eval --strategy zero_shot --model simulated --envs CartPole-v1 --out {place}/new"
SCORE = "score CartPole-v1 {place}/world.py"
DATA = SCORE + " --data {place}/"


def npz(path: Path, **changes: np.ndarray | None) -> None:
    arrays = {**ARRAYS, **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def header(shape: str) -> bytes:
    """An .npy file that says it has a shape, and has nothing."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def zipped(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def encrypted(path: Path) -> None:
    zipped(path, obs=header("(3, 4)"))
    content = bytearray(path.read_bytes())
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        content[content.index(mark) + (6 if mark == b"PK\x03\x04" else 8)] |= 1
    path.write_bytes(content)


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("obs.npy", "w") as file:
        for _ in range(1100):
            file.write(bytes(1 << 20))


def hdf5(folder: Path, change: Callable[[h5py.File], None]) -> None:
    """The shipped data set of CartPole, changed."""
    whole = (data_path("trajectories") / "CartPole-v1" / "train-v0" / "data" / "main_data.hdf5").read_bytes()
    (folder / "data").mkdir(parents=True)
    file = folder / "data" / "main_data.hdf5"
    file.write_bytes(whole)
    with h5py.File(file, "r+") as opened:
        change(opened)


def replaced(name: str, value: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = value

    return change


def enlarged(file: h5py.File) -> None:
    del file["episode_0/rewards"]
    file.create_dataset("episode_0/rewards", shape=(1 << 40,), chunks=(1024,), dtype="f8")


def outside(file: h5py.File) -> None:
    del file["episode_0/rewards"]
    file.create_dataset("episode_0/rewards", shape=(8,), dtype="f8", external=[("/etc/passwd", 0, 64)])


@pytest.fixture(scope="module")
def place(cwmb_process: Killable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the cases name."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "world.py").write_text(program("CartPole-v1").source)
    (folder / "binary.py").write_bytes(bytes(range(256)))
    (folder / "other.py").write_text("class World:\n    pass\n")
    (folder / "empty").mkdir()
    (folder / "file").write_text("not a folder")
    npz(folder / "short.npz", rewards=np.ones(2))
    npz(folder / "missing.npz", next_obs=None)
    npz(folder / "nan.npz", obs=np.full((3, 4), np.nan))
    npz(folder / "wide.npz", obs=np.zeros((3, 5)))
    npz(folder / "words.npz", rewards=np.array(["a", "b", "c"]))
    npz(folder / "objects.npz", rewards=np.array([1, {}, []], dtype=object))
    npz(folder / "actions.npz", actions=np.array([0, 1, 7]))
    npz(folder / "none.npz", **{name: array[:0] for name, array in ARRAYS.items()})
    npz(folder / "complex.npz", rewards=np.ones(3) * 1j)
    (folder / "cut.npz").write_bytes((folder / "nan.npz").read_bytes()[:300])
    (folder / "text.npz").write_text("obs")
    zipped(folder / "huge.npz", obs=header("(1000000000000, 4)"))
    zipped(folder / "negative.npz", obs=header("(-3, 4)"))
    zipped(folder / "code.npz", obs=header("(__import__('os').getpid(),)"))
    encrypted(folder / "encrypted.npz")
    bomb(folder / "bomb.npz")
    hdf5(folder / "nan", lambda file: file["episode_0/rewards"].__setitem__(0, np.nan))
    hdf5(folder / "linked", replaced("episode_0", h5py.ExternalLink("/etc/hostname", "/")))
    hdf5(folder / "soft", replaced("episode_0/rewards", h5py.SoftLink("/episode_1/rewards")))
    hdf5(folder / "enlarged", enlarged)
    hdf5(folder / "outside", outside)
    hdf5(folder / "words", replaced("episode_0/rewards", "text"))
    hdf5(folder / "gone", lambda file: file.__delitem__("episode_0"))
    hdf5(folder / "group", replaced("episode_0/rewards", np.zeros((8, 3))))
    (folder / "torn" / "data").mkdir(parents=True)
    (folder / "torn" / "data" / "main_data.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    done = cwmb_process.run(*EVAL.replace("{place}/new", f"{folder}/run").split())
    assert done.code == 0, done.errors
    runs(folder, (folder / "run" / "records.jsonl").read_text().strip())
    return folder


def runs(folder: Path, line: str) -> None:
    """Folders that are no run, or one that cannot be used. line: a record."""
    record = json.loads(line)
    changes: dict[str, dict[str, Any]] = {
        "accuracy": {"test": {**record["test"], "accuracy": 7.0}},
        "nan": {"test": {**record["test"], "accuracy": float("nan")}},
        "large": {"planning": {**record["planning"], "return_mean": 1e308}},
        "seed": {"seed": 2**70},
        "schema": {"schema": 99},
        "protocol": {"protocol": "slow"},
        "surrogate": {"model": "\ud800"},
        "state": {"state": "perfect"},
        "text": {"model": "m" * 100_000},
    }
    for name, change in changes.items():
        (folder / f"record-{name}.jsonl").write_text(json.dumps({**record, **change}) + "\n")
    (folder / "deep.jsonl").write_text("[" * 100_000 + "\n")
    (folder / "list.jsonl").write_text("[]\n")
    (folder / "twice.jsonl").write_text(f"{line}\n{line}\n")
    (folder / "fine.jsonl").write_text(f"\ufeff{line}\n\n")
    (folder / "begun").mkdir()
    configuration = {
        "strategy": "zero_shot", "options": {}, "model": "simulated", "protocol": "quick", "protocol_sha256": "",
        "budget": {"calls": 10}, "descriptions": "default",
    }  # fmt: skip
    for name, extent in {
        "begun": {"environments": ["CartPole-v1"], "seeds": 1},
        "old": {"environments": ["CartPole-v9"], "seeds": 1},
        "many": {"environments": ["CartPole-v1"], "seeds": 20_000_000},
        "odd": {"environments": 3, "seeds": "x"},
    }.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "run.json").write_text(json.dumps({"configuration": configuration, **extent}))
    (folder / "nested").mkdir()
    (folder / "nested" / "run.json").write_text("[" * 100_000)
    (folder / "filled").mkdir()
    (folder / "filled" / "mine.txt").write_text("precious")


# What is typed -> a word of the one line that answers it.
MISUSES = {
    "describe": "Missing argument",
    "describe CartPole": "CartPole-v1",
    "describe cartpole-v1": "CartPole-v1",
    "describe CartPole-v1 --descriptions long": "complete",
    "describe CartPole-v1 Taxi-v3": "unexpected extra argument",
    "list": "Missing argument",
    "list strategys": "strategies",
    "nonsense": "No such command",
    "--nonsense": "No such option",
    "eval": "--strategy",
    "eval --strategy zero_shot": "--model",
    "eval --strategy zero_shoot --model simulated": "zero_shot",
    "eval --strategy zero_shot --model gpt-5": "provider",
    "eval --strategy zero_shot --model ''": "provider",
    "eval --strategy zero_shot --model manual:": "manual",
    "eval --strategy zero_shot --model replay:": "replay",
    "eval --strategy zero_shot --model replay:{place}/empty": "no run",
    "eval --strategy zero_shot --model local:{place}/none.gguf": "local",
    "eval --strategy zero_shot --model simulated:what=1": "what",
    EVAL + " --envs CartPole-v1,": "unknown environment",
    EVAL + " --envs ''": "unknown environment",
    EVAL + " --envs CartPole-v1;Taxi-v3": "CartPole-v1",
    EVAL + " --protocol slow": "quick",
    EVAL + " --protocol ../harness/quick": "quick",
    EVAL + " --budget 0": "--budget is 0",
    EVAL + " --budget many": "many",
    EVAL + " --budget 1.5": "1.5",
    EVAL + " --seeds -1": "--seeds is -1",
    EVAL + " --jobs 0": "--jobs is 0",
    EVAL + " --max-tokens 0": "--max-tokens is 0",
    EVAL + " --max-dollars nan": "--max-dollars is nan",
    EVAL + " --max-dollars 0": "--max-dollars is 0",
    EVAL + " --max-seconds inf": "--max-seconds is inf",
    EVAL + " --max-new-tokens -5": "--max-new-tokens is -5",
    EVAL + " --requests-per-minute 0": "--requests-per-minute is 0",
    EVAL + " --executor slurm": "ray",
    EVAL + " --address auto": "--executor ray",
    EVAL + " --executor ray --address 127.0.0.1:9": "no Ray cluster at 127.0.0.1:9",
    EVAL + " --executor ray --address 127.0.0.1:port": "no Ray cluster at 127.0.0.1:port",
    EVAL + " -o tries": "-o tries=VALUE",
    EVAL + " -o tries=5": "tries",
    EVAL + " --strategy best_of_n -o =5": "best_of_n",
    EVAL + " --descriptions long": "complete",
    EVAL.replace("{place}/new", "{place}/file"): "is a file",
    EVAL.replace("{place}/new", "{place}/file/below"): "file",
    EVAL.replace("{place}/new", "{place}/filled"): "no run's folder",
    EVAL.replace("{place}/new", "{place}/old"): "CartPole-v9",
    EVAL.replace("{place}/new", "{place}/many"): "100000",
    EVAL.replace("{place}/new", "{place}/odd"): "no run's configuration",
    EVAL.replace("{place}/new", "{place}/nested"): "no run's configuration",
    EVAL.replace("{place}/new", "{place}/begun"): "protocol_sha256",
    EVAL.replace("{place}/new", "/proc/cwmb"): "cannot write",
    "score": "Missing argument",
    "score CartPole-v1": "Missing argument",
    "score CartPole-v1 {place}/none.py": "none.py",
    "score CartPole-v1 {place}": "directory",
    "score CartPole-v1 {place}/binary.py": "binary.py",
    "score CartPole-v1 {place}/other.py": "no class Environment",
    "score Cartpole {place}/world.py": "CartPole-v1",
    "score CartPole-v1 /dev/null": "no class Environment",
    SCORE + " --split both": "test",
    SCORE + " --protocol slow": "quick",
    DATA + "none": "none",
    DATA + "file": "file",
    DATA + "empty": "empty",
    DATA + "short.npz": "rewards",
    DATA + "missing.npz": "next_obs",
    DATA + "nan.npz": "not finite",
    DATA + "wide.npz": "shape",
    DATA + "words.npz": "numbers",
    DATA + "objects.npz": "objects.npz",
    DATA + "actions.npz": "actions",
    DATA + "none.npz": "no transition",
    DATA + "complex.npz": "numbers",
    DATA + "cut.npz": "cut.npz",
    DATA + "text.npz": "text.npz",
    DATA + "huge.npz": "huge.npz",
    DATA + "negative.npz": "negative.npz",
    DATA + "code.npz": "code.npz",
    DATA + "encrypted.npz": "encrypted.npz",
    DATA + "bomb.npz": "unpacks to",
    DATA + "nan": "not finite",
    DATA + "linked": "link",
    DATA + "soft": "link",
    DATA + "enlarged": "bytes",
    DATA + "outside": "another file",
    DATA + "words": "words",
    DATA + "gone": "gone",
    DATA + "group": "group",
    DATA + "torn": "torn",
    SCORE + " --data " + str(data_path("trajectories", "Pendulum-v1", "train-v0")): "was recorded in 'Pendulum-v1'",
    SCORE + " --data " + str(data_path("trajectories", "Taxi-v3", "train-v0")): "was recorded in 'Taxi-v4'",
    "plan CartPole-v1 {place}/none.py": "none.py",
    "plan CartPole-v1 {place}/world.py --episodes 0": "--episodes",
    "plan CartPole-v1 {place}/world.py --protocol slow": "quick",
    "tables": "no run is named",
    "tables {place}/none": "no records in",
    "tables {place}/empty": "no records in",
    "tables {place}/begun": "no record yet",
    "tables {place}/file": "no record",
    "tables {place}/fine.jsonl --format pdf": "markdown",
    "tables {place}/twice.jsonl": "twice",
    "tables {place}/fine.jsonl {place}/fine.jsonl": "twice",
    "tables {place}/record-accuracy.jsonl": "accuracy",
    "tables {place}/record-nan.jsonl": "no record",
    "tables {place}/record-large.jsonl": "return_mean",
    "tables {place}/record-seed.jsonl": "seed",
    "tables {place}/record-schema.jsonl": "schema 99",
    "tables {place}/record-protocol.jsonl": "slow",
    "tables {place}/record-surrogate.jsonl": "no record",
    "tables {place}/record-state.jsonl": "state",
    "tables {place}/record-text.jsonl": "100000 characters",
    "tables {place}/deep.jsonl": "no record",
    "tables {place}/list.jsonl": "no record",
    "compare {place}/fine.jsonl": "Missing argument",
    "compare {place}/fine.jsonl {place}/none": "no records in",
    "compare {place}/fine.jsonl {place}/fine.jsonl --format pdf": "markdown",
    "baselines CartPole": "CartPole-v1",
    "baselines --protocol slow": "quick",
    "collect CartPole": "CartPole-v1",
}
CODES = {"/proc/cwmb": 4, "file/below": 4, "127.0.0.1": 4}


def test_there_are_a_hundred() -> None:
    assert len(MISUSES) >= 100


@pytest.mark.parametrize("typed", MISUSES)
def test_it_is_answered_by_one_line(cwmb_process: Killable, place: Path, typed: str) -> None:
    arguments = ["" if word == "''" else word.replace("{place}", str(place)) for word in typed.split()]
    ended = cwmb_process.run(*arguments)
    assert "Traceback" not in ended.errors
    assert ended.output == ""
    assert ended.errors.startswith("cwmb: ")
    assert ended.errors.count("\n") == 1
    assert MISUSES[typed] in ended.errors
    assert ended.code == next((code for part, code in CODES.items() if part in typed), 2)
    assert not (place / "new" / "records.jsonl").exists()
    assert (place / "filled" / "mine.txt").read_text() == "precious"


def test_empty_lines_and_a_byte_order_mark_are_passed_over(cwmb_process: Killable, place: Path) -> None:
    ended = cwmb_process.run("tables", place / "fine.jsonl")
    assert (ended.code, ended.errors) == (0, "")
    assert "zero_shot" in ended.output
