"""The search (paper, section 4 and appendix B): select, expand, evaluate, back up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Any, ClassVar

import numpy as np

from cwmb.errors import CwmbError
from cwmb.models import prompts
from cwmb.strategies.gif_mcts.tree import Action, Node, count_lines, head
from cwmb.strategies.gif_mcts.value import PRIOR_GAIN, PRIORS, RunningMean, Weights, siblings_mean
from cwmb.types import Completion, Evaluate, LanguageModel, Program, Prompt, Task

# What the branch of a program with a bug is worth until the first attempt to fix it.
BUGGY_VALUE = 0.99


@dataclass(frozen=True)
class GifMcts:
    """Monte Carlo tree search over programs with the actions generate, improve and fix.

    lines: L, the lines of code by which a node's state is longer than its parent's; exploration: C of the selection
    rule; fix_attempts: f, after how many failed fixes in a row a branch is closed; generate, improve, fix: whether the
    action exists (the paper's ablations); without generate, the root still writes programs until one can be worked on;
    improve_by_gain: expect of an improve the score of the program at hand plus the mean gain of improves so far. The
    paper expects the mean score of improves, which falls behind once programs are better than that from the start.
    """

    anytime: ClassVar[bool] = True
    lines: int = 2
    exploration: float = 0.1
    fix_attempts: int = 3
    generate: bool = True
    improve: bool = True
    fix: bool = True
    improve_by_gain: bool = False

    def __post_init__(self) -> None:
        for name in ("lines", "fix_attempts"):
            if getattr(self, name) < 1:
                raise CwmbError(f"gif_mcts: {name} must be at least 1, not {getattr(self, name)}")
        if self.exploration < 0:
            raise CwmbError(f"gif_mcts: exploration must be at least 0, not {self.exploration}")

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        """The first perfect program."""
        tree = Tree(self)
        while True:
            node, action, note = tree.select(rng)
            if action == "improve" and node.program is not None and node.same("improve"):
                node.evaluation = evaluate(node.program)  # shows another mistake
            completion = llm.complete(ask(task, node, action, note))
            child = tree.expand(node, action, completion, evaluate)
            tree.backup(child)
            if child.evaluation is not None and child.evaluation.perfect:
                return child.program


def ask(task: Task, node: Node, action: Action, note: dict[str, Any]) -> Prompt:
    """The question that an action at a node puts to the language model."""
    if action == "generate":
        return prompts.generate(task, prefix=node.state, parent=node.source_index, note=note)
    assert node.program is not None
    assert node.evaluation is not None
    if action == "improve":
        return prompts.improve(task, node.program, node.evaluation, parent=node.source_index, note=note)
    assert node.evaluation.failure is not None
    return prompts.fix(task, node.program, node.evaluation.failure, parent=node.source_index, note=note)


@dataclass(frozen=True)
class Choice:
    """One thing to do at a node: descend to an expanded child, or (child None) expand an action."""

    action: Action
    child: Node | None
    value: float
    score: float


@dataclass
class Tree:
    """All that a search knows. What a selection needs of the whole tree is kept up to date, node by node.

    nodes: all of them, the root first; weights: of the value predictions; means: of the values of all nodes that an
    action of each type led to (v_G), 0 for a bug that is being fixed; gain: of the first scores of improves over those
    of their parents.
    """

    options: GifMcts
    nodes: list[Node] = field(default_factory=lambda: [Node()])
    weights: dict[Action, Weights] = field(
        default_factory=lambda: {"generate": Weights(), "improve": Weights(), "fix": Weights()}
    )
    means: dict[Action, RunningMean] = field(default_factory=lambda: {a: RunningMean(p) for a, p in PRIORS.items()})
    gain: RunningMean = field(default_factory=lambda: RunningMean(PRIOR_GAIN))

    def offers(self, node: Node) -> list[Action]:
        """The actions that can be expanded at a node: one more of each type, but a single fix for a bug."""
        options = self.options
        if node.buggy:
            fixable = options.fix and not node.children and node.failed_fixes < options.fix_attempts
            return ["fix"] if fixable else []
        if node.parent is None:
            return ["generate"] if options.generate or not any(c.open for c in node.children) else []
        actions: list[Action] = []
        if options.generate and node.further_lines >= options.lines:
            actions.append("generate")
        if options.improve and node.program is not None:
            actions.append("improve")
        return actions

    def choices(self, node: Node) -> list[Choice]:
        """All that can be selected at a node, with value and selection score."""
        found: list[tuple[Action, Node | None, float]] = []
        expanded: Counter[Action | None] = Counter()
        for child in node.children:
            expanded[child.action] += 1
            if child.action is not None and child.open:
                found.append((child.action, child, child.worth))
        for action in self.offers(node):
            found.append((action, None, self.expected(node, action)))
        bonus = {action: self.exploration(node, expanded[action]) for action in PRIORS}
        return [Choice(action, child, value, value + bonus[action]) for action, child, value in found]

    def exploration(self, node: Node, expanded: int) -> float:
        """The bonus of an action type at a node: large while it has rarely been expanded there."""
        return self.options.exploration * sqrt(log(node.visits) / (expanded + 1))

    def expected(self, node: Node, action: Action) -> float:
        """The value of an action that has not been expanded."""
        if action == "improve" and self.options.improve_by_gain:
            # Ours, not the paper's: the score of the node's program and the mean gain of all improves so far.
            return min(max((node.first_score or 0.0) + self.gain.mean, 0.0), 1.0)
        return self.weights[action].predict(self.means[action].mean, siblings_mean(action, node))

    def select(self, rng: np.random.Generator) -> tuple[Node, Action, dict[str, Any]]:
        """Descend by the highest selection score to an unexpanded action (ties at random).

        Returns the node, the action, and a note of the decision in plain JSON; nodes go by their completions' indices.
        """
        node = self.nodes[0]
        path: list[dict[str, Any]] = []
        while True:
            choices = self.choices(node)
            best = max(choice.score for choice in choices)
            tied = [choice for choice in choices if choice.score == best]
            choice = tied[rng.integers(len(tied))]
            path.append(
                {
                    "node": node.index,
                    "visits": node.visits,
                    "choices": [
                        {"action": c.action, "child": c.child and c.child.index, "value": c.value, "score": c.score}
                        for c in choices
                    ],
                }
            )
            if choice.child is None:
                weights = {a: {"tree": w.tree, "siblings": w.siblings} for a, w in self.weights.items()}
                return node, choice.action, {"action": choice.action, "path": path, "weights": weights}
            node = choice.child

    def expand(self, node: Node, action: Action, completion: Completion, evaluate: Evaluate) -> Node:
        """Add the child that an answer makes, and evaluate its program."""
        child = Node(
            parent=node,
            index=completion.index,
            action=action,
            tree_mean=self.means[action].mean,
            siblings_mean=siblings_mean(action, node),
        )
        if completion.program is not None:
            child.program, child.source_index = completion.program, completion.index
            child.evaluation = evaluate(completion.program)
        elif action == "fix":  # nothing was fixed: the program is still what it was
            child.program, child.source_index, child.evaluation = node.program, node.source_index, node.evaluation
        if child.program is not None:
            child.state = head(child.program.source, count_lines(node.state) + self.options.lines)
            child.further_lines = count_lines(child.program.source) - count_lines(child.state)
        if action == "fix" and child.buggy:
            child.failed_fixes = node.failed_fixes + 1
        node.children.append(child)
        self.nodes.append(child)
        for changed in child.path():
            changed.open = bool(self.offers(changed)) or any(c.open for c in changed.children)
        return child

    def backup(self, child: Node) -> None:
        """Count the visit on the way to the root, and the score, unless it waits for a bug to be fixed.

        A fixed program's score is thereby that of the whole chain of fixes, once; given up, the chain's score is 0.
        Meanwhile the chain is worth what is left of the hope in its last program: to selections, and to what is
        expected of further actions beside it (appendix B: v_L is over all expanded children). In the whole tree's mean
        (v_G: over all nodes of the type) it counts with its score so far, 0.
        """
        pending = child.buggy and child.open
        runs = child.evaluation is not None and not child.buggy
        score = child.evaluation.accuracy if child.evaluation is not None and runs else 0.0
        hope = BUGGY_VALUE * (1 - child.failed_fixes / self.options.fix_attempts)
        for node in child.path():
            before = None if node is child else node.value or 0.0
            node.visits += node is not child
            if not pending:
                if node.scores == 0:
                    node.first_score = score
                    self.learn(node, score)
                node.total += score
                node.scores += 1
            node.worth = hope if node.value is None else node.value
            if node.action is not None:
                self.means[node.action].update(before, node.value or 0.0)

    def learn(self, node: Node, score: float) -> None:
        """What the first score of a node, its own or that of the program that fixed it, says about its action."""
        if node.action is not None:
            self.weights[node.action].learn(node.tree_mean, node.siblings_mean, score)
        above = None if node.parent is None else node.parent.first_score
        if node.action == "improve" and above is not None:
            self.gain.update(None, score - above)
