"""The tree of programs (paper, section 4): a node's program is split into a state to continue from and the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from cwmb.types import Evaluation, Program

Action = Literal["generate", "improve", "fix"]


@dataclass(eq=False)
class Node:
    """What one call of the language model made of its parent; the root has neither action nor program.

    index: of the completion; action: that led here; tree_mean, siblings_mean: what the value of that action was
    predicted from (see value.py); program, evaluation: None where the answer held no program; source_index: of the
    completion that the program came from (an earlier one where a fix brought none); state: the head of the program that
    a generate continues from; further_lines: of the program beyond its state; failed_fixes: in a row up to this node,
    0 where the program runs; open: whether there is anything left to do here or below

    visits: 1 and one more for each node below; total, scores: sum and number of the scores that came up from this node
    and those below; first_score: the first one of them, the node's own or that of the program that fixed it; worth:
    what selections take for the node's value: that, or a temporary one while a bug is being fixed
    """

    parent: Node | None = None
    index: int | None = None
    action: Action | None = None
    tree_mean: float = 0.0
    siblings_mean: float | None = None
    program: Program | None = None
    evaluation: Evaluation | None = None
    source_index: int | None = None
    state: str = ""
    further_lines: int = 0
    failed_fixes: int = 0
    open: bool = True
    visits: int = 1
    total: float = 0.0
    scores: int = 0
    first_score: float | None = None
    worth: float = 0.0
    children: list[Node] = field(default_factory=list)

    @property
    def buggy(self) -> bool:
        """Whether the program raised."""
        return self.evaluation is not None and self.evaluation.raised

    @property
    def value(self) -> float | None:
        """Mean of the scores of this node and those below; None as long as it is not known whether a bug gets fixed."""
        return self.total / self.scores if self.scores else None

    def same(self, action: Action) -> list[Node]:
        """The children that an action has led to."""
        return [child for child in self.children if child.action == action]

    def path(self) -> Iterator[Node]:
        """This node, its parent, and so on up to the root."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent


def is_line(line: str) -> bool:
    """Whether a line counts as code: neither blank nor only a comment."""
    stripped = line.strip()
    return bool(stripped) and not stripped.startswith("#")


@lru_cache(1024)
def count_lines(source: str) -> int:
    """Number of lines of code."""
    return sum(map(is_line, source.splitlines()))


def head(source: str, n: int) -> str:
    """The text up to the n-th line of code, with comments and blank lines on the way; all of it if it is shorter."""
    seen = 0
    for end, line in enumerate(lines := source.splitlines(keepends=True), start=1):
        seen += is_line(line)
        if seen == n:
            return "".join(lines[:end])
    return source
