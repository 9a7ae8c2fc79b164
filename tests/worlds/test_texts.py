"""The texts of drawn worlds: in terms of their constants, without the numbers that the original has instead.

That a shipped world's text says what its simulator has is tested in tests/collect/test_worlds.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from cwmb.benchmark.catalog import World, environment
from cwmb.benchmark.descriptions import COMPLETE, description, facts, sections, shared_sections
from cwmb.benchmark.suites import suite
from cwmb.worlds import texts
from cwmb.worlds.constants import Constant, constants, defaults, varying
from cwmb.worlds.fields import FIELDS

ROBOTS = [name for name in varying() if name.endswith("-v4")]
HEADINGS = ["Environment", "Actions", "Observations", "Rewards", "Starting states", "End of an episode"]
# Names that every text or the contract explains, or that Gymnasium has for an argument.
KNOWN = {"typewriter", "done", "int", "tuple", "use_contact_forces"}

every_environment = pytest.mark.parametrize("name", varying())
every_robot = pytest.mark.parametrize("name", ROBOTS)


@cache
def told(name: str) -> str:
    """The text of a world whose constants are not stated."""
    spec = replace(environment(name), world=World("hidden", 0, defaults(name)))
    return texts.description(spec, suite("hidden"), None)


def in_typewriter(text: str) -> set[str]:
    return set(re.findall(r"`([A-Za-z]\w*)`", text))


def in_formulas(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]\w*", " ".join(re.findall(r"^    .*$", text, re.MULTILINE))))


@every_environment
def test_every_text_has_the_same_form_and_no_section_is_empty(name: str) -> None:
    expected = [*HEADINGS, *(["Details", "Physical model"] if name in ROBOTS else []), "Constants"]
    assert [part.partition("\n")[0] for part in sections(told(name))] == [f"# {name}", *(f"## {h}" for h in expected)]
    assert all("\n" in part for part in sections(told(name))[1:])
    assert not re.search(r"\n{3}|\{[-+@=]|[-+@=]\}", told(name).partition(texts.MODEL)[0])


@every_environment
def test_names_in_typewriter_are_constants_or_stand_in_a_table_or_a_formula(name: str) -> None:
    cells = {cell.strip() for line in told(name).splitlines() if line.startswith("|") for cell in line.split("|")}
    assert in_typewriter(told(name)) <= {c.name for c in constants(name)} | cells | in_formulas(told(name)) | KNOWN


@every_robot
def test_every_constant_is_named_in_the_text_or_is_one_of_the_physical_model(name: str) -> None:
    own, model = told(name).split(f"\n{texts.MODEL}\n")
    for constant in constants(name):
        kind, _, of = constant.field.partition(" ")
        if kind not in FIELDS:
            assert constant.name in in_typewriter(own) | in_formulas(own), constant
        elif kind == "gear":
            joint = constant.meaning.split(", ")[1]
            assert re.search(rf"^\| {of} \| {joint}(_joint)? \|", model, re.MULTILINE), constant
        else:
            assert not of or f"\n| {of} |" in model, constant


def numbers(text: str) -> set[float]:
    """Numbers in a text, those of a list's items and in typewriter left out."""
    prose = re.sub(r"`[^`]*`|^\d+\. ", "", text, flags=re.MULTILINE)
    return {float(x) for x in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?!\w)", prose)}


def is_of_the_task(constant: Constant) -> bool:
    """Whether it is a weight, a reward or an end, in whose section alone its value means it."""
    return constant.field.startswith(("_", "low ", "high "))


def left(name: str, text: str) -> Iterator[str]:
    """The constants whose value in the original stands as a number in a text."""
    found = {part.partition("\n")[0]: numbers(part) for part in sections(text)}
    ends, rewards = found["## End of an episode"], found["## Rewards"]
    everywhere = found["## Environment"] | rewards | ends | found["## Details"]
    for constant in constants(name):
        ending = constant.field.startswith(("low ", "high "))
        where = ends if ending else rewards if is_of_the_task(constant) else everywhere
        if constant.default in where and not constant.meaning.startswith("factor"):
            yield constant.name
    if facts(name).get("time", {}).get("dt") in everywhere:
        yield "dt"


@every_robot
def test_no_number_of_the_original_is_left_in_a_robot_s_text(name: str) -> None:
    assert list(left(name, told(name))) == []
    there = {c.name for c in constants(name) if is_of_the_task(c) and not c.meaning.startswith("factor")}
    assert {"frames"} | there <= set(left(name, description(name, COMPLETE)))  # the check finds what there is


@every_robot
def test_what_worlds_share_with_the_set_complete_is_its_text_without_marked_constants(name: str) -> None:
    whole = {part.partition("\n")[0]: part for part in sections(description(name, COMPLETE))}
    assert {heading for heading, text in whole.items() if text != shared_sections(name)[heading]} == {"## Details"}
    details = re.sub(r"\d+ frames of a step", "frames of a step", whole["## Details"])
    assert details == shared_sections(name)["## Details"]


def test_a_physical_model_is_the_world_s_where_constants_are_stated_and_else_the_original_s() -> None:
    assert shared_sections("Hopper-v4")[texts.MODEL] in told("Hopper-v4")
    assert "The physical model above is the original's." in told("Hopper-v4")
    assert "A factor on a body's length" in told("Swimmer-v4")
    assert "A factor on a body's length" not in told("Hopper-v4")
    assert "physical model" not in told("CartPole-v1")
