"""Best of n: independent answers, of which the best on the training transitions is kept."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import ClassVar

import numpy as np

from cwmb.errors import CwmbError
from cwmb.models import prompts
from cwmb.types import Evaluate, LanguageModel, Program, Task


@dataclass(frozen=True)
class BestOfN:
    """Asks the zero-shot question again and again.

    n: how often, at most; None: up to the budget.
    """

    anytime: ClassVar[bool] = True
    independent: ClassVar[bool] = True
    n: int | None = None

    def __post_init__(self) -> None:
        if self.n is not None and self.n < 1:
            raise CwmbError(f"best_of_n: n must be at least 1, not {self.n}")

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        """The first perfect program, else None: the best one evaluated."""
        for _ in count() if self.n is None else range(self.n):
            program = llm.complete(prompts.generate(task, chain_of_thought=True)).program
            if program is not None and evaluate(program).perfect:
                return program
        return None
