"""WorldCoder and REx: golden runs, and what holds for every run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmb.errors import BudgetExhausted, CwmbError
from cwmb.strategies.rex import Rex
from cwmb.strategies.worldcoder import WorldCoder
from cwmb.testing import Script, tiny_task


def run(strategy, answers, seed=0):
    script = Script(answers)
    try:
        script.result = strategy.search(tiny_task(), script, script.evaluate, np.random.default_rng(seed))
    except BudgetExhausted:
        script.result = None
    return script


def arms(prompt):
    """The Beta distributions that were drawn from: {parent: (α, β)}."""
    return {arm["parent"]: (round(arm["a"], 9), round(arm["b"], 9)) for arm in prompt.note["draws"]}


def test_golden_worldcoder():
    script = run(WorldCoder(), ["no_code", 0.8, 0.4, "raises", 0.6, "no_code", 1.0, 0.5])
    # Nothing to refine before the second answer; each refinement that is not perfect costs its program a β of 1.
    assert [(p.kind, p.parent) for p in script.prompts] == [
        ("generate", None),
        ("generate", None),
        ("improve", 1),
        ("improve", 1),
        ("improve", 1),
        ("improve", 4),
        ("improve", 4),
    ]
    assert [arms(p) for p in script.prompts] == [
        {},
        {},
        {1: (5.0, 2.0)},
        {1: (5.0, 3.0), 2: (3.0, 4.0)},
        {1: (5.0, 4.0), 2: (3.0, 4.0), 3: (1.0, 6.0)},
        {1: (5.0, 5.0), 2: (3.0, 4.0), 3: (1.0, 6.0), 4: (4.0, 3.0)},
        {1: (5.0, 5.0), 2: (3.0, 4.0), 3: (1.0, 6.0), 4: (4.0, 4.0)},
    ]
    assert script.result == script.completions[6].program


def test_golden_rex():
    script = run(Rex(), [0.5, "no_code", 0.1, 0.9, 0.9, 0.9])
    # Whoever is chosen and does not bring a perfect program has one failure more, the arm from scratch like the others.
    assert [(p.kind, p.parent) for p in script.prompts] == [
        ("generate", None),
        ("improve", 0),
        ("generate", None),
        ("generate", None),
        ("improve", 3),
        ("improve", 4),
    ]
    assert [arms(p) for p in script.prompts] == [
        {None: (1.0, 1.0)},
        {None: (1.0, 2.0), 0: (11.0, 11.0)},
        {None: (1.0, 2.0), 0: (11.0, 12.0)},
        {None: (1.0, 3.0), 0: (11.0, 12.0), 2: (3.0, 19.0)},
        {None: (1.0, 4.0), 0: (11.0, 12.0), 2: (3.0, 19.0), 3: (19.0, 3.0)},
        {None: (1.0, 4.0), 0: (11.0, 12.0), 2: (3.0, 19.0), 3: (19.0, 4.0), 4: (19.0, 3.0)},
    ]


def test_a_program_that_raised_is_fixed():
    script = run(WorldCoder(), ["raises", "syntax_error", 0.5])
    assert [p.kind for p in script.prompts[1:]] == ["fix", "fix"]


def test_rex_also_writes_from_scratch_now_and_then_and_worldcoder_does_not():
    def from_scratch(strategy, seed):
        return [p.parent for p in run(strategy, [0.2] * 40, seed).prompts].count(None)

    assert [from_scratch(WorldCoder(), seed) for seed in range(5)] == [1] * 5
    assert all(2 <= from_scratch(Rex(), seed) <= 10 for seed in range(5))


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(CwmbError, match="concentration must be at least 0, not -1"):
        WorldCoder(concentration=-1)


answers = st.lists(st.sampled_from(["no_code", "raises", 0.0, 0.5, 0.9, 1.0]), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([WorldCoder(), Rex(), Rex(concentration=0)]), answers, st.integers(0, 3))
def test_what_holds_for_every_run(strategy, answers, seed):
    script = run(strategy, answers, seed)
    perfect = answers.index(1.0) if 1.0 in answers else None
    assert len(script.prompts) == (len(answers) if perfect is None else perfect + 1)
    assert script.result == (None if perfect is None else script.completions[perfect].program)
    from_scratch, refined = 0, dict.fromkeys(range(len(answers)), 0)
    for prompt in script.prompts:
        draws = prompt.note["draws"]
        if draws:
            assert max(draws, key=lambda arm: arm["draw"])["parent"] == prompt.parent
        for parent, (alpha, beta) in arms(prompt).items():
            if parent is None:
                assert (alpha, beta) == (1, 1 + from_scratch)
                continue
            accuracy = answers[parent] if isinstance(answers[parent], float) else 0
            assert alpha == pytest.approx(1 + strategy.concentration * accuracy)
            assert beta == pytest.approx(1 + strategy.concentration * (1 - accuracy) + refined[parent])
        if prompt.parent is None:
            from_scratch += 1
        else:
            refined[prompt.parent] += 1
            assert prompt.kind == ("fix" if answers[prompt.parent] == "raises" else "improve")
    assert run(strategy, answers, seed).prompts == script.prompts
