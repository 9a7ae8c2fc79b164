import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmb.planners import SimulationFailed, Stepwise, create
from cwmb.planners.maxuct import MaxUCT, best_actions, unfold


def maxuct(n_actions, first=0, **parameters):
    return create(MaxUCT, np.array([first]), np.array([first + n_actions - 1]), "int64", parameters)


def whole(node):
    """A tree with all nodes that it stands for."""
    if node.ahead:
        unfold(node)
    for children in node.children:
        for child in children.values():
            whole(child)
    return node


class Lock(Stepwise):
    """Opens with reward 1 to one sequence of actions; a wrong action ends it with nothing. Remembers what was tried."""

    def __init__(self, combination, fails_at=None):
        self.combination, self.fails_at = combination, fails_at
        self.place = 0  # that is planned from
        self.tried = []

    def reset(self):
        self.at = self.place
        self.tried.append([])

    def step(self, action):
        assert type(action) is int
        self.tried[-1].append(action)
        if self.at == self.fails_at:
            raise SimulationFailed("step raised")
        right = action == self.combination[self.at]
        self.at += 1
        opened = right and self.at == len(self.combination)
        return self.at, float(opened), opened or not right


def test_golden_tree():
    class Late(Stepwise):
        """Action 0 ends with 0.5; action 1 leads to a place where action 1 ends with 1 and action 0 with nothing."""

        def reset(self):
            self.there = False

        def step(self, action):
            if self.there or action == 0:
                return "end", float(action) if self.there else 0.5, True
            self.there = True
            return "there", 0.0, False

    def tree(proposed, simulations):
        return whole(maxuct(2, simulations=simulations).search(Late(), np.random.default_rng(0), proposed))

    # The proposed actions come first and find nothing.
    root = tree([1, 0], 1)
    assert (root.tried, root.visits, root.totals, root.value) == ([1], [0, 1], [0.0, 0.0], 0.0)
    assert root.children[1]["there"].tried == [0]
    # Then what was never taken, and by the bounds: 0.5 + √(ln N / n) > √(ln N), narrowly at N = 4 (1.180 > 1.177), not
    # at N = 5 (1.134 < 1.269), when the end with 1 is found.
    root = tree([1, 0], 6)
    assert (root.visits, root.totals) == ([4, 2], pytest.approx([2.0, 2 * 0.99]))
    # Every visit counts as if it had been made with what is known now: a mean would be 0.99 / 2.
    assert root.value == pytest.approx(0.99)
    there = root.children[1]["there"]
    assert (there.arrivals, there.visits, there.totals, there.value) == (2, [1, 1], [0.0, 1.0], 1.0)
    assert best_actions(root) == [1, 1]


def test_the_best_plan_is_never_lost():
    lock = Lock([1, 0, 0, 1, 1, 0, 1, 0])
    planner, rng = maxuct(2, simulations=1000), np.random.default_rng(0)
    assert planner.plan(lock, rng).item() == 1
    # From now on the one simulation of a search is what the last one has found, with the rest to go.
    hasty = maxuct(2, simulations=1)
    hasty.memory.actions = planner.memory.actions
    for place in range(1, 8):
        lock.place = place
        assert hasty.plan(lock, rng).item() == lock.combination[place]
        assert lock.tried[-1] == lock.combination[place:]


def test_after_a_failure_the_next_plan_starts_afresh():
    planner, rng = maxuct(2), np.random.default_rng(0)
    planner.plan(Lock([1, 0, 0]), rng)
    with pytest.raises(SimulationFailed):
        planner.plan(Lock([1, 0, 0], fails_at=0), rng)
    assert planner.memory.actions == []


def test_luck_is_no_skill():
    class Gamble(Stepwise):
        """Action 0 pays 1 or -1, action 1 surely 0.2."""

        rng = np.random.default_rng(0)

        def reset(self):
            pass

        def step(self, action):
            return "end", 0.2 if action == 1 else float(self.rng.choice([-1, 1])), True

    root = maxuct(2, simulations=400).search(Gamble(), np.random.default_rng(0), [])
    assert best_actions(root) == [1]


def test_chance_is_averaged_and_choice_is_not():
    class Coin(Stepwise):
        """Action 0 or 1 shows a coin's side; naming it then pays 1."""

        rng = np.random.default_rng(0)

        def reset(self):
            self.side = None

        def step(self, action):
            if self.side is None:
                self.side = int(self.rng.integers(2))
                return ("side", self.side), 0.0, False
            return "end", float(action == self.side), True

    root = maxuct(2, simulations=50).search(Coin(), np.random.default_rng(0), [])
    assert [set(children) for children in root.children] == [{("side", 0), ("side", 1)}] * 2
    assert root.value == pytest.approx(0.99)


def test_equal_actions_leave_the_plan_as_it_is():
    class Nothing(Stepwise):
        def reset(self):
            self.n = 0

        def step(self, action):
            self.n += 1
            return self.n, -1.0, False

    planner, rng = maxuct(3, horizon=10), np.random.default_rng(0)
    planner.plan(Nothing(), rng)
    for _ in range(5):
        announced = planner.memory.actions[0]
        assert planner.plan(Nothing(), rng).item() == announced


def test_every_walk_has_the_same_horizon():
    class Endless(Stepwise):
        def __init__(self):
            self.lengths = []

        def reset(self):
            self.lengths.append(0)

        def step(self, action):
            self.lengths[-1] += 1
            return (action, self.lengths[-1]), 0.0, False

    model = Endless()
    maxuct(2, horizon=7).plan(model, np.random.default_rng(0))
    assert model.lengths == [7] * 25


def test_actions_count_from_the_first_of_the_space():
    class OneStep(Stepwise):
        def reset(self):
            pass

        def step(self, action):
            return "end", float(action), True

    assert maxuct(3, first=5).plan(OneStep(), np.random.default_rng(0)).tolist() == [[7.0]]


@pytest.mark.parametrize(("longest_run", "repeats"), [(1.0, 1 / 4), (20.0, 0.76)])
def test_rollouts_repeat_their_actions(longest_run, repeats):
    planner = maxuct(4, simulations=2000, horizon=50, longest_run=longest_run)
    rollouts = planner.rollouts(4, np.random.default_rng(0))
    assert rollouts.shape == (2000, 50)
    assert np.bincount(rollouts.ravel()) / rollouts.size == pytest.approx(np.full(4, 1 / 4), abs=0.02)
    # A run goes on with chance 1 - 1 / L, and a new one may draw the same action. The mean of 1 / L for L log-uniform
    # in [1, 20] is (1 - 1 / 20) / ln 20 = 0.317.
    same = (rollouts[:, 1:] == rollouts[:, :-1]).mean(axis=1)
    assert same.mean() == pytest.approx(repeats, abs=0.02)
    assert (same > 0.8).mean() == pytest.approx(0.0 if longest_run == 1 else 0.5, abs=0.1)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 1), min_size=1, max_size=5),
    st.lists(st.integers(0, 1), max_size=6),
    st.integers(1, 60),
    st.none() | st.integers(1, 4),
    st.integers(0, 5),
)
def test_what_holds_for_every_tree(combination, proposed, simulations, fails_at, seed):
    def search():
        planner = maxuct(2, simulations=simulations, horizon=6)
        return whole(planner.search(Lock(combination, fails_at), np.random.default_rng(seed), list(proposed)))

    def check(node):
        assert sorted(node.tried + node.untried) == [0, 1]
        assert all((node.visits[a] > 0) == (a in node.tried) for a in (0, 1))
        # Bellman's equation.
        for a in node.tried:
            children = node.children[a].values()
            assert sum(child.arrivals for child in children) <= node.visits[a]
            below = sum(child.arrivals * child.value for child in children)
            assert node.totals[a] == pytest.approx(node.rewards[a] + 0.99 * below)
            for child in children:
                assert child.arrivals == sum(child.visits)
                check(child)
        assert node.value == max((node.totals[a] / node.visits[a] for a in node.tried), default=0.0)

    root = search()
    assert sum(root.visits) == simulations
    check(root)
    again = search()
    assert (again.visits, again.totals) == (root.visits, root.totals)


def test_returns_without_bounds_do_no_harm():
    class Huge(Stepwise):
        def reset(self):
            self.n = 0

        def step(self, action):
            self.n += 1
            return self.n, 1e308 * (-1) ** (self.n * action), False

    assert maxuct(3).plan(Huge(), np.random.default_rng(0)).item() in (0, 1, 2)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"max_rollout_actions": 3}, "planner MaxUCT has no parameter 'max_rollout_actions'; there are: simulations"),
        ({"memory": 3}, "planner MaxUCT has no parameter 'memory'"),
        ({"simulations": 0}, "simulations must be at least 1, not 0"),
        ({"horizon": 0}, "horizon must be at least 1, not 0"),
        ({"longest_run": 0.5}, "longest_run must be at least 1, not 0.5"),
    ],
)
def test_bad_parameters_are_named(parameters, complaint):
    with pytest.raises(ValueError, match=complaint):
        maxuct(2, **parameters)


def test_it_plans_single_discrete_actions_only():
    with pytest.raises(ValueError, match="maxuct needs discrete actions, not float32"):
        create(MaxUCT, [-1.0], [1.0], "float32", {})
    with pytest.raises(ValueError, match="maxuct needs one discrete action a step, not 2"):
        create(MaxUCT, [0, 0], [1, 1], "int64", {})
