"""For authors of strategies: a language model that answers from a script, and a check of what a strategy promises.

from cwmb.testing import check_strategy

def test_my_strategy():
    check_strategy(MyStrategy)
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from cwmb.errors import BudgetExhausted
from cwmb.types import (
    Completion,
    Evaluation,
    Failure,
    Mistake,
    Program,
    Prompt,
    Space,
    Strategy,
    Task,
    Transitions,
    Usage,
)

# What comes back: a program of this accuracy (1.0 is perfect), or one of these failures.
Answer = float | Literal["no_code", "syntax_error", "raises"]

PROGRAM = """\
import numpy as np
class Environment:
    def __init__(self):
        self.position = 0
    def set_state(self, observation):
        self.position = observation
    def step(self, action):
        before = self.position
        self.position = min(max(before + 2 * action - 1, 0), 3)
        done = self.position == 3
        reward = float(done)
        return self.position, reward, done
"""


def tiny_task() -> Task:
    """Four places in a row, left or right, a reward of 1 at the right end: every valid transition once."""
    places, actions = np.repeat(np.arange(3.0), 2), np.tile([0.0, 1.0], 3)
    arrived = np.clip(places + 2 * actions - 1, 0, 3)
    n = len(places)
    return Task(
        environment="Tiny-v0",
        description="An agent on a row of four places, 0 to 3. Action 0 goes left, 1 right. Place 3 ends it: reward 1.",
        contract="Write a class Environment with set_state(observation) and step(action).",
        observation_space=Space("discrete", (0.0,), (3.0,), "int64"),
        action_space=Space("discrete", (0.0,), (1.0,), "int64"),
        train=Transitions(
            observations=places[:, None],
            actions=actions[:, None],
            rewards=(arrived == 3).astype(np.float64),
            next_observations=arrived[:, None],
            terminated=arrived == 3,
            truncated=np.zeros(n, dtype=np.bool_),
            episodes=np.arange(n),
            steps=np.zeros(n, dtype=np.int64),
            determined=np.ones((n, 3), dtype=np.bool_),
        ),
    )


class Script:
    """A metered language model and the score of its programs, both following a script.

    answers: one for each call (the budget is their number), or a function of the prompt and the call's index, with a
    budget. prompts, completions and evaluated hold what happened, in order.

    Every program consists of PROGRAM, below the prompt's prefix, and a comment with its index.
    """

    def __init__(self, answers: Sequence[Answer] | Callable[[Prompt, int], Answer], budget: int | None = None) -> None:
        if callable(answers):
            if budget is None:
                raise ValueError("a script that is a function needs a budget")
            self.answer, self.budget = answers, budget
        else:
            listed = list(answers)
            self.answer, self.budget = (lambda _, index: listed[index]), len(listed)
        self.prompts: list[Prompt] = []
        self.completions: list[Completion] = []
        self.evaluated: list[tuple[Program, Evaluation]] = []
        self.refused = 0
        self._answers: dict[str, Answer] = {}

    def complete(self, prompt: Prompt) -> Completion:
        """Answer one prompt.

        Raises:
            BudgetExhausted: the script is over.
        """
        if len(self.prompts) >= self.budget:
            self.refused += 1
            raise BudgetExhausted
        index = len(self.prompts)
        answer = self.answer(prompt, index)
        written = len(prompt.prefix.splitlines())
        source = prompt.prefix + "".join(PROGRAM.splitlines(keepends=True)[written:]) + f"# answer {index}\n"
        program: Program | None = Program(source)
        failure = None
        if answer == "no_code":
            program, failure = None, Failure("no_code", "the answer holds no class Environment")
        elif answer == "syntax_error":
            program = Program(source + "def\n")
            failure = Failure("syntax_error", "invalid syntax", line=source.count("\n") + 1, code="def")
        if program is not None:
            self._answers[program.source] = answer
        text = "I do not know." if program is None else f"```python\n{program.source}```"
        completion = Completion(index, text, program, failure, Usage(calls=1), "stop")
        self.prompts.append(prompt)
        self.completions.append(completion)
        return completion

    def evaluate(self, program: Program) -> Evaluation:
        """The evaluation that the script has for a program; one that a strategy made up itself scores 0."""
        evaluation = _evaluation(self._answers.get(program.source, 0.0))
        self.evaluated.append((program, evaluation))
        return evaluation


def _evaluation(answer: Answer) -> Evaluation:
    if answer == "syntax_error":
        failure = Failure("syntax_error", "invalid syntax", line=13, code="def")
        return Evaluation(0, 0, 0, 0, 0, 0, 6, failure, precision=0.0)
    if answer == "raises":
        failure = Failure("exception", "KeyError: 0", line=8, code="before = self.position", transition=0)
        return Evaluation(0, 0, 0, 0, 0, 0, 6, failure, precision=0.0)
    assert not isinstance(answer, str)
    mistake = Mistake(0, [0.0], [1.0], [1.0], 0.0, False, [0.0], 0.0, False, [0], False, False)
    mistakes = () if answer == 1.0 else (mistake,)
    return Evaluation(answer, answer, answer, answer, answer, 1.0, 6, mistakes=mistakes, precision=answer)


SCRIPTS: dict[str, list[Answer]] = {
    "answers of every kind": ["no_code", "raises", "syntax_error", 0.3, "raises", 0.6, "no_code", 0.5, 0.7, "raises"],
    "no answer holds a program": ["no_code"] * 8,
    "every program raises": ["raises"] * 8,
    "no program compiles": ["syntax_error"] * 8,
    "every program is as good as the other": [0.5] * 8,
    "the first program is perfect": [1.0] * 8,
    "a later program is perfect": [0.2, "raises", 0.4, 1.0, 0.5, 0.5, 0.5, 0.5],
}


def check_strategy(factory: Callable[[], Strategy]) -> None:
    """Run a strategy on scripted answers and check what the harness relies on.

    The same seed asks the same questions; every prompt's note is plain JSON, and its parent an earlier answer with a
    program; nothing is asked after a perfect program was evaluated, nor again after BudgetExhausted; the result is a
    program, or None for the best one evaluated; the options are the fields of a frozen dataclass.

    Raises:
        AssertionError: saying what is wrong and with which script.
    """
    strategy = factory()
    params = getattr(type(strategy), "__dataclass_params__", None)
    _check(dataclasses.is_dataclass(strategy) and params is not None and params.frozen, "it is no frozen dataclass")
    for name, answers in SCRIPTS.items():
        runs = [_run(factory(), answers, name) for _ in range(2)]
        for first, second in pairwise(runs):
            _check(first.prompts == second.prompts, f"{name}: the same seed asked other questions")


def _run(strategy: Strategy, answers: list[Answer], name: str) -> Script:
    script = Script(answers)
    try:
        result = strategy.search(tiny_task(), script, script.evaluate, np.random.default_rng(0))
    except BudgetExhausted:
        result = None
    _check(result is None or isinstance(result, Program), f"{name}: the result is {result!r}, no Program and not None")
    _check(script.refused <= 1, f"{name}: it asked again after BudgetExhausted")
    for index, prompt in enumerate(script.prompts):
        _check(len(prompt.messages) > 0, f"{name}: prompt {index} is empty")
        try:
            json.dumps(dict(prompt.note), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AssertionError(f"{name}: the note of prompt {index} is no plain JSON: {error}") from error
        earlier = [c.index for c in script.completions[:index] if c.program is not None]
        _check(
            prompt.parent is None or prompt.parent in earlier,
            f"{name}: prompt {index} has the parent {prompt.parent}, which is no earlier answer with a program",
        )
    perfect = [program for program, evaluation in script.evaluated if evaluation.perfect]
    if perfect:
        last = script.completions[-1].program
        _check(last == perfect[0], f"{name}: it went on asking after a perfect program")
    return script


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
