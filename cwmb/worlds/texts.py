"""What a language model is told of a drawn world: the environment's text in terms of its constants, and their table.

The texts are ``descriptions/worlds/<id>.md``; whatever is a number in them is the same in all worlds. Where nothing
stands under a heading, the section is the one that the original has in the set ``complete``, but for the physical model
of a world whose constants are stated, which is the world's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.data import data_path
from cwmb.benchmark.descriptions import TEMPLATES, sections, shared_sections
from cwmb.benchmark.suites import Suite
from cwmb.types import Floats, Space, Transitions
from cwmb.worlds.constants import Constant, Values, constants

UNKNOWN = "unknown"
MODEL = "## Physical model"  # only robots have one

_STATED = """\
This world is not the original environment of that name: its constants are those of this table."""

_HIDDEN = """\
This world is not the original environment of that name. Its constants were drawn anew; those whose value is given as
unknown, with the range that they lie in, have to be found from recorded transitions."""

_MODEL_STATED = """\
The physical model above is this world's: what the table says of gravity, masses, gears and the like is in it already. A
factor says by how much the original's values were multiplied."""

_MODEL_HIDDEN = """\
The physical model above is the original's. This world's differs in what the table lists: a factor multiplies the
original's values, and any other constant (a gear, the timestep, gravity, which points downwards) replaces one of
them.

What follows from masses, inertias, armatures and lengths differs with them. A joint's inverse weight is the diagonal
element of the inverse mass matrix, with every joint at its reference (of a free joint: their means over the three
translations and over the three rotations); a body's is the mean over the three axes of the diagonal of J M^-1 J', where
J is the Jacobian of its centre of mass."""

_LENGTHS = """\
A factor on a body's length multiplies, in the body's own frame, half length and position of its capsule, its centre of
mass, and the positions of the bodies and sites that are attached to it. The radius and the mass stay, and the inertia
is that of a capsule of uniform density with this mass, radius and length."""

_ALTERED = """\
What is more, mechanisms were added or changed: in what the actions do, in the motion, or in the reward. Which, and how
many, is not said; where they act, the text above does not hold. They have to be found from recorded transitions, too.
Next observation, reward and end follow from the current observation and the action alone."""

_ALTERED_MODEL = """\
So a step begins with the velocities that the observation shows, clipped or not, and 0 where it shows none; what is
derived from q and v is evaluated there, unless the observation shows it."""

_SHOWN = """\
Some of the recorded transitions of this world, chosen for being different:"""


def description(spec: EnvironmentSpec, suite: Suite, simulator: Any, shown: Transitions | None = None) -> str:
    """The whole text of a world. simulator: its real environment; shown: recorded transitions to list."""
    assert spec.world is not None
    varying, template = constants(spec.id), data_path("descriptions", TEMPLATES, f"{spec.id}.md")
    told = sections(template.read_text(encoding="utf-8"))
    of_robot = MODEL in told
    parts = list(_filled(told, spec.id, simulator if suite.stated else None))
    parts += ["## Constants", _STATED if suite.stated else _HIDDEN]
    if of_robot:
        parts.append(_MODEL_STATED if suite.stated else _MODEL_HIDDEN)
    if not suite.stated and any(constant.field.startswith("length ") for constant in varying):
        parts.append(_LENGTHS)
    parts.append("\n".join(_rows(varying, spec.world.constants, suite.stated)))
    if suite.alterations[1]:
        parts += [_ALTERED, *([_ALTERED_MODEL] if of_robot else [])]
    if shown is not None:
        spaces = simulator.observation_space, simulator.action_space
        parts += ["## Recorded transitions", _SHOWN, "\n".join(_transitions(shown, *spaces))]
    return "\n\n".join(parts) + "\n"


def _filled(told: Sequence[str], environment_id: str, simulator: Any | None) -> Iterator[str]:
    """The sections of a template, a heading alone replaced by the original's section, or by a simulator's model."""
    shared = shared_sections(environment_id)
    for section in told:
        if section == MODEL and simulator is not None:
            from cwmb.worlds.facts import model_facts

            yield model_facts(simulator.env.model).rstrip()
        else:
            yield shared.get(section, section)


def _rows(varying: Sequence[Constant], values: Values, stated: bool) -> Iterator[str]:
    """The table of constants."""
    yield "| Constant | Meaning | Value | Unit |"
    yield "|---|---|---|---|"
    for constant in varying:
        known = stated or not constant.hidden
        value = f"{values[constant.name]}" if known else f"{UNKNOWN}: {constant.span}"
        yield f"| `{constant.name}` | {constant.meaning} | {value} | {constant.unit or '-'} |"


def _transitions(data: Transitions, observation: Space, action: Space) -> Iterator[str]:
    show = _shown(observation)
    for i in range(len(data)):
        following = "(episode over)" if data.terminated[i] else show(data.next_observations[i])
        yield (
            f"- observation {show(data.observations[i])}, action {_shown(action)(data.actions[i])} -> next observation "
            f"{following}, reward {data.rewards[i]:.9g}, done {bool(data.terminated[i])}"
        )


def _shown(space: Space) -> Callable[[Floats], str]:
    def show(row: Floats) -> str:
        value = space.decode(row)
        return f"[{', '.join(f'{x:.9g}' for x in value)}]" if isinstance(value, np.ndarray) else repr(value)

    return show
