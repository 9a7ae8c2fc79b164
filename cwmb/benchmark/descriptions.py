"""What a language model is told: ``descriptions/<id>.md`` on the environment, ``contract.md`` on the class to write,
``fit.md`` on its method that learns, where a suite allows one.

A file begins with front matter in TOML between two ``+++`` lines: facts that the tests check against the real
environment, not shown to the model. Three sets are made of one text, in which marks say what is not in all of them:

    {@ … @}  names: citations and the like; the heading with the environment's id counts as one, too
    {+ … +}  what the paper's own prompts do not say
    {- … -}  what stands there instead

*default* says everything, *anonymous* drops the names, *paper* the names and what goes beyond the paper's prompts.
Every folder of ``descriptions/`` is a further set: its file for an environment holds a section that is added to the
default text. There is one mark in it, for constants that the texts of drawn worlds (``cwmb.worlds.texts``), which share
the rest of the section, do without: {= … =}. The folder ``worlds`` holds their templates and is no set.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any

from cwmb.benchmark.data import data_path
from cwmb.errors import CwmbError, unknown

DEFAULT, COMPLETE = "default", "complete"
TEMPLATES = "worlds"  # the folder of texts that are completed by a world's constants: no set
# Which marks are dropped with what they hold.
_DROPPED = {DEFAULT: "-", "anonymous": "-@", "paper": "+@"}
_FENCE = "+++\n"


def description_sets() -> tuple[str, ...]:
    """The names of all description sets, ``default`` first."""
    folders = (path.name for path in data_path("descriptions").iterdir() if path.is_dir())
    return (*_DROPPED, *sorted(name for name in folders if name != TEMPLATES))


@cache
def description(environment_id: str, set_name: str = DEFAULT) -> str:
    """The text about an environment, in Markdown, as a language model is shown it.

    Raises:
        CwmbError: there is no such environment or set, or the set does not cover the environment.
    """
    if set_name not in description_sets():
        raise unknown("description set", set_name, description_sets())
    return _told(environment_id, set_name, _DROPPED.get(set_name, _DROPPED[DEFAULT]))


@cache
def shared_sections(environment_id: str) -> Mapping[str, str]:
    """What the set ``complete`` says of an environment, without constants in {= … =}, by heading, as ``## Rewards``."""
    text = _told(environment_id, COMPLETE, _DROPPED[DEFAULT] + "=")
    return {section.partition("\n")[0]: section for section in sections(text)}


def sections(text: str) -> list[str]:
    """The parts of a text, each but the first beginning with a heading of second order, no blank lines around them."""
    return [part.strip() for part in re.split(r"^(?=## )", text, flags=re.MULTILINE)]


@cache
def contract(fit: bool = False, name: str = "contract") -> str:
    """The text about the class ``Environment`` that a program must define. fit: whether it may learn from data."""
    parts = (name, "fit") if fit else (name,)
    return "\n".join(data_path("descriptions", f"{name}.md").read_text(encoding="utf-8") for name in parts)


def facts(environment_id: str) -> dict[str, Any]:
    """The front matter of a description: what its text says in numbers, by table and name.

    Raises:
        CwmbError: there is no such environment, or its front matter is malformed.
    """
    return _read(environment_id)[0]


def _told(environment_id: str, set_name: str, dropped: str) -> str:
    """The text of a set without its marks and without what is dropped, by the signs of its marks."""
    text = _read(environment_id)[1]
    if "@" in dropped:
        text = text.replace(f"# {environment_id}\n", "# The environment\n", 1)
    text = re.sub(r"\n{3,}", "\n\n", _unmarked(text, "@+-", dropped))  # where a paragraph was dropped
    if set_name in _DROPPED:
        return text
    section = data_path("descriptions", set_name, f"{environment_id}.md")
    if not section.is_file():
        covered = sorted(path.stem for path in section.parent.glob("*.md"))
        raise CwmbError(
            f"description set {set_name!r} has no text for environment {environment_id!r}; "
            f"it covers: {', '.join(covered)}"
        )
    return f"{text}\n{_unmarked(section.read_text(encoding='utf-8'), '=', dropped)}"


def _unmarked(text: str, signs: str, dropped: str) -> str:
    for sign in signs:  # names may stand inside of the others
        mark = re.escape(sign)
        held = "" if sign in dropped else r"\1"
        text = re.sub(rf"\{{{mark}(.*?){mark}\}}", held, text, flags=re.DOTALL)
    return text


def _read(environment_id: str) -> tuple[dict[str, Any], str]:
    """Front matter and text of an environment's file."""
    paths = {path.stem: path for path in data_path("descriptions").glob("*-v*.md")}
    if environment_id not in paths:
        raise unknown("environment", environment_id, paths)
    path = paths[environment_id]
    before, opened, rest = path.read_text(encoding="utf-8").partition(_FENCE)
    matter, closed, text = rest.partition(_FENCE)
    if before or not opened or not closed:
        raise CwmbError(f"description file {path} must begin with front matter between two lines '+++'")
    try:
        return tomllib.loads(matter), text
    except tomllib.TOMLDecodeError as error:
        raise CwmbError(f"description file {path}: front matter: {error}") from error
