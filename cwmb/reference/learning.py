"""Reference programs that learn: a reference program, its method ``fit``, and what a description tells of constants.

They show that what ``hidden`` keeps back can be found out from the training data. Each is one file, put together from
the very source of the reference program, so that there is one dynamics, and ``cwmb/reference/fits/``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.reference.assembly import part
from cwmb.reference.substitution import with_constants
from cwmb.types import Program
from cwmb.worlds.constants import constants

FITS = Path(__file__).parent / "fits"
SHARED = "search"


@cache
def learning() -> tuple[str, ...]:
    """The ids of the environments whose reference program can learn, sorted."""
    return tuple(sorted(path.stem for path in FITS.glob("*-v*.py")))


def learner(spec: EnvironmentSpec, original: Program) -> Program | None:
    """The reference program that learns what a world's description leaves open; None where there is none.

    original: the environment's reference program. Of a world it is told what the description tells, no more.
    """
    if spec.world is None or not spec.fit or spec.id not in learning():
        return None
    varying = constants(spec.id)
    told = {c.program: spec.world.constants[c.name] for c in varying if not c.hidden}
    unknown = [c for c in varying if c.hidden]
    ranges = "".join(f"    {c.program!r}: {c.range!r},\n" for c in unknown if c.range is not None)
    choices = "".join(f"    {c.program!r}: {c.choices!r},\n" for c in unknown if c.choices)
    source = with_constants(original.source, told)
    known = f"RANGES = {{\n{ranges}}}\nCHOICES = {{\n{choices}}}"
    search, own = ((FITS / f"{name}.py").read_text(encoding="utf-8") for name in (SHARED, spec.id))
    return Program("\n\n\n".join([source.rstrip(), part(search), known, part(own)]) + "\n")
