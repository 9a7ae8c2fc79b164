"""Refinement of one program: what a person does who always goes on from the last answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from cwmb.models import prompts
from cwmb.types import Completion, Evaluate, Evaluation, LanguageModel, Program, Prompt, Task


@dataclass(frozen=True)
class Attempt:
    """A program that was evaluated. index: of the completion that it came from."""

    index: int
    program: Program
    evaluation: Evaluation


def attempt(completion: Completion, evaluate: Evaluate) -> Attempt | None:
    """Evaluate the program of an answer, if there is one in it."""
    if completion.program is None:
        return None
    return Attempt(completion.index, completion.program, evaluate(completion.program))


def another(last: Attempt, evaluate: Evaluate) -> Attempt:
    """The same program with another of its mistakes to show: for asking again to improve it."""
    if last.evaluation.raised:
        return last
    return replace(last, evaluation=evaluate(last.program))


def refinement(task: Task, last: Attempt, note: Mapping[str, Any]) -> Prompt:
    """The question for a better program: fix it if it raised, improve it otherwise."""
    if last.evaluation.raised and last.evaluation.failure is not None:
        return prompts.fix(task, last.program, last.evaluation.failure, parent=last.index, note=note)
    return prompts.improve(task, last.program, last.evaluation, parent=last.index, note=note)


@dataclass(frozen=True)
class Refine:
    """Writes a program, then fixes or improves the last one, whether it got better or not."""

    anytime: ClassVar[bool] = True

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        """The first perfect program."""
        last: Attempt | None = None
        while last is None or not last.evaluation.perfect:
            prompt = prompts.generate(task) if last is None else refinement(task, last, {})
            new = attempt(llm.complete(prompt), evaluate)
            last = new or (last and another(last, evaluate))
        return last.program
