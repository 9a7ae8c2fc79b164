"""README and docs say what is so: their snippets run, their commands exist, their links lead somewhere.

A block is left alone after a comment ``<!-- not run: why -->``.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cwmb.cli.app import app
from cwmb.reference import environments, program

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "trajectories" / "README.md"]
BLOCK = re.compile(r"(?:<!-- not run: ([^>]*) -->\n)?^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    ((?:cwmb|make) .*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")

# Commands that are run as they stand, since they ask no model and take seconds. All others are parsed.
RUN = ("list", "describe", "score", "schema", "completion", "--version")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, *languages: str) -> Iterator[str]:
    for why_not, _, language, text in BLOCK.findall(path.read_text(encoding="utf-8")):
        if language in languages and not why_not:
            yield text


def lines(path: Path) -> Iterator[str]:
    """The commands of a page, each on one line, without comments."""
    shell = "\n".join(blocks(path, "", "sh", "bash", "shell"))
    indented = "\n".join(INDENTED.findall(path.read_text(encoding="utf-8")))
    for command in re.sub(r"\\\n\s*", " ", f"{shell}\n{indented}").splitlines():
        for part in command.removeprefix("$ ").split(" && "):
            if part.strip():
                yield part.strip()


def commands(path: Path, program_name: str) -> list[list[str]]:
    found = []
    for command in lines(path):
        words = shlex.split(command, comments=True) if re.match(rf"(\S*/)?{program_name} ", command) else []
        if words:
            found.append(words[1:])
    return found


def pages(*languages: str) -> list[Path]:
    return [path for path in PAGES if any(blocks(path, *languages))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for each in environments():
        if each.startswith("CartPole"):
            (tmp_path / "my_world.py").write_text(program(each).source)
    return tmp_path


@pytest.mark.parametrize("path", pages("python"), ids=name)
def test_python_runs(path: Path, folder: Path) -> None:
    """All of a page, from top to bottom, in one interpreter."""
    code = "\n".join(blocks(path, "python"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{done.stderr}\n{code}"


def used() -> list[tuple[Path, tuple[str, ...]]]:
    found = [(path, tuple(words)) for path in PAGES for words in commands(path, "cwmb")]
    return list({words: (path, words) for path, words in found}.values())


def test_there_are_commands_on_the_pages() -> None:
    assert {words[0] for _, words in used()} >= {"eval", "score", "plan", "tables", "submit", "verify", "worlds"}


@pytest.mark.parametrize(
    ("path", "words"), used(), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_a_command_is_one(path: Path, words: tuple[str, ...], folder: Path) -> None:
    """Command, options and arguments exist; placeholders in capitals stand for anything."""
    context = click.Context(app, info_name="cwmb")
    if words[0].startswith("-"):
        assert words[0] in {option for param in app.params for option in param.opts}, name(path)
        return
    command = app.get_command(context, words[0])
    assert command is not None, f"{name(path)}: cwmb {words[0]}"
    try:
        command.make_context(words[0], [w for w in words[1:] if w not in ("…", "...", "&")], parent=context)
    except click.ClickException as error:
        raise AssertionError(f"{name(path)}: cwmb {' '.join(words)}: {error.format_message()}") from None


@pytest.mark.parametrize(
    "words",
    [words for _, words in used() if words[0] in RUN and not any(w.isupper() or "|" in w for w in words)],
    ids=" ".join,
)
def test_a_quick_command_runs(words: tuple[str, ...], folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cwmb", *words], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.torture
@pytest.mark.parametrize(
    "words", [words for _, words in used() if words[0] == "eval" and "simulated" in words], ids=" ".join
)
def test_a_run_of_the_simulated_model_runs(words: tuple[str, ...], tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_")}
    if "--worlds" in words:
        made = ["worlds", "--suite", "hidden", "--seed", "7", "--bare", "--out", words[words.index("--worlds") + 1]]
        subprocess.run([sys.executable, "-m", "cwmb", *made, "CartPole-v1"], cwd=tmp_path, check=True)
    done = subprocess.run([sys.executable, "-m", "cwmb", *words], cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_commands_that_sentences_name_exist() -> None:
    for path in PAGES:
        for command in re.findall(r"`cwmb ([a-z][a-z-]*)", path.read_text(encoding="utf-8")):
            assert command in app.commands, f"{name(path)}: cwmb {command}"


def test_every_target_of_make_exists() -> None:
    for path in PAGES:
        for words in commands(path, "make"):
            done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, f"{name(path)}: make {' '.join(words)}: {done.stderr}"


def test_scripts_have_the_syntax_of_bash() -> None:
    for path in PAGES:
        for script in blocks(path, "bash"):
            assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0, name(path)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_within_the_repository_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in LINK.findall(text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), f"{name(path)}: {target}"
