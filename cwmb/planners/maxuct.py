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

# A step of a rollout: action, key of the observation that it led to (None: the walk is over), reward, value from there.
Met = tuple[int, object, float, float]


class Node(mcts.Node):
    """An observation in the tree. rewards: sums of the rewards that followed each action at once.

    totals: sums of the rewards and of the discounted values of what they led to, the latter as known now
    arrivals: how many simulations passed here; value: of the best action tried, 0 before the first
    ahead: the rollout that began here, last step first: most of its nodes are never met again, and never made
    """

    __slots__ = ("ahead", "arrivals", "rewards", "value")

    def __init__(self, order: list[int], arrivals: int = 0, ahead: list[Met] | None = None) -> None:
        super().__init__(order)
        self.rewards = [0.0] * len(order)
        self.arrivals, self.ahead = arrivals, ahead or []
        self.value = ahead[-1][-1] if ahead else 0.0


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
        step, survived = model.step, False

        for order, rollout in zip(orders, rollouts.tolist(), strict=True):
            node = root
            path: list[tuple[Node, int]] = []
            met: list[tuple[int, object, float]] = []
            try:
                model.reset()
                while node.tried or node.ahead:
                    if node.ahead:
                        unfold(node)
                    action = select(node, self.exploration)
                    path.append((node, action))
                    node.visits[action] += 1
                    key, reward, done = step(first + action)
                    survived = True
                    node.rewards[action] += reward
                    if done:
                        break
                    child = node.children[action].get(key)
                    if child is None:
                        node.children[action][key] = child = Node(order.copy())
                    node = child
                    node.arrivals += 1
                else:
                    for action in rollout[len(path) :]:
                        met.append((action, None, 0.0))
                        key, reward, done = step(first + action)
                        survived = True
                        met[-1] = (action, None if done else key, reward)
                        if done:
                            break
            except SimulationFailed:
                pass  # the rewards up to here count
            for action, key, reward in reversed(met):
                node.value = reward + self.discount * node.value
                node.ahead.append((action, key, reward, node.value))
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
        node.value = max([totals[a] / visits[a] for a in node.tried])


def unfold(node: Node) -> None:
    """Make a node of the first step ahead, which the others follow."""
    action, key, reward, value = node.ahead.pop()
    if key is not None:
        node.children[action][key] = Node(node.untried.copy(), 1, node.ahead)
    node.ahead = []
    node.untried.remove(action)
    node.tried.append(action)
    node.visits[action], node.rewards[action], node.totals[action] = 1, reward, value


def best_actions(root: Node) -> list[int]:
    """The best action of the root, of the likeliest node that it leads to, and so on."""
    actions: list[int] = []
    node: Node | None = root
    while node is not None and (node.tried or node.ahead):
        if node.ahead:
            return actions + [action for action, *_ in reversed(node.ahead)]
        means = [node.totals[a] / node.visits[a] for a in node.tried]
        action = node.tried[means.index(max(means))]
        actions.append(action)
        node = max(node.children[action].values(), key=lambda child: child.arrivals, default=None)
    return actions
