"""What people need who take this project over: files that hosts read, versions that agree, help that is in order."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

import cwmb
from cwmb.cli.app import app

ROOT = Path(__file__).parents[1]


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def run(*words: str) -> str:
    with click.Context(app) as context, context.scope():
        return app.get_help(context)


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == load("docs/CITATION.cff")["version"] == cwmb.__version__
    assert re.search(r"^## (Unreleased|\[?" + re.escape(cwmb.__version__) + ")", changelog(), re.MULTILINE)


def changelog() -> str:
    return (ROOT / "docs" / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_changelog_has_its_kinds_of_change() -> None:
    kinds = set(re.findall(r"^### (.*)$", changelog(), re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_says_what_it_must() -> None:
    found = load("docs/CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(found)
    assert found["license"] == "Apache-2.0"


@pytest.mark.parametrize("name", [".github/workflows/ci.yml", ".forgejo/workflows/ci.yml", ".gitlab-ci.yml"])
def test_forges_run_the_same_script_on_every_python(name: str) -> None:
    text = (ROOT / name).read_text()
    load(name)
    assert re.search(r"\.ci/run$", text, re.MULTILINE)
    supported = re.findall(r"Python :: (3\.\d+)\"", (ROOT / "pyproject.toml").read_text())
    assert re.findall(r'"(3\.\d+)"', text) == supported == ["3.11", "3.12", "3.13"]


def test_forms_for_issues_are_forms() -> None:
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text())
        assert "blank_issues_enabled" in form or {"name", "description", "body"} <= set(form)
        for field in form.get("body", ()):
            assert {"type", "id", "attributes"} <= set(field)


def test_the_self_assessment_counts_right() -> None:
    text = (ROOT / "docs" / "betterbench.md").read_text()
    verdicts = re.findall(r"^\| (\d+) \| .* \| (yes|partly|no) \| \S.* \|$", text, re.MULTILINE)
    assert [int(number) for number, _ in verdicts] == list(range(1, 47))
    counts = {word: sum(verdict == word for _, verdict in verdicts) for word in ("yes", "partly", "no")}
    assert "{yes} yes, {partly} partly, {no} no.".format(**counts) in text


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "cwmb" / "py.typed").is_file()


def test_help_lists_every_command_in_a_section(capsys: pytest.CaptureFixture[str]) -> None:
    text = run()
    for name in app.commands:
        assert re.search(rf"^  {name} ", text, re.MULTILINE), name
    assert "Running strategies:" in text
    assert "Other:" not in text
    app(["--version"], standalone_mode=False)
    assert capsys.readouterr().out == f"cwmb {cwmb.__version__}\n"


@pytest.mark.parametrize(
    ("command", "typed", "found"),
    [
        ("score", "CartP", ["CartPole-v1"]),
        ("describe", "Inverted", ["InvertedDoublePendulum-v4", "InvertedPendulum-v4"]),
    ],
)
def test_the_shell_completes_environments(command: str, typed: str, found: list[str]) -> None:
    assert completed(command, "env", typed) == found


def test_the_shell_completes_options_and_lists() -> None:
    assert completed("eval", "envs", "Taxi-v3,Blackj") == ["Taxi-v3,Blackjack-v1"]
    assert completed("eval", "protocol", "st") == ["standard"]
    assert completed("eval", "suite", "hi") == ["hidden"]
    assert completed("eval", "strategy", "gif") == ["gif_mcts"]


def completed(command: str, parameter: str, typed: str) -> list[str]:
    found = app.commands[command]
    (chosen,) = (param for param in found.params if param.name == parameter)
    return [item.value for item in chosen.shell_complete(click.Context(found), typed)]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    app(["completion", shell], standalone_mode=False)
    assert "_CWMB_COMPLETE" in capsys.readouterr().out


def test_every_page_is_in_the_site_s_navigation() -> None:
    text = (ROOT / ".mkdocs.yml").read_text()
    for path in (ROOT / "docs").rglob("*.md"):
        assert re.search(rf"[\[ ]{re.escape(str(path.relative_to(ROOT / 'docs')))}[,\]]", text), path
