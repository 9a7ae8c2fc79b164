"""What an action that has not been taken yet is worth (paper, section 4: value of unexpanded actions)."""

from __future__ import annotations

from dataclasses import dataclass

from cwmb.strategies.gif_mcts.tree import Action, Node

# The mean score that each type of action is expected to reach before it has been tried, and how many
# observations that expectation counts as.
PRIORS: dict[Action, float] = {"generate": 0.5, "improve": 0.55, "fix": 0.5}
PRIOR_COUNT = 2
PRIOR_GAIN = 0.05  # that an improve makes on the program that it is shown


@dataclass
class RunningMean:
    """The mean of values that come and change, with a prior that counts as some of them; kept up in constant time."""

    prior: float
    total: float = 0.0
    count: int = 0

    def update(self, before: float | None, after: float) -> None:
        """A value came (before is None) or changed."""
        self.total += after - (0.0 if before is None else before)
        self.count += before is None

    @property
    def mean(self) -> float:
        """The mean as it is now."""
        return (PRIOR_COUNT * self.prior + self.total) / (PRIOR_COUNT + self.count)


def siblings_mean(action: Action, parent: Node) -> float | None:
    """v_L: what the children that an action of this type led to are worth on average; None if there are none."""
    children = parent.same(action)
    return sum(child.worth for child in children) / len(children) if children else None


@dataclass
class Weights:
    """How much the whole tree and the siblings count in a prediction; one pair per type of action.

    Learned by gradient descent on the squared error, step 1/(2 + n) at the n-th example. They stay non-negative, so a
    prediction is a mean of values in [0, 1]; since one falls only when the other one rises, they never both vanish.
    """

    tree: float = 0.5
    siblings: float = 0.5
    examples: int = 0

    def predict(self, tree_mean: float, siblings_mean: float | None) -> float:
        """The value of an unexpanded action, from v_G and v_L."""
        if siblings_mean is None:
            return tree_mean
        weighted = self.tree * tree_mean + self.siblings * siblings_mean
        return min(max(weighted / (self.tree + self.siblings), 0.0), 1.0)

    def learn(self, tree_mean: float, siblings_mean: float | None, score: float) -> None:
        """Take one step towards the score that the action got; v_G and v_L as they were before it."""
        if siblings_mean is None:
            return  # the weights had no say
        self.examples += 1
        prediction = self.predict(tree_mean, siblings_mean)
        slope = 2 * (prediction - score) / (self.tree + self.siblings) / (2 + self.examples)
        self.tree = max(self.tree - slope * (tree_mean - prediction), 0.0)
        self.siblings = max(self.siblings - slope * (siblings_mean - prediction), 0.0)
