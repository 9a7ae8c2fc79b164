"""What a programmer who knows the right program does to a wrong one: mend a fault, or write on from its first lines.

Programs are compared line by line, a line being a statement as ``ast.unparse`` writes it. So nothing has to be known
about how the faults came about, and programs that do not parse are treated like all others.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from random import Random


@dataclass(frozen=True)
class Change:
    """Lines start to stop of a program are replaced by others; further is a second part of the same change."""

    start: int
    stop: int
    lines: tuple[str, ...]
    further: Change | None = None

    def covers(self, line: int | None) -> bool:
        """Whether it concerns a line, counted from 1."""
        return line is not None and self.start < line <= max(self.stop, self.start + 1)


def parsed(source: str) -> ast.Module | None:
    """The syntax tree of a source, None where it is no program."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(1024)
def parses(source: str) -> bool:
    """Whether a source is a program."""
    return parsed(source) is not None


@lru_cache(1024)
def normalised(source: str) -> str:
    """The source as ``ast.unparse`` writes it, or as it is where it is no program."""
    tree = parsed(source)
    return source if tree is None else ast.unparse(tree)


def differences(wrong: Sequence[str], right: Sequence[str]) -> list[Change]:
    """The changes that lead from the lines of one program to those of another, each as small as can be.

    A line that stands in the wrong place is one change, not two.
    """
    changes: list[Change] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, wrong, right, autojunk=False).get_opcodes():
        if tag == "replace" and i2 - i1 == j2 - j1:
            changes += [Change(i1 + k, i1 + k + 1, (right[j1 + k],)) for k in range(i2 - i1)]
        elif tag != "equal":
            changes.append(Change(i1, i2, tuple(right[j1:j2])))
    insertions = {c.lines: c for c in changes if c.start == c.stop}
    moves: dict[Change, Change] = {}
    for change in changes:
        partner = insertions.get(tuple(wrong[change.start : change.stop]))
        if not change.lines and partner is not None and partner not in moves.values():
            moves[change] = partner
    single = [c for c in changes if c not in moves and c not in moves.values()]
    return single + [Change(c.start, c.stop, c.lines, partner) for c, partner in moves.items()]


def applied(lines: Sequence[str], change: Change) -> list[str]:
    """The lines after a change."""
    result = list(lines)
    parts = [change] if change.further is None else [change, change.further]
    for part in sorted(parts, key=lambda c: c.start, reverse=True):
        result[part.start : part.stop] = part.lines
    return result


def mended(wrong: str, right: str, line: int | None, rng: Random) -> tuple[str, Change | None]:
    """The wrong program with one of its differences from the right one removed, and which; None if there is none.

    line: where the program failed, if that is known. What keeps the program from being parsed is mended first, else
    what stands at that line, else a missing import.
    """
    lines = wrong.split("\n")
    changes = differences([text.rstrip() for text in lines], right.split("\n"))
    if not changes:
        return wrong, None
    urgent: list[Change] = []
    if not parses(wrong):
        urgent = [c for c in changes if parses("\n".join(applied(lines, c)))]
    elif line is not None:
        urgent = [c for c in changes if c.covers(line)]
        urgent = urgent or [c for c in changes if any(text.startswith("import ") for text in c.lines)]
    change = rng.choice(urgent or changes)
    return "\n".join(applied(lines, change)), change


def continued(prefix: str, program: str) -> str:
    """A program that starts with the lines of prefix and goes on with those of another one, from the same place."""
    begun = [line.rstrip() for line in prefix.split("\n")]
    code = [i for i, line in enumerate(begun) if line.strip()]
    lines = program.split("\n")
    numbers = [i for i, line in enumerate(lines) if line.strip()]
    near = numbers[: len(code) + 4]
    matcher = SequenceMatcher(None, [begun[i] for i in code], [lines[i] for i in near], autojunk=False)
    # The lines that follow the last common ones count as other versions of the same statements.
    resume = next(
        (b.b + len(code) - b.a for b in reversed(matcher.get_matching_blocks()) if b.size),
        len(code),
    )
    rest = lines[numbers[resume] :] if resume < len(numbers) else []
    return "\n".join([*prefix.rstrip("\n").split("\n"), *rest])
