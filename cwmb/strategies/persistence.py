"""The floor, as a row of the tables: a program that says that nothing changes. No language model is asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cwmb.judging.scoring import most_common
from cwmb.types import Evaluate, LanguageModel, Program, Task, Transitions

TEMPLATE = """\
class Environment:
    def __init__(self):
        self.observation = None

    def set_state(self, observation):
        self.observation = observation

    def step(self, action):
        return self.observation, {reward!r}, False
"""


def program(train: Transitions) -> Program:
    """The persistence program of a training set."""
    return Program(TEMPLATE.format(reward=most_common(train.rewards)))


@dataclass(frozen=True)
class Persistence:
    """Predicts the same observation, the most common training reward (of several the smallest), and never an end."""

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        """The program, the same for every seed."""
        found = program(task.train)
        evaluate(found)
        return found
