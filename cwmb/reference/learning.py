"""Reference programs that learn: a reference program, its method ``fit``, and what a description tells of constants.

They show that what ``hidden`` keeps back can be found out from the training data. Each is one file, put together from
the very source of the reference program, so that there is one dynamics, and ``cwmb/reference/fits/``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.reference.assembly import assembled, part, physics, task
from cwmb.reference.substitution import with_constants
from cwmb.types import Program
from cwmb.worlds.constants import constants

FITS = Path(__file__).parent / "fits"
SHARED, ROBOTS = "search", "robots"


@cache
def learning() -> tuple[str, ...]:
    """The ids of the environments whose reference program can learn, sorted."""
    robots = [name for name in assembled() if _own(name).exists()]
    return tuple(sorted([path.stem for path in FITS.glob("*-v*.py")] + robots))


def _own(environment: str) -> Path:
    """The file of an environment's fit: robots of one task share one."""
    return FITS / f"{task(environment) if environment in assembled() else environment}.py"


def learner(spec: EnvironmentSpec, original: Program) -> Program | None:
    """The reference program that learns what a world's description leaves open; None where there is none.

    There is none where mechanisms differ: a description does not tell which, so that a program that knew them would
    know more than it, and one that did not would fit the constants of another world.

    original: the environment's reference program. Of a world it is told what the description tells, no more.
    """
    if spec.world is None or spec.world.alterations or not spec.fit or spec.id not in learning():
        return None
    varying = constants(spec.id)
    told = {c.program: spec.world.constants[c.name] for c in varying if not c.hidden}
    unknown = {c.program or c.field: c for c in varying if c.hidden}
    ranges = "".join(f"    {name!r}: {c.range!r},\n" for name, c in unknown.items() if c.range is not None)
    choices = "".join(f"    {name!r}: {c.choices!r},\n" for name, c in unknown.items() if c.choices)
    source = with_constants(original.source, told) if told else original.source
    known = f"RANGES = {{\n{ranges}}}\nCHOICES = {{\n{choices}}}"
    names = [SHARED, *([ROBOTS, physics(spec.id)] if spec.id in assembled() else [])]
    parts = [part(path.read_text(encoding="utf-8")) for path in [*(FITS / f"{n}.py" for n in names), _own(spec.id)]]
    return Program("\n\n\n".join([source.rstrip(), parts[0], known, *parts[1:]]) + "\n")
