"""What holds for every strategy that is installed."""

import re
from dataclasses import dataclass, replace
from importlib.metadata import entry_points

import numpy as np
import pytest

from cwmb.errors import BudgetExhausted
from cwmb.models import prompts
from cwmb.strategies.best_of_n import BestOfN
from cwmb.strategies.gif_mcts import GifMcts
from cwmb.strategies.persistence import Persistence
from cwmb.strategies.refine import Refine
from cwmb.strategies.rex import Rex
from cwmb.strategies.worldcoder import WorldCoder
from cwmb.strategies.zero_shot import ZeroShot
from cwmb.testing import Script, check_strategy, tiny_task
from cwmb.types import Program

STRATEGIES = sorted(entry_points(group="cwmb.strategies"), key=lambda entry: entry.name)


@pytest.mark.parametrize("entry", STRATEGIES, ids=lambda entry: entry.name)
def test_every_installed_strategy_keeps_its_promises(entry):
    check_strategy(entry.load())


def search(strategy, answers, seed=0):
    script = Script(answers)
    try:
        result = strategy.search(tiny_task(), script, script.evaluate, np.random.default_rng(seed))
    except BudgetExhausted:
        result = None
    return script, result


def test_zero_shot_asks_once_and_to_think():
    script, result = search(ZeroShot(), [0.3, 0.9])
    assert len(script.prompts) == 1
    assert script.prompts[0].messages == prompts.generate(tiny_task(), chain_of_thought=True).messages
    assert result == script.completions[0].program == script.evaluated[0][0]


def test_best_of_n_asks_the_same_question_up_to_n_or_the_budget():
    assert len(search(BestOfN(), [0.5] * 7)[0].prompts) == 7
    script, _ = search(BestOfN(n=3), [0.5, "no_code", 0.7, 0.9])
    assert len(script.prompts) == 3
    assert len({prompt.messages for prompt in script.prompts}) == 1
    assert [evaluation.accuracy for _, evaluation in script.evaluated] == [0.5, 0.7]


def test_refine_goes_on_from_the_last_program():
    script, result = search(Refine(), ["no_code", 0.8, "raises", "no_code", 0.4, 1.0, 0.1])
    assert [(p.kind, p.parent) for p in script.prompts] == [
        ("generate", None),
        ("generate", None),
        ("improve", 1),
        ("fix", 2),
        ("fix", 2),
        ("improve", 4),
    ]
    assert result == script.completions[5].program


@pytest.mark.parametrize("strategy", [WorldCoder(), Rex(), GifMcts(generate=False)])
def test_every_further_question_about_a_program_shows_another_mistake(strategy):
    class Showing(Script):
        """Numbers the mistakes of a program: that of its first evaluation, of its second, and so on."""

        def evaluate(self, program):
            before = sum(p == program for p, _ in self.evaluated)
            evaluation = super().evaluate(program)
            mistake = replace(evaluation.mistakes[0], reward=100.0 + before)
            return replace(evaluation, mistakes=(mistake,))

    script = Showing([0.9] + [0.3] * 14)
    with pytest.raises(BudgetExhausted):
        strategy.search(tiny_task(), script, script.evaluate, np.random.default_rng(0))
    shown = {}
    for prompt in script.prompts:
        if prompt.kind == "improve":
            number = int(re.search(r"\| reward \|  \| (\d+)\.0 \|", prompt.messages[0].content)[1]) - 100
            shown.setdefault(prompt.parent, []).append(number)
    assert all(numbers == list(range(len(numbers))) for numbers in shown.values())
    assert max(map(len, shown.values())) > 3


def test_persistence_says_the_most_common_reward_without_asking():
    script, result = search(Persistence(), [0.5])
    assert script.prompts == []
    scope = {}
    exec(result.source, scope)  # our own text
    environment = scope["Environment"]()
    environment.set_state(2)
    assert environment.step(1) == (2, 0.0, False)
    assert script.evaluated[0][0] == result


@dataclass(frozen=True)
class Misbehaving:
    """Breaks one promise of a strategy."""

    how: str = ""

    def search(self, task, llm, evaluate, rng):
        if self.how == "asks again":
            try:
                return Misbehaving().search(task, llm, evaluate, rng)
            except BudgetExhausted:
                llm.complete(prompts.generate(task))
        if self.how == "own randomness":
            rng = np.random.default_rng()
        note = {"draw": rng.random()} | ({"array": np.zeros(2)} if self.how == "note" else {})
        parent = 3 if self.how == "parent" else None
        while True:
            program = llm.complete(prompts.generate(task, note=note, parent=parent)).program
            if program is not None and evaluate(program).perfect and self.how != "goes on":
                return program.source if self.how == "returns text" else program


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ("asks again", "after BudgetExhausted"),
        ("own randomness", "other questions"),
        ("note", "no plain JSON"),
        ("parent", "no earlier answer"),
        ("goes on", "after a perfect program"),
        ("returns text", "no Program"),
    ],
)
def test_the_check_finds_a_broken_promise(how, complaint):
    check_strategy(Misbehaving)
    with pytest.raises(AssertionError, match=complaint):
        check_strategy(lambda: Misbehaving(how))


def test_a_made_up_program_scores_nothing_in_a_script():
    assert Script([0.9]).evaluate(Program("class Environment: pass")).accuracy == 0
