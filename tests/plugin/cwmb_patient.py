"""The strategy of the README."""

from dataclasses import dataclass

import numpy as np

from cwmb.models import prompts
from cwmb.types import Evaluate, LanguageModel, Program, Task


@dataclass(frozen=True)
class Patient:
    """Asks some times and keeps the best answer."""

    tries: int = 3

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        best, score = None, -1.0
        for _ in range(self.tries):
            answer = llm.complete(prompts.generate(task))
            if answer.program and (result := evaluate(answer.program)).accuracy > score:
                best, score = answer.program, result.accuracy
        return best
