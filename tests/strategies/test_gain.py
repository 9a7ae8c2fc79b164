"""The search by expected gain: golden runs, what holds for every run, and programs made of two."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmb.errors import BudgetExhausted
from cwmb.strategies.gain import Gain
from cwmb.strategies.gain.combination import combined
from cwmb.testing import PROGRAM, Script, tiny_task
from cwmb.types import Program


def run(answers, **options):
    script = Script(answers)
    try:
        script.result = Gain(**options).search(tiny_task(), script, script.evaluate, np.random.default_rng(0))
    except BudgetExhausted:
        script.result = None
    return script


def asked(script):
    return [(prompt.kind, prompt.parent) for prompt in script.prompts]


def gains(prompt):
    """What each question promised: {parent: gain}."""
    return {p["parent"]: round(p["gain"], 6) for p in prompt.note["promises"]}


def test_golden_a_strong_model_that_repeats_itself_is_asked_to_improve():
    script = run([0.8, 0.9, 0.9, 0.9, 0.9, 1.0])
    assert asked(script) == [
        ("generate", None),
        ("improve", 0),
        ("improve", 1),
        ("generate", None),
        ("improve", 1),
        ("generate", None),
    ]
    assert [gains(p) for p in script.prompts[:4]] == [
        {None: 0.4},
        # From scratch: it runs with (2 * 0.8 + 1) / 3 and is the best of two with 1/2. Improved: 1/2 of half the error.
        {None: 0.043333, 0: 0.05},
        # The second program inherits the rate of all improvements, (2 * 0.5 + 1) / 3; only the best one is improved.
        {None: 0.021667, 1: 0.033333},
        # One that predicts the same is no success and no further program.
        {None: 0.021667, 1: 0.016667},
    ]
    assert script.result == script.completions[5].program


def test_golden_broken_and_missing_programs():
    script = run(["raises", "no_code", 0.5, "raises", 0.3, "syntax_error", 0.7])
    assert asked(script) == [
        ("generate", None),
        ("fix", 0),
        ("generate", None),
        ("improve", 2),
        ("improve", 2),
        ("generate", None),
        ("fix", 0),
    ]
    # What was broken promises a share of what is still wrong: that of its first question, at the rate of repairs.
    assert gains(script.prompts[3]) == {None: 0.054167, 0: 0.053333, 2: 0.125}


def test_without_novelty_a_copy_is_worked_on_like_a_new_program():
    copies = [0.8, 0.8, 0.8, 0.8]
    assert {p.parent for p in run(copies).prompts} <= {None, 0}
    assert {p.parent for p in run(copies, novelty=False).prompts} - {None, 0}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["no_code", "raises", "syntax_error", 0.2, 0.5, 0.8, 0.9, 1.0]), max_size=12))
def test_promises_are_gains_that_are_possible_and_the_largest_is_asked_for(answers):
    script = run(answers)
    for prompt in script.prompts:
        best, promises = prompt.note["best"], prompt.note["promises"]
        assert all(0 <= p["gain"] <= 1 - best + 1e-12 for p in promises)
        chosen = next(p for p in promises if p["parent"] == prompt.parent)
        assert chosen["gain"] == max(p["gain"] for p in promises)


def world(program):
    scope = {}
    exec(program.source, scope)  # our own text
    return scope["Environment"]()


def test_a_combination_has_the_state_of_one_program_and_the_rest_of_the_other():
    right = Program(PROGRAM)
    ends_wrong = Program(PROGRAM.replace("float(done)", "5.0"))
    whole = combined(ends_wrong, right)
    for place in range(3):
        for action in (0, 1):
            expected, found = world(right), world(whole)
            expected.set_state(place)
            found.set_state(place)
            assert found.step(action) == expected.step(action)
    went = world(whole)
    went.set_state(0)
    assert [went.step(1) for _ in range(3)] == [(1, 0.0, False), (2, 0.0, False), (3, 1.0, True)]


@pytest.mark.parametrize("source", ["def", "from __future__ import annotations\n", "from math import *\n", "x = 1\0"])
def test_what_a_function_cannot_hold_is_not_combined(source):
    assert combined(Program(source), Program(PROGRAM)) is None
    assert combined(Program(PROGRAM), Program(PROGRAM + "\ndef f():\n    global g\n    g = 1\n")) is None


def test_a_combination_that_is_perfect_ends_the_search_at_no_further_call():
    class Parts(Script):
        """The first program has the state right, the second the rest; whatever is made of both is perfect."""

        def evaluate(self, program):
            evaluation = super().evaluate(program)
            if "_dynamics" in program.source:
                return replace(evaluation, accuracy=1.0, exact=1.0, mistakes=())
            state, rest = (0.9, 0.1) if program == self.completions[0].program else (0.1, 0.9)
            return replace(evaluation, state=state, reward=rest, done=rest)

    script = Parts([0.5, 0.6])
    result = Gain().search(tiny_task(), script, script.evaluate, np.random.default_rng(0))
    assert "_ends" in result.source
    assert len(script.prompts) == 2


@pytest.mark.parametrize("first", [0.989, 0.984, 0.978, 0.991, 0.780, 0.848, 0.529, 0.805])
def test_after_a_strong_models_first_program_its_mistakes_are_shown(first):
    """First training scores that were recorded of one: GIF-MCTS wrote from scratch again at all but .529."""
    assert asked(run([first, first]))[1] == ("improve", 0)


def test_a_recorded_series_of_improvements_is_followed():
    """HumanoidStandup, as recorded: from .529 to 1.000 in six improvements, not each of which was one."""
    script = run([0.529, 0.993, 0.991, 0.9935, 0.999, 0.9992, 1.0])
    assert asked(script)[:3] == [("generate", None), ("improve", 0), ("improve", 1)]
    assert max(p.note["best"] for p in script.prompts) == 0.9992
    assert script.result == script.completions[6].program


def test_a_program_that_predicts_all_but_cannot_be_planned_with_is_improved():
    class Forgetful(Script):
        def evaluate(self, program):
            evaluation = super().evaluate(program)
            return replace(evaluation, lost=1.0) if len(self.prompts) < 3 else evaluation

    script = Forgetful([1.0, 1.0, 1.0])
    assert (
        Gain().search(tiny_task(), script, script.evaluate, np.random.default_rng(0)) == script.completions[2].program
    )
    assert asked(script) == [("generate", None), ("improve", 0), ("improve", 0)]
