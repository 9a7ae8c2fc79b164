"""What a language model is told of a drawn world: the environment's text in terms of its constants, and their table.

The texts are ``descriptions/worlds/<id>.md``; whatever is a number in them is the same in all worlds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.data import data_path
from cwmb.benchmark.descriptions import TEMPLATES
from cwmb.benchmark.suites import Suite
from cwmb.errors import CwmbError
from cwmb.types import Floats, Space, Transitions
from cwmb.worlds.constants import Constant, constants

UNKNOWN = "unknown"

_STATED = """\
This world is not the original environment of that name: its constants are those of this table."""

_HIDDEN = """\
This world is not the original environment of that name. Its constants were drawn anew; those whose value is given as
unknown, with the range that they lie in, have to be found from recorded transitions."""

_SHOWN = """\
Some of the recorded transitions of this world, chosen for being different:"""


def description(
    spec: EnvironmentSpec, suite: Suite, spaces: tuple[Space, Space], shown: Transitions | None = None
) -> str:
    """The whole text of a world. spaces: of observation and action; shown: recorded transitions to list.

    Raises:
        CwmbError: there is no text for the environment.
    """
    assert spec.world is not None
    path = data_path("descriptions", TEMPLATES, f"{spec.id}.md")
    try:
        parts = [path.read_text(encoding="utf-8").rstrip()]
    except OSError as error:
        raise CwmbError(f"text of {spec.id} for drawn worlds: {error}") from error
    parts += ["## Constants", _STATED if suite.stated else _HIDDEN]
    parts.append("\n".join(_rows(constants(spec.id), spec.world.constants, suite.stated)))
    if shown is not None:
        parts += ["## Recorded transitions", _SHOWN, "\n".join(_transitions(shown, *spaces))]
    return "\n\n".join(parts) + "\n"


def _rows(varying: Sequence[Constant], values: Any, stated: bool) -> Iterator[str]:
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
