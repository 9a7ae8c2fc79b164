"""WorldCoder (Tang et al. 2024, arXiv 2402.12275), the paper's baseline: Thompson sampling over what to refine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cwmb.errors import CwmbError
from cwmb.models import prompts
from cwmb.strategies.refine import Attempt, another, attempt, refinement
from cwmb.types import Evaluate, LanguageModel, Program, Task


@dataclass
class Arm:
    """A program that can be refined, or the writing from scratch (attempt None), with its Beta distribution.

    refined: whether it was asked about before.
    """

    attempt: Attempt | None
    alpha: float = 1.0
    beta: float = 1.0
    refined: bool = False


@dataclass(frozen=True)
class WorldCoder:
    """One seed program, then refinements of the program whose Beta distribution yields the highest draw.

    concentration: C in the prior Beta(1 + C·accuracy, 1 + C·(1 − accuracy)) of a program; its β grows by 1 with every
    refinement of it that is not perfect.
    """

    anytime: ClassVar[bool] = True
    concentration: float = 5.0

    def __post_init__(self) -> None:
        if self.concentration < 0:
            raise CwmbError(f"concentration must be at least 0, not {self.concentration}")

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        """The first perfect program."""
        arms = self.first_arms()
        while True:
            draws = [float(rng.beta(arm.alpha, arm.beta)) for arm in arms]
            chosen = arms[int(np.argmax(draws))] if arms else Arm(None)
            note = {
                "draws": [
                    {"parent": None if a.attempt is None else a.attempt.index, "a": a.alpha, "b": a.beta, "draw": d}
                    for a, d in zip(arms, draws, strict=True)
                ]
            }
            if chosen.attempt is None:
                prompt = prompts.generate(task, note=note)
            else:
                if chosen.refined:
                    chosen.attempt = another(chosen.attempt, evaluate)
                prompt = refinement(task, chosen.attempt, note)
            chosen.beta += 1
            chosen.refined = True
            new = attempt(llm.complete(prompt), evaluate)
            if new is not None:
                if new.evaluation.perfect:
                    return new.program
                accuracy = new.evaluation.accuracy
                arms.append(Arm(new, 1 + self.concentration * accuracy, 1 + self.concentration * (1 - accuracy)))

    def first_arms(self) -> list[Arm]:
        """None: without a program to refine, one is written from scratch, and only then."""
        return []
