"""Packing: the same bytes each time, everything that verification needs, nothing that must stay at home."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ENTRY
from forging import files_of

from cwmb.errors import CwmbError
from cwmb.harness.files import dumps
from cwmb.harness.records import read_records
from cwmb.report.frame import Run, frame
from cwmb.submission.manifest import MANIFEST, checked_text
from cwmb.submission.opening import opened
from cwmb.submission.packing import Entry, pack
from cwmb.submission.ranking import obstacles
from cwmb.submission.secrets import SHAPES, find, this_machine


def test_the_same_run_gives_the_same_bytes(run: Path, bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copied")
    pack([tmp_path / "copied"], ENTRY, tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == bundle.read_bytes()


def test_it_holds_records_programs_and_ledgers_and_nothing_else(run: Path, bundle: Path) -> None:
    files = files_of(bundle)
    kinds = {name.rpartition("/")[2].rpartition(".")[2] for name in files}
    assert kinds == {"json", "jsonl", "py"}
    assert not [name for name in files if "tree" in name or "record.json" in name.split("/")]
    for name, data in files.items():
        if name.endswith("timings.jsonl"):
            times = [json.loads(text) for text in data.splitlines()]
            assert [t["type"] for t in times] == ["score", "score"]  # training and test set
            assert all(t["reference"] > 0 and t["steps"] > 0 for t in times)
            assert not {"seconds", "before"} & {key for t in times for key in t}
        elif name != MANIFEST:
            assert (run / name.removeprefix("runs/0/")).read_bytes() == data


def test_a_bundle_tells_how_fast_its_programs_are(bundle: Path) -> None:
    with opened(bundle) as found:
        (run,) = found.runs
        speeds = frame([Run(run.folder, run.records)])["steps_per_second"]
    assert (speeds > 0).all()


def test_several_runs_in_one_bundle(run: Path, tmp_path: Path) -> None:
    pack([run, run], ENTRY, tmp_path / "b.zip")
    with opened(tmp_path / "b.zip") as found:
        assert [len(r.records) for r in found.runs] == [2, 2]


def test_what_stands_in_the_way_of_a_rank_is_said(bundle: Path) -> None:
    with opened(bundle) as found:
        said = " ".join(obstacles(found))
    for words in ("quick is never ranked", "are not those of quick", "are missing", "no language model"):
        assert words in said


def spoiled(run: Path, tmp_path: Path, change: Callable[[Path], object]) -> Path:
    folder = tmp_path / "spoiled"
    shutil.copytree(run, folder)
    change(folder)
    return folder


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("cells/CartPole-v1/seed-0/programs/0000.py", "# sk-" + "Ab1" * 9, "an API key: 'sk-Ab1"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "# AIza" + "Ab1_" * 9, "an API key"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "# ghp_" + "Ab1" * 12, "an API key"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "# hf_" + "Ab1" * 12, "an API key"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "# AKIA" + "A1B2" * 4, "an API key"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "Authorization: Bearer x", "an Authorization header"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "'Bearer abcdefghijklmnopqrst'", "an Authorization header"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "api_key = 'abcdefghijklmnop0'", "a key in a header"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "open('/Users/ann/data')", "an absolute path: '/Users/ann"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", r"C:\Users\ann\x", "an absolute path"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "open('~/secret')", "an absolute path"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "http://gpu7:8000/v1", "a host"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "https://llm.corp/v1", "a host"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "localhost:11434", "a host"),
        ("cells/CartPole-v1/seed-0/programs/0000.py", "# the-value-of-a-variable", "the value of a secret variable"),
    ],
)
def test_secrets_are_named_with_file_and_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, words: str
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "the-value-of-a-variable")
    folder = spoiled(run, tmp_path, lambda f: (f / file).write_text(f"x = 1\n{text}\n"))
    with pytest.raises(CwmbError) as caught:
        pack([folder], ENTRY, tmp_path / "b.zip")
    assert f"{folder / file}:2 holds {words}" in str(caught.value)
    assert "Ab1Ab1Ab1" not in str(caught.value)
    assert not list(tmp_path.glob("*.zip*"))


def test_secrets_are_found_in_strings_of_a_ledger() -> None:
    line = dumps({"value": {"text": "as\nsk-" + "a1B2" * 6, "deep": [{"x": "see /home/ann"}]}})
    assert {f.what for f in find("ledger.jsonl", f"{{}}\n{line}\n".encode(), SHAPES)} == {
        "an API key",
        "an absolute path",
    }
    assert {f.line for f in find("ledger.jsonl", f"{{}}\n{line}\n".encode(), SHAPES)} == {2}


@pytest.mark.parametrize(
    "harmless",
    [
        "a / b / c and/or",
        "https://gymnasium.farama.org/environments/classic_control/cart_pole/",
        "task-1234567890123456789012345",
        "x ** 2 / home",
        "theta = ~mask",
        "import os.path",
        "arXiv:2405.15383",
        "ratio of 3:1, 10.0.1",
    ],
)
def test_what_is_harmless_is_left_alone(harmless: str) -> None:
    assert not list(find("0000.py", harmless.encode(), SHAPES))


def test_secrets_of_this_machine_are_known_by_their_value() -> None:
    shapes = this_machine(
        {"OPENAI_API_KEY": "abcdef-123456", "PATH": "x" * 20, "OPENAI_BASE_URL": "http://llm.example.org/v1"}
    )
    assert shapes["the value of a secret variable"].search("xx abcdef-123456 xx")
    assert shapes["a host"].search("at llm.example.org")
    assert not any(shape.search("x" * 20) for shape in shapes.values())


def test_a_harmless_text_may_be_allowed(run: Path, tmp_path: Path) -> None:
    def change(folder: Path) -> None:
        path = folder / "cells/CartPole-v1/seed-0/programs/0000.py"
        path.write_text("open('/home/user')\n")

    folder = spoiled(run, tmp_path, change)
    pack([folder], replace(ENTRY, allowed=["/home/user"]), tmp_path / "b.zip")
    with opened(tmp_path / "b.zip") as found:
        assert found.manifest.allowed == ["/home/user"]


def unfinished(folder: Path) -> None:
    records = folder / "records.jsonl"
    records.write_text(records.read_text().splitlines(keepends=True)[0])


def failed(folder: Path) -> None:
    first, second = read_records(folder)
    lines = [dumps(first), dumps(replace(second, state="infrastructure"))]
    (folder / "records.jsonl").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (unfinished, "is not finished: 1 of 2 cells have no result (CliffWalking-v0 seed 0)"),
        (failed, "is not finished"),
        (lambda f: (f / "run.json").unlink(), "is no run's configuration"),
        (lambda f: (f / "cells/CartPole-v1/seed-0/ledger.jsonl").unlink(), "ledger.jsonl cannot be read"),
        (lambda f: (f / "run.json").write_text(json.dumps({})), "is no run's configuration"),
    ],
)
def test_a_run_that_is_not_whole_is_refused(
    run: Path, tmp_path: Path, change: Callable[[Path], object], words: str
) -> None:
    folder = spoiled(run, tmp_path, change)
    with pytest.raises(CwmbError) as caught:
        pack([folder], ENTRY, tmp_path / "b.zip")
    assert words in str(caught.value)
    assert not list(tmp_path.glob("*.zip*"))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Entry("", ["A"]), "the entry's name"),
        (Entry("x\x1b[2J", ["A"]), "U+001B"),
        (Entry("x", [""]), "an author"),
        (Entry("x", ["A"], "ftp://example.org"), "is no web page's"),
        (Entry("x", ["A"], statement="y" * 2001), "the statement"),
        (Entry("x", ["A"], statement="key sk-" + "a1B2" * 6), "what is said of the entry:4 holds an API key"),
    ],
)
def test_what_is_said_of_an_entry_is_checked(run: Path, tmp_path: Path, entry: Entry, words: str) -> None:
    with pytest.raises(CwmbError) as caught:
        pack([run], entry, tmp_path / "b.zip")
    assert words in str(caught.value)
    assert not (tmp_path / "b.zip").exists()


def test_names_in_any_script_are_welcome() -> None:
    for name in ("Łukasz Ångström", "李明", "محمد", "O'Brien & Söhne (v2)", "gif_mcts + GPT-5"):
        assert checked_text("a name", name, 100) == name


def test_a_bundle_is_never_overwritten(run: Path, bundle: Path) -> None:
    before = bundle.read_bytes()
    with pytest.raises(CwmbError, match="is there already"):
        pack([run], ENTRY, bundle)
    assert bundle.read_bytes() == before
