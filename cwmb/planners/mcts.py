"""Monte Carlo tree search over discrete actions (Kocsis & Szepesvári 2006), with chance handled by open branching.

The tree is stochastic: below an action hangs one child for each observation that it has led to, and every simulation
is run in the model from the state that is planned from, so that a model that draws random numbers is sampled anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import Self

import numpy as np

from cwmb.planners import Floats, Model, SimulationFailed, require, require_one_discrete


class Node:
    """What is known about one observation in the tree; the lists have one entry per action.

    tried: the actions taken so far, in a random order of this node's own; untried: those still to come, last one first
    visits: how often each action was taken here; totals: the sums of the discounted returns that followed
    children: for each action the nodes that it led to, by the key of the resulting observation
    """

    __slots__ = ("children", "totals", "tried", "untried", "visits")

    def __init__(self, order: list[int]) -> None:
        self.tried: list[int] = []
        self.untried = order
        self.visits = [0] * len(order)
        self.totals = [0.0] * len(order)
        self.children: list[dict[object, Self]] = [{} for _ in order]


@dataclass(frozen=True)
class MCTS:
    """Plans one discrete action at a time.

    simulations: walks from the root for each action; max_rollout_actions: random actions at the end of a walk, at most;
    exploration: the constant C of UCT; discount: of the rewards, per step; temperature: of the softmax over the root's
    values that the action is drawn from.

    A step that fails ends its simulation like a terminal step with reward 0.
    """

    low: Floats
    high: Floats
    dtype: str
    simulations: int = 25
    max_rollout_actions: int = 100
    exploration: float = 1.0
    discount: float = 0.99
    temperature: float = 0.01

    def __post_init__(self) -> None:
        require_one_discrete("mcts", self.low, self.dtype, self.simulations)
        require(
            self.max_rollout_actions >= 0,
            f"mcts: max_rollout_actions must be at least 0, not {self.max_rollout_actions}",
        )
        require(self.temperature > 0, f"mcts: temperature must be above 0, not {self.temperature}")

    @property
    def most_steps(self) -> int:
        """Steps in the model that a plan takes at most: the k-th simulation goes k steps down the tree."""
        return self.simulations * (self.simulations + 1) // 2 + self.simulations * self.max_rollout_actions

    def plan(self, model: Model, rng: np.random.Generator) -> Floats:
        """The next action [1, 1].

        Raises:
            SimulationFailed: not one simulation got through its first step.
        """
        root = self.search(model, rng)
        values = [root.totals[a] / root.visits[a] for a in root.tried]
        best = max(values)
        # A comparison instead of a difference where it matters: a model's returns can add up to infinity.
        weights = np.array([exp((v - best) / self.temperature) if v < best else 1.0 for v in values])
        action = rng.choice(root.tried, p=weights / weights.sum())
        return np.array([[self.low.item() + action]])

    def search(self, model: Model, rng: np.random.Generator) -> Node:
        """Grow a tree by all simulations and return its root. Actions count from 0 in it.

        Raises:
            SimulationFailed: not one simulation got through its first step.
        """
        first = int(self.low.item())
        n_actions = int(self.high.item()) - first + 1
        discount = self.discount
        reset, step, take_rollout = model.reset, model.step, model.rollout
        # All random numbers at once: a draw of its own for each action would cost as much as a quick model's step.
        orders = rng.permuted(np.tile(np.arange(n_actions), (self.simulations + 1, 1)), axis=1).tolist()
        rollouts = rng.integers(first, first + n_actions, size=(self.simulations, self.max_rollout_actions)).tolist()
        root = Node(orders[-1])
        survived = False

        for order, rollout in zip(orders, rollouts, strict=False):
            node = root
            path: list[tuple[Node, int, float]] = []
            value = 0.0  # the discounted return behind the end of the path
            try:
                reset()
                while True:
                    action = select(node, self.exploration)
                    path.append((node, action, 0.0))
                    key, reward, done = step(first + action)
                    survived = True
                    path[-1] = (node, action, reward)
                    if done:
                        break
                    child = node.children[action].get(key)
                    if child is None:
                        node.children[action][key] = Node(order)
                        weight = 1.0
                        for reward in take_rollout(rollout):
                            value += weight * reward
                            weight *= discount
                        break
                    node = child
            except SimulationFailed:
                pass  # the rewards up to here count
            for node, action, reward in reversed(path):
                value = reward + discount * value
                node.visits[action] += 1
                node.totals[action] += value

        if not survived:
            raise SimulationFailed("no simulation got through its first step")
        return root


def select(node: Node, exploration: float) -> int:
    """An action that was never taken at this node, else the one of the highest upper confidence bound."""
    if node.untried:
        action = node.untried.pop()
        node.tried.append(action)
        return action
    visits, totals = node.visits, node.totals
    log_visits = log(sum(visits))
    best, best_bound = node.tried[0], -inf
    for action in node.tried:
        n = visits[action]
        bound = totals[action] / n + exploration * sqrt(log_visits / n)
        if bound > best_bound:
            best, best_bound = action, bound
    return best
