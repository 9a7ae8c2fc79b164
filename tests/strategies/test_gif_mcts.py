"""GIF-MCTS: golden searches that were worked out by hand, and what holds for every search."""

from collections import Counter
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmb.errors import BudgetExhausted, CwmbError
from cwmb.strategies.gif_mcts import GifMcts, search
from cwmb.strategies.gif_mcts.tree import count_lines, head
from cwmb.strategies.gif_mcts.value import PRIORS, Weights
from cwmb.testing import PROGRAM, Script, tiny_task


def run(options, answers, seed=0):
    """Search by a script; returns the script and the tree."""
    trees = []

    class Recorded(search.Tree):
        def __init__(self, options):
            super().__init__(options)
            trees.append(self)

    script = Script(answers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "Tree", Recorded)
        try:
            script.result = options.search(tiny_task(), script, script.evaluate, np.random.default_rng(seed))
        except BudgetExhausted:
            script.result = None
    return script, trees[0]


def steps(script):
    """What each prompt was: (kind, nodes on the way, index of the program that it shows)."""
    return [(p.kind, [step["node"] for step in p.note["path"]], p.parent) for p in script.prompts]


def choices(prompt, level):
    """What could be chosen at a level of the descent: {(action, child): (value, score)}."""
    return {(c["action"], c["child"]): (c["value"], c["score"]) for c in prompt.note["path"][level]["choices"]}


def assert_choices(prompt, level, expected):
    made = choices(prompt, level)
    assert made.keys() == expected.keys()
    for key, value in expected.items():
        assert made[key] == pytest.approx(value)


def bonus(n_parent, n_same):
    return 0.1 * sqrt(log(n_parent) / (n_same + 1))


def test_golden_search_with_a_bug_that_is_fixed_at_the_second_attempt():
    script, tree = run(GifMcts(), [0.6, "raises", "no_code", 0.8, 0.4, 1.0, 0.2])
    assert steps(script) == [
        ("generate", [None], None),
        ("improve", [None, 0], 0),  # 0.55 is expected of an improve, (2 · 0.5 + 0.6) / 3 of a generate
        ("fix", [None, 0, 1], 1),
        ("fix", [None, 0, 1, 2], 1),  # the second attempt sees the same program: the first one brought none
        ("improve", [None, 0, 1, 2, 3], 3),
        ("generate", [None, 0, 1, 2, 3], 3),
    ]
    assert script.result == script.completions[5].program  # perfect: the seventh answer is never asked for
    p = script.prompts

    # Before the second call: one node of value 0.6. v_G = (2 · 0.5 + 0.6) / 3, v_L = 0.6, both weigh 0.5.
    new = (1.6 / 3 + 0.6) / 2
    assert_choices(p[1], 0, {("generate", 0): (0.6, 0.6 + bonus(2, 1)), ("generate", None): (new, new + bonus(2, 1))})
    assert_choices(p[1], 1, {("generate", None): (1.6 / 3, 1.6 / 3), ("improve", None): (0.55, 0.55)})  # ln 1 = 0

    # The bug is worth 0.99 in its place and among its siblings, 0 in the mean of all improves, nothing above.
    assert choices(p[2], 0)[("generate", 0)] == pytest.approx((0.6, 0.6 + bonus(3, 1)))
    new = (2 * 0.55 / 3 + 0.99) / 2
    expected = {
        ("improve", 1): (0.99, 0.99 + bonus(2, 1)),
        ("generate", None): (1.6 / 3, 1.6 / 3 + bonus(2, 0)),
        ("improve", None): (new, new + bonus(2, 1)),
    }
    assert_choices(p[2], 1, expected)
    assert_choices(p[2], 2, {("fix", None): (0.5, 0.5)})
    # A third of it is gone after the first attempt, for its siblings too.
    assert choices(p[3], 1)[("improve", 1)] == pytest.approx((0.66, 0.66 + bonus(3, 1)))
    assert choices(p[3], 1)[("improve", None)][0] == pytest.approx((2 * 0.55 / 3 + 0.66) / 2)

    # Fixed: the chain 1, 2, 3 is worth 0.8, which went up once, to 0 (mean of 0.6 and 0.8) and to the root.
    new = (1.7 / 3 + 0.7) / 2
    assert_choices(p[4], 0, {("generate", 0): (0.7, 0.7 + bonus(5, 1)), ("generate", None): (new, new + bonus(5, 1))})
    new = ((2 * 0.55 + 0.8) / 3 + 0.8) / 2
    expected = {
        ("improve", 1): (0.8, 0.8 + bonus(4, 1)),
        ("generate", None): (1.7 / 3, 1.7 / 3 + bonus(4, 0)),
        ("improve", None): (new, new + bonus(4, 1)),
    }
    assert_choices(p[4], 1, expected)
    assert_choices(p[4], 2, {("fix", 2): (0.8, 0.8 + bonus(3, 1))})

    # 0.4 below: the chain is worth 0.6, so is 0 (0.6, 0.8, 0.4), so is the root.
    new = ((2 * 0.55 + 0.6 + 0.4) / 4 + 0.4) / 2
    expected = {
        ("improve", 4): (0.4, 0.4 + bonus(2, 1)),
        ("generate", None): (1.6 / 3, 1.6 / 3 + bonus(2, 0)),
        ("improve", None): (new, new + bonus(2, 1)),
    }
    assert_choices(p[5], 4, expected)
    # Two lines a level: node 0 has 2 of its own, 1 has 4, 2 has 6 and 3 has 8.
    assert p[5].prefix == "".join(PROGRAM.splitlines(keepends=True)[:8])

    assert [node.visits for node in tree.nodes] == [7, 6, 5, 4, 3, 1, 1]
    assert [node.scores for node in tree.nodes] == [4, 4, 3, 3, 3, 1, 1]
    assert [node.value for node in tree.nodes] == pytest.approx([0.7, 0.7, 2.2 / 3, 2.2 / 3, 2.2 / 3, 0.4, 1.0])


def test_golden_learning_of_the_weights():
    script, tree = run(GifMcts(), [0.2, 0.9, 0.5])
    assert steps(script)[:2] == [("generate", [None], None), ("generate", [None], None)]
    # Second call: v_G = 1.2 / 3 = 0.4 and v_L = 0.2 predict 0.3; it got 0.9. Step 1/3 times 2 · 0.6 times ±0.1.
    assert choices(script.prompts[1], 0)[("generate", None)][0] == pytest.approx(0.3)
    assert script.prompts[1].note["weights"]["generate"] == {"tree": 0.5, "siblings": 0.5}
    assert script.prompts[2].note["weights"]["generate"] == pytest.approx({"tree": 0.54, "siblings": 0.46})
    assert script.prompts[2].note["weights"]["improve"] == {"tree": 0.5, "siblings": 0.5}
    # Third call: the better child, (2 · 0.5 + 0.2 + 0.9) / 4 against 0.55 there: improve.
    assert steps(script)[2] == ("improve", [None, 1], 1)
    assert tree.nodes[0].value == pytest.approx((0.2 + 0.9 + 0.5) / 3)


def test_a_bug_that_is_not_fixed_closes_its_branch_and_counts_as_zero():
    script, tree = run(GifMcts(), ["raises", "raises", "syntax_error", 0.1, "no_code", 0.3])
    assert steps(script) == [
        ("generate", [None], None),
        ("fix", [None, 0], 0),
        ("fix", [None, 0, 1], 1),
        ("generate", [None], None),  # two of three attempts have failed: 0.33 against (1 / 3 + 0.33) / 2
        ("fix", [None, 0, 1, 2], 2),  # and 0.33 against 0.1 and what is expected now, the mean of 1.1 / 4 and 0.43 / 2
        ("generate", [None], None),
    ]
    temporary = [choices(p, 0)[("generate", 0)][0] for p in script.prompts[1:5]]
    assert temporary == pytest.approx([0.99, 0.66, 0.33, 0.33])
    # Given up, the branch is one observation of 0 for generate: (2 · 0.5 + 0 + 0.1) / 4 and (0 + 0.1) / 2. The answer
    # that got 0.1 had a sibling then, worth 0.33, and taught the weights a little.
    predicted = (1 / 3 + 0.33) / 2
    tree_weight = 0.5 - 2 * (predicted - 0.1) / 3 * (1 / 3 - predicted)
    new = tree_weight * 1.1 / 4 + (1 - tree_weight) * 0.05
    assert_choices(
        script.prompts[5], 0, {("generate", 3): (0.1, 0.1 + bonus(6, 2)), ("generate", None): (new, new + bonus(6, 2))}
    )
    assert [tree.nodes[i].value for i in (1, 2, 3, 5)] == [0, 0, 0, 0]
    assert tree.nodes[0].value == pytest.approx((0 + 0.1 + 0.3) / 3)


def test_failed_chains_tell_against_their_action_so_that_a_search_of_bugs_goes_on_to_others():
    def answer(prompt, index):
        return 0.5 if prompt.kind == "generate" else "raises"

    script = Script(answer, budget=50)
    with pytest.raises(BudgetExhausted):
        GifMcts().search(tiny_task(), script, script.evaluate, np.random.default_rng(0))
    # One improve and two vain attempts to fix it; then (2 · 0.55 + 0) / 3 is expected of an improve elsewhere.
    assert [p.kind for p in script.prompts].count("improve") == 1
    assert sum(not evaluation.raised for _, evaluation in script.evaluated) == 47


def test_an_answer_without_a_program_is_a_leaf_of_value_zero():
    script, tree = run(GifMcts(), ["no_code", "no_code", 0.1])
    assert steps(script) == [("generate", [None], None)] * 3
    assert tree.nodes[1].value == 0


@pytest.mark.parametrize(
    ("option", "answers", "kinds"),
    [
        ({"improve": False}, [0.5] * 12, {"generate"}),
        ({"generate": False}, ["no_code", 0.1, 0.1, "raises", 0.9, 0.2], {"generate", "improve", "fix"}),
        ({"fix": False}, ["raises", 0.5, "raises", 0.6, "raises", 0.1, 0.1], {"generate", "improve"}),
        ({"generate": False, "improve": False, "fix": False}, [0.5] * 4, {"generate"}),
    ],
)
def test_ablations_do_without_an_action(option, answers, kinds):
    script, _ = run(GifMcts(**option), answers)
    assert len(script.prompts) == len(answers)
    assert {p.kind for p in script.prompts} == kinds
    if "generate" in option:
        # The root writes until there is something to work on.
        first = next(i for i, a in enumerate(answers) if a != "no_code")
        if option.get("improve", True):
            assert [p.kind for p in script.prompts].count("generate") == first + 1


def test_without_fix_a_bug_counts_at_once():
    _, tree = run(GifMcts(fix=False), ["raises", 0.6])
    assert tree.nodes[1].value == 0
    assert tree.nodes[0].value == pytest.approx(0.3)


def test_improve_falls_behind_good_programs_unless_it_is_expected_by_its_gain():
    def kinds(score, **options):
        return [p.kind for p in run(GifMcts(**options), [score] * 5)[0].prompts]

    # What is expected of an improve that was never tried stays 0.55, whatever the program at hand.
    assert "improve" in kinds(0.6)
    assert kinds(0.9) == ["generate"] * 5
    assert kinds(0.9, improve_by_gain=True)[1] == "improve"


def test_golden_gain():
    script, _ = run(GifMcts(improve_by_gain=True), [0.6, "raises", 0.9, 0.7, 0.5])
    assert steps(script)[:4] == [
        ("generate", [None], None),
        ("improve", [None, 0], 0),
        ("fix", [None, 0, 1], 1),
        ("improve", [None, 0, 1, 2], 2),
    ]
    assert choices(script.prompts[1], 1)[("improve", None)][0] == pytest.approx(0.65)
    # The fixed improve gained 0.3: (2 · 0.05 + 0.3) / 3 more than 0.9 is more than there is.
    assert choices(script.prompts[3], 3)[("improve", None)][0] == 1.0
    # Then one lost 0.2: (2 · 0.05 + 0.3 - 0.2) / 4.
    here = [step["node"] for step in script.prompts[4].note["path"]].index(0)
    assert choices(script.prompts[4], here)[("improve", None)][0] == pytest.approx(0.65)


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(CwmbError, match="lines must be at least 1, not 0"):
        GifMcts(lines=0)
    with pytest.raises(CwmbError, match="exploration must be at least 0, not -1"):
        GifMcts(exploration=-1)


def test_blank_lines_and_comments_are_no_lines():
    source = "# first\n\nimport numpy\n\n    # more\nclass Environment:  # here\n    pass\n"
    assert count_lines(source) == 3
    assert head(source, 2) == "# first\n\nimport numpy\n\n    # more\nclass Environment:  # here\n"
    assert head(source, 3) == head(source, 9) == source
    assert count_lines(head(source, 1)) == 1


values = st.floats(0, 1)


@given(st.lists(st.tuples(values, st.none() | values, values), max_size=40))
def test_predictions_stay_between_what_they_are_made_of(examples):
    weights = Weights()
    for tree_mean, siblings_mean, score in examples:
        prediction = weights.predict(tree_mean, siblings_mean)
        both = [tree_mean] if siblings_mean is None else [tree_mean, siblings_mean]
        assert min(both) - 1e-9 <= prediction <= max(both) + 1e-9
        assert 0 <= prediction <= 1
        weights.learn(tree_mean, siblings_mean, score)
        assert weights.tree >= 0
        assert weights.siblings >= 0
        assert weights.tree + weights.siblings > 0.1


def test_the_weights_find_out_which_mean_predicts():
    rng = np.random.default_rng(0)
    weights = Weights()
    for _ in range(200):
        tree_mean, siblings_mean = rng.random(2)
        weights.learn(tree_mean, siblings_mean, siblings_mean)
    assert weights.siblings > 2 * weights.tree


answers = st.lists(
    st.sampled_from(["no_code", "syntax_error", "raises", "raises", 0.0, 0.3, 0.5, 0.62, 0.7, 0.9, 0.97, 1.0]),
    min_size=1,
    max_size=30,
)
options = st.builds(
    GifMcts,
    lines=st.integers(1, 5),
    exploration=st.sampled_from([0.0, 0.1, 1.0]),
    fix_attempts=st.integers(1, 4),
    generate=st.booleans(),
    improve=st.booleans(),
    fix=st.booleans(),
    improve_by_gain=st.booleans(),
)


@settings(max_examples=120, deadline=None)
@given(options, answers, st.integers(0, 3))
def test_what_holds_for_every_search(options, answers, seed):
    script, tree = run(options, answers, seed)
    nodes = {node.index: node for node in tree.nodes}
    root = nodes[None]

    # The budget is met exactly, unless a program is perfect; then that program is the result.
    perfect = answers.index(1.0) if 1.0 in answers else None
    assert len(script.prompts) == len(tree.nodes) - 1 == (len(answers) if perfect is None else perfect + 1)
    assert script.result == (None if perfect is None else script.completions[perfect].program)
    # No program is lost: each one was evaluated, so that the harness knows the best; and once more before each further
    # question how to improve it, which thus shows another mistake. (The last of them may have met the budget.)
    programs = [c.program for c in script.completions if c.program is not None]
    evaluated = [program for program, _ in script.evaluated]
    assert list(dict.fromkeys(evaluated)) == programs
    improved = Counter(p.parent for p in script.prompts if p.kind == "improve")
    for completion in (c for c in script.completions if c.program is not None):
        again = evaluated.count(completion.program) - 1
        expected = max(improved[completion.index] - 1, 0)
        assert again == expected or (again == expected + 1 and completion.program == evaluated[-1])

    for index, prompt in enumerate(script.prompts):
        node = nodes[index]
        way = [nodes[step["node"]] for step in prompt.note["path"]]
        assert way[0] is root
        assert way[-1] is node.parent
        assert prompt.prefix == (node.parent.state if prompt.kind == "generate" else "")
        for step, here in zip(prompt.note["path"], way, strict=True):
            offered = [c["action"] for c in step["choices"] if c["child"] is None]
            assert all(0 <= c["value"] <= 1 for c in step["choices"])
            # A closed node is never selected.
            assert here is root or here.program is not None
            assert here.failed_fixes < options.fix_attempts
            if here.buggy:  # only fix, and one at a time
                assert [c["action"] for c in step["choices"]] == ["fix"]
            elif here is root:
                assert set(offered) <= {"generate"}
            else:
                assert sorted(set(offered)) == sorted(offered)
                assert set(offered) <= {"generate", "improve"}
            assert options.improve or "improve" not in offered
            assert options.fix or "fix" not in offered

    for node in tree.nodes:
        assert node.visits == 1 + sum(child.visits for child in node.children)
        assert len(node.children) <= 1 or not node.buggy
        assert node.total == pytest.approx(sum(settled(tree, node)))
        assert node.scores == len(settled(tree, node))
        if node.program is not None:
            assert node.program.source.startswith(node.state)

    # v_G is over all nodes of a type, those whose bug is being fixed included.
    for action, mean in tree.means.items():
        values = [node.value or 0.0 for node in tree.nodes if node.action == action]
        assert mean.mean == pytest.approx((2 * PRIORS[action] + sum(values)) / (2 + len(values)))

    again, _ = run(options, answers, seed)
    assert again.prompts == script.prompts


def settled(tree, node):
    """The scores that belong to a node and those below, told from their fates: one of a running program, 0 for an
    answer without one and for a bug that was given up; none while it is being fixed."""
    below = [score for child in node.children for score in settled(tree, child)]
    if node.parent is None:
        return below
    if node.evaluation is None:
        return [0.0]
    if not node.buggy:
        return [node.evaluation.accuracy, *below]
    given_up = not tree.options.fix or node.failed_fixes == tree.options.fix_attempts
    return [0.0] if given_up else below
