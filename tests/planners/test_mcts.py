from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmb.planners import SimulationFailed, Stepwise, create
from cwmb.planners.mcts import MCTS, Node, select

PARAMETERS = {
    "simulations": 25,
    "max_rollout_actions": 100,
    "exploration": 1.0,
    "discount": 0.99,
    "temperature": 0.01,
}


def mcts(n_actions, first=0, **parameters):
    return create(MCTS, np.array([first]), np.array([first + n_actions - 1]), "int64", PARAMETERS | parameters)


class Chain(Stepwise):
    """Places 0 to length; action 1 goes on, 0 stays; the last place ends it with a reward. Counts what it is asked."""

    def __init__(self, length, fails_at=None, reset_fails=False):
        self.length, self.fails_at, self.reset_fails = length, fails_at, reset_fails
        self.resets = self.steps = 0
        self.place = None

    def reset(self):
        self.resets += 1
        self.place = 0
        if self.reset_fails:
            raise SimulationFailed("set_state raised")

    def step(self, action):
        assert type(action) is int
        assert self.place is not None, "a step after the end, or before reset"
        self.steps += 1
        if self.place == self.fails_at:
            self.place = None
            raise SimulationFailed("step raised")
        key = self.place = self.place + action
        done = key == self.length
        if done:
            self.place = None
        return key, 1.0 if done else 0.0, done


def test_golden_tree():
    class Late(Stepwise):
        """Action 0 ends with 0.5; action 1 leads to a place where everything ends with 1."""

        def reset(self):
            self.there = False

        def step(self, action):
            if self.there or action == 0:
                return "end", 1.0 if self.there else 0.5, True
            self.there = True
            return "there", 0.0, False

    def tree(simulations):
        planner = mcts(2, simulations=simulations, max_rollout_actions=0)
        return planner.search(Late(), np.random.default_rng(0))

    # Both actions once. Then √ln N / n rules: three times 0.5 + √(ln N / n_0) > 0 + √(ln N / 1), narrowly at N = 4
    # (1.180 > 1.177), not at N = 5 (1.134 < 1.269).
    assert (tree(2).visits, tree(2).totals) == ([1, 1], [0.5, 0.0])
    assert (tree(5).visits, tree(5).totals) == ([4, 1], [2.0, 0.0])
    # From now on action 1 brings 0.99 each time: 0.495 + √(ln 6 / 2) and 0.66 + √(ln 7 / 3) are ahead of 1.2.
    root = tree(8)
    assert (root.visits, root.totals) == ([4, 4], pytest.approx([2.0, 3 * 0.99]))
    assert root.children[0] == {}  # the end of an episode has no node
    there = root.children[1]["there"]
    assert sorted(there.visits) == [1, 2]
    assert sorted(there.totals) == [1.0, 2.0]
    assert there.children == [{}, {}]


def test_selection_tries_everything_once_then_goes_by_the_upper_confidence_bound():
    node = Node([2, 0, 1])
    assert [select(node, 1.0) for _ in range(3)] == [1, 0, 2]
    node.visits, node.totals = [4, 2, 1], [2.0, 1.2, 0.1]
    bounds = [0.5 + sqrt(log(7) / 4), 0.6 + sqrt(log(7) / 2), 0.1 + sqrt(log(7) / 1)]
    assert int(np.argmax(bounds)) == 1
    assert select(node, 1.0) == 1
    assert select(node, 10.0) == 2
    assert select(node, 0.0) == 1
    node.visits, node.totals = [2, 2, 2], [1.0, 1.0, 1.0]
    assert select(node, 1.0) == 1  # ties go by the node's own random order


def test_every_simulation_starts_from_the_planned_state_and_the_first_reward_is_found():
    model = Chain(1)
    assert mcts(2).plan(model, np.random.default_rng(0)).tolist() == [[1.0]]
    assert model.resets == 25


def test_the_discount_prefers_the_short_way():
    class Detour(Stepwise):
        """Action 0 ends at once with 1, action 1 after one more step."""

        def reset(self):
            self.late = False

        def step(self, action):
            if self.late or action == 0:
                return "end", 1.0, True
            self.late = True
            return "late", 0.0, False

    root = mcts(2).search(Detour(), np.random.default_rng(0))
    assert root.totals[0] / root.visits[0] == pytest.approx(1.0)
    assert root.totals[1] / root.visits[1] == pytest.approx(0.99)


def test_the_action_is_drawn_from_the_softmax():
    class Bandit(Stepwise):
        def reset(self):
            pass

        def step(self, action):
            return "end", 0.01 * action, True

    planner = mcts(3, first=5)
    rng = np.random.default_rng(0)
    drawn = [planner.plan(Bandit(), rng).item() for _ in range(2000)]
    weights = np.array([exp(a) for a in (0, 1, 2)])
    share = np.array([drawn.count(a) for a in (5, 6, 7)]) / 2000
    assert share == pytest.approx(weights / weights.sum(), abs=0.04)


def test_children_branch_by_what_an_action_leads_to():
    class Coin(Stepwise):
        """Action 0 shows a coin's side; naming it then pays 1."""

        def __init__(self):
            self.rng = np.random.default_rng(0)

        def reset(self):
            self.side = None

        def step(self, action):
            if self.side is None:
                self.side = int(self.rng.integers(2))
                return ("side", self.side), 0.0, False
            return "end", float(action == self.side), True

    root = mcts(2, simulations=400).search(Coin(), np.random.default_rng(0))
    for children in root.children:
        assert set(children) == {("side", 0), ("side", 1)}
        for (_, side), node in children.items():
            assert node.totals[side] == node.visits[side]
            assert node.totals[1 - side] == 0
            assert node.visits[side] > node.visits[1 - side]


def test_a_failing_step_ends_the_simulation_with_reward_0():
    root = mcts(2, simulations=50).search(Chain(3, fails_at=1), np.random.default_rng(0))
    assert root.totals == [0.0, 0.0]
    assert sum(root.visits) == 50


@pytest.mark.parametrize("model", [Chain(3, fails_at=0), Chain(3, reset_fails=True)])
def test_if_no_simulation_gets_anywhere_there_is_no_plan(model):
    with pytest.raises(SimulationFailed):
        mcts(2).plan(model, np.random.default_rng(0))
    assert model.resets == 25


def test_rollouts_are_limited():
    class Endless(Stepwise):
        def __init__(self):
            self.lengths = []

        def reset(self):
            self.lengths.append(0)

        def step(self, action):
            self.lengths[-1] += 1
            return len(self.lengths), 0.0, False

    model = Endless()
    mcts(4, max_rollout_actions=7).search(model, np.random.default_rng(0))
    assert model.lengths == [8] * 25  # every observation is new: one step in the tree, then the rollout


def test_returns_without_bounds_do_not_break_the_softmax():
    class Huge(Stepwise):
        def reset(self):
            self.n = 0

        def step(self, action):
            self.n += 1
            return self.n, 1e308 * (-1) ** (self.n * action), False

    assert mcts(3).plan(Huge(), np.random.default_rng(0)).item() in (0, 1, 2)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 60),
    st.integers(0, 20),
    st.none() | st.integers(1, 4),
    st.integers(0, 5),
)
def test_what_holds_for_every_tree(length, simulations, rollout, fails_at, seed):
    planner = mcts(2, simulations=simulations, max_rollout_actions=rollout)
    root = planner.search(Chain(length, fails_at), np.random.default_rng(seed))
    assert sum(root.visits) == simulations

    def check(node):
        for action, children in enumerate(node.children):
            # The first visit of a child is a rollout from it, which none of its own actions counts.
            below = sum(sum(child.visits) + 1 for child in children.values())
            assert below <= node.visits[action]
            assert 0 <= node.totals[action] <= node.visits[action]
            for child in children.values():
                check(child)

    check(root)
    again = planner.search(Chain(length, fails_at), np.random.default_rng(seed))
    assert (again.visits, again.totals) == (root.visits, root.totals)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"simulation": 3}, "planner MCTS has no parameter 'simulation'; there are: simulations, max_rollout_actions"),
        ({"simulations": 0}, "simulations must be at least 1, not 0"),
        ({"max_rollout_actions": -1}, "max_rollout_actions must be at least 0, not -1"),
        ({"temperature": 0.0}, "temperature must be above 0, not 0.0"),
    ],
)
def test_bad_parameters_are_named(parameters, complaint):
    with pytest.raises(ValueError, match=complaint):
        mcts(2, **parameters)


def test_it_plans_discrete_actions_only():
    with pytest.raises(ValueError, match="mcts needs discrete actions, not float32"):
        create(MCTS, [-1.0], [1.0], "float32", PARAMETERS)
