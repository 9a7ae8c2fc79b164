"""MaxUCT (Keller & Helmert 2013, "Trial-based heuristic tree search for finite horizon MDPs") with whole rollouts.

Made for goals that a random walk hardly ever reaches. Three things tell it from the paper's search in ``mcts``: an
observation is worth what its best action is worth, not what was met on average below it, so that one good simulation is
not outvoted by the bad ones; rollouts stay in the tree and repeat their actions for a while; and the best plan found is
the first simulation of the next search, as iCEM keeps its elites.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cwmb.planners import Floats, Model, SimulationFailed, mcts, require, require_one_discrete
from cwmb.planners.mcts import select


class Node(mcts.Node):
    """An observation in the tree. rewards: sums of the rewards that followed each action at once.

    totals: sums of the rewards and of the discounted values of what they led to, the latter as known now
    arrivals: how many simulations passed here; value: of the best action tried, 0 before the first.
    """

    __slots__ = ("arrivals", "rewards", "value")

    def __init__(self, order: list[int]) -> None:
        # Not by way of the base class: most of a plan's time would go into making its thousands of nodes.
        n = len(order)
        self.tried = []
        self.untried = order
        self.visits = [0] * n
        self.totals = [0.0] * n
        self.children = [{} for _ in order]
        self.rewards = [0.0] * n
        self.arrivals = 0
        self.value = 0.0


@dataclass
class Memory:
    """What one plan leaves to the next: the actions, from 0, that it would go on with."""

    actions: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class MaxUCT:
    """Plans one discrete action at a time.

    simulations: walks from the root for each action; horizon: actions in a walk, at most, the same for all so that
    their returns compare; longest_run: a rollout repeats each action so that runs have a mean length, drawn for every
    rollout log-uniformly from 1 (uniform actions) to this; exploration: the constant C of UCT; discount: of the
    rewards, per step.

    A step that fails ends its simulation like a terminal step with reward 0.
    """

    low: Floats
    high: Floats
    dtype: str
    simulations: int = 25
    horizon: int = 200
    longest_run: float = 20.0
    exploration: float = 1.0
    discount: float = 0.99
    memory: Memory = field(default_factory=Memory, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_one_discrete("maxuct", self.low, self.dtype, self.simulations)
        require(self.horizon >= 1, f"maxuct: horizon must be at least 1, not {self.horizon}")
        require(self.longest_run >= 1, f"maxuct: longest_run must be at least 1, not {self.longest_run}")

    @property
    def most_steps(self) -> int:
        """Steps in the model that a plan takes at most."""
        return self.simulations * self.horizon

    def plan(self, model: Model, rng: np.random.Generator) -> Floats:
        """The next action [1, 1]: the root's best (ties: the one that the last plan goes on with).

        Raises:
            SimulationFailed: not one simulation got through its first step; the next plan then starts afresh.
        """
        proposed, self.memory.actions = self.memory.actions, []
        action, *self.memory.actions = best_actions(self.search(model, rng, proposed))
        return np.array([[self.low.item() + action]])

    def search(self, model: Model, rng: np.random.Generator, proposed: list[int]) -> Node:
        """Grow a tree by all simulations, the first along the proposed actions, and return its root.

        Actions count from 0. Raises:
            SimulationFailed: not one simulation got through its first step.
        """
        first = int(self.low.item())
        n_actions = int(self.high.item()) - first + 1
        # All random numbers at once: a draw of its own for each action would cost as much as a quick model's step.
        orders = rng.permuted(np.tile(np.arange(n_actions), (self.simulations, 1)), axis=1).tolist()
        rollouts = self.rollouts(n_actions, rng)
        rollouts[0, : len(proposed)] = proposed
        root = Node(orders[0].copy())
        survived = False

        for order, rollout in zip(orders, rollouts.tolist(), strict=True):
            node, known = root, bool(root.tried)
            step = model.step
            path: list[tuple[Node, int]] = []
            try:
                model.reset()
                for rollout_action in rollout:
                    action = select(node, self.exploration) if known else take(node, rollout_action)
                    path.append((node, action))
                    node.visits[action] += 1
                    key, reward, done = step(first + action)
                    survived = True
                    node.rewards[action] += reward
                    if done:
                        break
                    children = node.children[action]
                    child = children.get(key)
                    known = child is not None
                    if child is None:
                        children[key] = child = Node(order.copy())
                    node = child
                    node.arrivals += 1
            except SimulationFailed:
                pass  # the rewards up to here count
            for node, action in reversed(path):
                self.back_up(node, action)

        if not survived:
            raise SimulationFailed("no simulation got through its first step")
        return root

    def rollouts(self, n_actions: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Random actions [S, H], each row with runs of its own mean length."""
        shape = (self.simulations, self.horizon)
        lengths = self.longest_run ** rng.random((self.simulations, 1))
        starts = rng.random(shape) < 1 / lengths
        run_start = np.maximum.accumulate(np.where(starts, np.arange(self.horizon), 0), axis=1)
        return np.take_along_axis(rng.integers(n_actions, size=shape), run_start, axis=1)

    def back_up(self, node: Node, action: int) -> None:
        """Bellman's equation for an action and its node, over what the action has led to."""
        below = 0.0
        for child in node.children[action].values():
            below += child.arrivals * child.value
        totals, visits = node.totals, node.visits
        totals[action] = node.rewards[action] + self.discount * below
        tried = node.tried
        if len(tried) == 1:  # as are most nodes of a tree that keeps its rollouts
            node.value = totals[action] / visits[action]
        else:
            node.value = max([totals[a] / visits[a] for a in tried])


def take(node: Node, action: int) -> int:
    """Mark an action of a new node as tried."""
    node.untried.remove(action)
    node.tried.append(action)
    return action


def best_actions(root: Node) -> list[int]:
    """The best action of the root, of the likeliest node that it leads to, and so on."""
    actions: list[int] = []
    node: Node | None = root
    while node is not None and node.tried:
        means = [node.totals[a] / node.visits[a] for a in node.tried]
        action = node.tried[means.index(max(means))]
        actions.append(action)
        node = max(node.children[action].values(), key=lambda child: child.arrivals, default=None)
    return actions
