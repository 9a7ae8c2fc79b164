"""What a language model is told of a drawn world: the environment's text in terms of its constants, and their table.

The texts of classic control and toy text are ``descriptions/worlds/<id>.md``; whatever is a number in them is the same
in all worlds. A robot has that of the original and its physical model, with a table of what differs: stated, the model
is this world's; not stated, it is the original's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cwmb.benchmark.catalog import EnvironmentSpec, environment
from cwmb.benchmark.data import data_path
from cwmb.benchmark.descriptions import TEMPLATES
from cwmb.benchmark.descriptions import description as complete
from cwmb.benchmark.suites import Suite
from cwmb.types import Floats, Space, Transitions
from cwmb.worlds import make
from cwmb.worlds.constants import Constant, Values, constants

UNKNOWN = "unknown"
# What a robot's text says of the length of a step, and what a world's does.
_FRAMES = (
    (r"\b\d+\s+frames\s+of\s+[\d.]+\s+s,\s+hence\s+dt\s+=\s+[\d.]+\s+s", "dt, which is several frames"),
    (r"during\s+the\s+\d+\s+frames\s+of\s+a\s+step", "during the frames of a step"),
)

_STATED = """\
This world is not the original environment of that name: its constants are those of this table."""

_HIDDEN = """\
This world is not the original environment of that name. Its constants were drawn anew; those whose value is given as
unknown, with the range that they lie in, have to be found from recorded transitions."""

_ROBOT_STATED = """\
This world is not the original environment of that name. The text above is the original's, but for the section on the
physical model, whose constants are those of this world. What differs from the original are the constants of this table;
where a number in the text is one of them, the table holds. A factor says by how much the original's value is
multiplied, which the physical model above already is."""

_ROBOT_HIDDEN = """\
This world is not the original environment of that name. The text above, the physical model included, is the original's.
What differs are the constants of this table, which are unknown: they lie in the range given, and have to be found from
recorded transitions. A factor says by how much the original's value is multiplied.

What follows from masses and inertias differs with them. A joint's inverse weight is the diagonal element of the inverse
mass matrix, with every joint at its reference (of a free joint: their means over the three translations and over the
three rotations); a body's is the mean over the three axes of the diagonal of J M^-1 J', where J is the Jacobian of its
centre of mass."""

_ALTERED = """\
What is more, mechanisms were added or changed: in what the actions do, in the motion, or in the reward. Which, and how
many, is not said; where they act, the text above does not hold. They have to be found from recorded transitions, too.
Next observation, reward and end follow from the current observation and the action alone."""

_LENGTHS = """\
A factor on a body's length multiplies, in the body's own frame, half length and position of its capsule, its centre of
mass, and the positions of the bodies and sites that are attached to it. The radius and the mass stay, and the inertia
is that of a capsule of uniform density with this mass, radius and length."""

_SHOWN = """\
Some of the recorded transitions of this world, chosen for being different:"""


def description(spec: EnvironmentSpec, suite: Suite, simulator: Any, shown: Transitions | None = None) -> str:
    """The whole text of a world. simulator: its real environment; shown: recorded transitions to list."""
    assert spec.world is not None
    values, varying = spec.world.constants, constants(spec.id)
    path = data_path("descriptions", TEMPLATES, f"{spec.id}.md")
    if path.exists():
        parts = [path.read_text(encoding="utf-8").rstrip(), "## Constants", _STATED if suite.stated else _HIDDEN]
        parts.append("\n".join(_rows(varying, values, suite.stated)))
    else:
        real: Any = simulator if suite.stated else make(environment(spec.id))
        parts = [_robot(spec.id, real.env.model), "## What differs", _ROBOT_STATED if suite.stated else _ROBOT_HIDDEN]
        if any(constant.field.startswith("length ") for constant in varying):
            parts.append(_LENGTHS)
        parts.append("\n".join(_rows(varying, values, suite.stated, originals=True)))
    if suite.alterations[1]:
        parts.append(_ALTERED)
    if shown is not None:
        spaces = simulator.observation_space, simulator.action_space
        parts += ["## Recorded transitions", _SHOWN, "\n".join(_transitions(shown, *spaces))]
    return "\n\n".join(parts) + "\n"


def _robot(environment_id: str, model: Any) -> str:
    """The original's complete text with the tables of a compiled model."""
    from cwmb.worlds.facts import HEADING, model_facts

    text = complete(environment_id, "complete").partition(HEADING)[0]
    for said, instead in _FRAMES:
        text = re.sub(said, instead, text)
    return (text + model_facts(model)).rstrip()


def _rows(varying: Sequence[Constant], values: Values, stated: bool, originals: bool = False) -> Iterator[str]:
    """A table of constants; originals: with the original's values."""
    yield f"| Constant | Meaning |{' Original |' * originals} Value | Unit |"
    yield f"|---|---|{'---|' * originals}---|---|"
    for constant in varying:
        known = stated or not constant.hidden
        value = f"{values[constant.name]}" if known else f"{UNKNOWN}: {constant.span}"
        original = f" {constant.default} |" if originals else ""
        yield f"| `{constant.name}` | {constant.meaning} |{original} {value} | {constant.unit or '-'} |"


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
