"""Zero-shot chain of thought: one question, one program (the paper's weakest baseline)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cwmb.models import prompts
from cwmb.types import Evaluate, LanguageModel, Program, Task


@dataclass(frozen=True)
class ZeroShot:
    """Asks once, to think step by step and then to write the program."""

    independent: ClassVar[bool] = True

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        """The program of the first answer, None if there is none in it."""
        completion = llm.complete(prompts.generate(task, chain_of_thought=True))
        if completion.program is not None:
            evaluate(completion.program)
        return completion.program
