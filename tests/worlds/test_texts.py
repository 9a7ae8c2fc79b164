"""The texts of drawn worlds: in terms of their constants, without the numbers that the original has instead.

That the table of a shipped world's text says what its simulator has is tested in tests/collect/test_worlds.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from cwmb.benchmark.catalog import World, environment
from cwmb.benchmark.descriptions import COMPLETE, description, facts, sections, shared_sections
from cwmb.benchmark.suites import shipped, suite
from cwmb.benchmark.suites import told as told_of
from cwmb.benchmark.trajectories import transitions
from cwmb.worlds import make, texts
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


# --- formulas and numbers of the texts, held against the shipped worlds whose constants are stated --------------------


def section(text: str, heading: str) -> str:
    return next(part for part in sections(text) if part.startswith(f"## {heading}\n"))


def x_of(name: str, env: Any) -> float:
    """The coordinate whose change is paid for."""
    if name == "Humanoid-v4":
        return float(env.model.body_mass @ env.data.xipos[:, 0] / env.model.body_mass.sum())
    return float(env.data.body("torso").xpos[0] if name == "Ant-v4" else env.data.qpos[0])


def terms(name: str, env: Any, before: np.ndarray, action: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """What the formula of the reward names besides constants, after a step."""
    if name == "InvertedDoublePendulum-v4":
        (x, _, y), (_, v1, v2) = env.data.site_xpos[0], env.data.qvel
        return {"x": x, "y": y, "v1": v1, "v2": v2}
    if name == "HumanoidStandup-v4":
        return {"z": after[0], "cfrc_ext": after[292:]}
    effort = -np.square(action).sum()
    if name == "Reacher-v4":
        return {"reward_distance": -math.dist(before[8:11], np.zeros(3)), "reward_control": effort}
    if name == "Pusher-v4":
        tip, thing, goal = before[14:17], before[17:20], before[20:23]
        return {"reward_dist": -math.dist(thing, goal), "reward_ctrl": effort, "reward_near": -math.dist(thing, tip)}
    return {}


@every_robot
def test_the_reward_and_the_length_of_a_step_are_as_the_text_has_them(name: str) -> None:
    spec = shipped("varied").environment(name)
    assert spec.world is not None
    known, text = spec.world.constants, told_of(spec)
    simulator: Any = make(spec)
    env = simulator.env
    length = re.search(r"`frames`\s+frames\s+of\s+(?:([\d.]+)\s+s|`timestep`)", text)
    assert length is not None
    h = float(length[1] or known["timestep"])
    assert h == env.model.opt.timestep
    formula = re.search(r"^    reward = (.*)$", section(text, "Rewards"), re.MULTILINE)
    code = re.sub(r"x (before|after) the step", r"x_\1", formula[1]) if formula else "reward_scale"
    data = transitions(spec, "train")
    for i in range(0, len(data), 40):
        simulator.restore(data.observations[i])
        x = x_of(name, env)
        after, reward, _, _ = simulator.step(data.actions[i])
        scope = {
            "h": h,
            "dt": known["frames"] * h,
            "x_before": x,
            "x_after": x_of(name, env),
            "action": data.actions[i],
        }
        measured = terms(name, env, data.observations[i], data.actions[i], after)
        assert eval(code, {**known, **scope, **measured}) == pytest.approx(reward, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in ROBOTS if "healthy_reward" in defaults(name)])
def test_the_bounds_of_health_that_do_not_vary_stand_in_the_text(name: str) -> None:
    spec = shipped("varied").environment(name)
    assert spec.world is not None
    simulator: Any = make(spec)
    env = simulator.env
    ranges = [getattr(env, f"_healthy_{what}_range", ()) for what in ("z", "angle", "state")]
    bounds = {bound for ends in ranges for bound in ends if math.isfinite(bound)} - set(spec.world.constants.values())
    assert bounds
    assert bounds <= numbers(section(told_of(spec), "End of an episode"))
