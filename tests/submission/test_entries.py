"""``cwmb submit``, ``cwmb verify`` and ``make verify`` as they are typed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from forging import files_of, record, sealed

from cwmb.submission.__main__ import check, say, touched
from cwmb.submission.opening import BundleError
from cwmb.submission.packing import archived


def cwmb(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cwmb", *map(str, arguments)], capture_output=True, text=True, timeout=600
    )


@pytest.fixture(scope="module")
def entry(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An entry made with the commands of the docs."""
    folder = tmp_path_factory.mktemp("leaderboard") / "an-entry"
    folder.mkdir()
    said = ("--name", "An entry", "--authors", "Ann, Bob", "--openness", "open", "--statement", "No tools.")
    made = cwmb("submit", run, *said, "--out", folder / "bundle.zip")
    assert made.returncode == 0, made.stderr
    assert "2 cells" in made.stdout
    assert "Not to be ranked: run 0: protocol quick is never ranked." in made.stdout
    done = cwmb("verify", folder / "bundle.zip", "--episodes", 1, "--seed", 5, "--json")
    assert done.returncode == 0, done.stderr
    (folder / "verification.json").write_text(done.stdout)
    report = json.loads(done.stdout)
    assert (report["verdict"], report["seed"], len(report["cells"])) == ("consistent", 5, 2)
    return folder


def test_an_entry_is_checked(entry: Path) -> None:
    assert "CartPole-v1 seed 0, CliffWalking-v0 seed 0" in check(entry)


def test_a_forged_bundle_has_its_own_exit_code(entry: Path, tmp_path: Path) -> None:
    files = files_of(entry / "bundle.zip")
    record(lambda r: r["test"].update(accuracy=0.999))(files)
    (tmp_path / "b.zip").write_bytes(archived(sealed(files)))
    done = cwmb("verify", tmp_path / "b.zip", "--episodes", 1)
    assert done.returncode == 5
    assert "CartPole-v1 seed 0: test is different: accuracy is 0.999, recomputed" in done.stdout
    refused = cwmb("verify", entry / "verification.json")
    assert refused.returncode == 2
    assert refused.stderr == (
        "cwmb: verification.json: is no zip archive, or holds more than one: a bundle is what 'cwmb submit' writes\n"
    )
    assert (
        "unknown openness 'ope'"
        in cwmb("submit", entry, "--name", "x", "--authors", "y", "--openness", "ope", "--out", "z").stderr
    )


def changed(entry: Path, tmp_path: Path, **report: object) -> Path:
    folder = tmp_path / "changed"
    shutil.copytree(entry, folder)
    content = json.loads((folder / "verification.json").read_text())
    (folder / "verification.json").write_text(json.dumps({**content, **report}))
    return folder


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ({"bundle": "0" * 64}, "is of another bundle"),
        ({"cells": []}, "is of 0 cells, not of these 2"),
        ({"verdict": "different"}, "says that the bundle is 'different'"),
        ({"cells": 7}, "is no report"),
    ],
)
def test_a_report_must_be_this_bundles(entry: Path, tmp_path: Path, report: dict[str, object], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        check(changed(entry, tmp_path, **report))


def test_an_entry_holds_nothing_else(entry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = changed(entry, tmp_path)
    (folder / "notes.txt").write_text("hello")
    assert not say("changed", folder, strict=False)
    assert "WRONG: holds bundle.zip, notes.txt, verification.json" in capsys.readouterr().out


def test_an_entry_of_another_version_is_kept_but_cannot_be_new(
    entry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = changed(entry, tmp_path)
    files = files_of(folder / "bundle.zip")
    record(lambda r: r["provenance"].update(test_sha256="f" * 64))(files)
    (folder / "bundle.zip").write_bytes(archived(sealed(files)))
    assert say("old", folder, strict=False)
    assert not say("old", folder, strict=True)
    assert "kept as it was verified" in capsys.readouterr().out


def test_only_what_a_change_touches_is_verified(tmp_path: Path) -> None:
    board = tmp_path / "results" / "leaderboard"

    def git(*arguments: str) -> str:
        me = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        command = ["git", "-C", str(tmp_path), *me, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    for name in ("old", "changed", "removed"):
        (board / name).mkdir(parents=True)
        (board / name / "bundle.zip").write_bytes(b"1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    base = git("rev-parse", "HEAD").strip()
    (board / "changed" / "bundle.zip").write_bytes(b"2")
    (board / "new").mkdir()
    (board / "new" / "bundle.zip").write_bytes(b"3")
    (board / "README.md").write_text("x")
    shutil.rmtree(board / "removed")
    git("add", ".")
    git("commit", "-qm", "two")
    assert touched(board, base) == ["changed", "new"]
