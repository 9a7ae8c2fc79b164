"""Standard streams that are closed, full, in another encoding, or read by nobody."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

CWMB = f"{shlex.quote(sys.executable)} -m cwmb"


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["bash", "-c", command], capture_output=True, timeout=300, env={**os.environ, **environment})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    result = shell(f"{CWMB} eval --strategy persistence --model simulated --envs CartPole-v1 --out {folder}")
    assert result.returncode == 0, result.stderr
    # Not a terminal: one plain line for the scored cell, one for its plan, and where everything is.
    lines = result.stderr.decode().strip().splitlines()
    assert lines[0].startswith("CartPole-v1")
    assert lines[-1].endswith(str(folder))
    assert len([line for line in lines if line]) == 3
    return folder


def test_colours_that_are_forced_move_no_cursor(run: Path, tmp_path: Path) -> None:
    result = shell(
        f"{CWMB} eval --strategy persistence --model simulated --envs CartPole-v1 --out {tmp_path}/a", FORCE_COLOR="1"
    )
    assert result.returncode == 0
    assert not {b"\x1b[?25l", b"\x1b[2K", b"\x1b[1A"} & set(result.stderr.split(b"m"))
    assert len(result.stderr) < 1000


def test_a_full_output_is_one_line(run: Path) -> None:
    result = shell(f"{CWMB} tables {run} > /dev/full")
    assert (result.returncode, result.stderr) == (4, b"cwmb: the output: No space left on device\n")


def test_a_reader_who_has_seen_enough_is_no_error(run: Path) -> None:
    result = shell(f"{CWMB} tables {run} | head -c 1; exit ${{PIPESTATUS[0]}}")
    assert result.returncode in (0, 1)  # it may have written everything before
    assert result.stderr == b""


def test_an_encoding_that_lacks_a_character_gets_question_marks(run: Path) -> None:
    result = shell(f"{CWMB} tables {run}", PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.isascii()
    assert b"?" in result.stdout


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_are_left_closed(tmp_path: Path, closed: str) -> None:
    out = tmp_path / "run"
    result = shell(f"{CWMB} eval --strategy persistence --model simulated --envs CartPole-v1 --out {out} {closed}")
    assert result.returncode == 0, result.stderr
    assert (out / "records.jsonl").is_file()


def test_a_folder_may_have_a_name_that_is_no_text(tmp_path: Path) -> None:
    out = os.fsencode(tmp_path) + b"/r\xff"
    command = [*map(os.fsencode, shlex.split(CWMB)), b"eval", b"--strategy", b"persistence", b"--model", b"simulated"]
    result = subprocess.run([*command, b"--envs", b"CartPole-v1", b"--out", out], capture_output=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert b"Traceback" not in result.stderr
    tables = subprocess.run([*map(os.fsencode, shlex.split(CWMB)), b"tables", out], capture_output=True, timeout=300)
    assert (tables.returncode, tables.stderr) == (0, b"")
