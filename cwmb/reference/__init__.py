"""Reference world models: hand-written programs under the contract of a candidate, one source per environment.

They are sources, read as text (those of robots are put together from parts, see ``cwmb.reference.assembly``) and run in
the sandbox like any candidate. The others have class constants, in whose place those of another world can stand.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.manuals import PUBLISHED, Manual, manual_of
from cwmb.errors import unknown
from cwmb.reference.assembly import assemble, assembled
from cwmb.reference.assembly import constants as shipped_constants
from cwmb.reference.learning import learner
from cwmb.reference.substitution import with_constants, without_method
from cwmb.types import Program
from cwmb.worlds.constants import constants

_FOLDER = Path(__file__).parent
MANUAL = "RTFM"  # the program that has a manual for its constants


@cache
def environments() -> tuple[str, ...]:
    """The ids of the environments that there is a reference program for, sorted."""
    return tuple(sorted([path.stem for path in _FOLDER.glob("*-v*.py")] + list(assembled())))


@cache
def program(environment: str) -> Program:
    """The reference program of an environment.

    Raises:
        CwmbError: there is none.
    """
    if environment not in (*environments(), MANUAL):
        raise unknown("reference program", environment, environments())
    if environment in assembled():
        return assemble(environment, shipped_constants(environment))
    return Program((_FOLDER / f"{environment}.py").read_text(encoding="utf-8"))


def program_of(spec: EnvironmentSpec) -> Program:
    """The reference program of an environment of any suite, with its world's constants.

    Raises:
        CwmbError: there is none, or it lacks a constant that the world has.
    """
    original = program(spec.reference or spec.id)
    if spec.reference:
        return with_manual(manual_of(spec.world.constants) if spec.world else PUBLISHED)
    if spec.world is None:
        return original
    if spec.world.alterations:
        from cwmb.worlds.alterations import altered_source, unaltered

        return Program(altered_source(program_of(unaltered(spec)).source, spec))
    if spec.id in assembled():
        from cwmb.worlds import make
        from cwmb.worlds.robot import robot  # loads MuJoCo, which the others do without

        simulator: Any = make(spec)
        return assemble(spec.id, robot(simulator.env))
    values = {c.program: spec.world.constants[c.name] for c in constants(spec.id)}
    return Program(with_constants(original.source, values))


def learner_of(spec: EnvironmentSpec) -> Program | None:
    """The reference program that finds out itself what a world's description leaves open; None where there is none."""
    return learner(spec, program(spec.reference or spec.id))


def with_manual(manual: Manual) -> Program:
    """The reference program of Read to Fight Monsters for a manual."""
    values = {"GROUPS": dict(manual.groups), "BEATS": dict(manual.beats), "GOAL": manual.goal}
    return Program(with_constants(program(MANUAL).source, values))


@cache
def simple(environment: str) -> Program:
    """A simpler, partly right program where the reference one is slow to plan with; else the reference program.

    Raises:
        CwmbError: there is none.
    """
    path = _FOLDER / "simple" / f"{environment}.py"
    return Program(path.read_text(encoding="utf-8")) if path.exists() else program(environment)


def steps_only(environment: str, right: Program) -> Program:
    """A right program of an environment to make faults in: all of them show in ``step``.

    It has no ``step_many`` of its own, unless that is the very text of ``step``, as in the assembled programs.
    """
    return right if environment in assembled() else Program(without_method(right.source, "step_many"))
