"""Judging a program on a set of transitions: run it in the sandbox, compare in the parent, audit in a fresh process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import BenchmarkProtocol
from cwmb.benchmark.trajectories import spaces, transitions
from cwmb.judging import audit as auditing
from cwmb.judging.continuity import lost
from cwmb.judging.precision import Scale, scale
from cwmb.judging.scoring import Marks, Rules, compare, evaluate, mistakes, reward_classes, rules, varied
from cwmb.sandbox import Sandbox
from cwmb.sandbox.parts import Share, in_turn
from cwmb.types import NOT_RUN, Evaluation, Failure, Fitted, Ints, Predictions, Program, Space, Transitions

if TYPE_CHECKING:
    from cwmb.sandbox.predicting import Respondent


class Judged(NamedTuple):
    """What came of judging a program. marks: what is right of each prediction; seconds: see Predictions."""

    evaluation: Evaluation
    marks: Marks
    seconds: float


KEPT = 4  # programs whose learning is remembered


@dataclass(frozen=True)
class Judge:
    """Judges programs of one environment under one protocol.

    scale: of its training data, for the precision; blocks: see EnvironmentSpec; rolls_out: whether planners set a
    program's state once and then only call step; teaches: the transitions that programs may learn from, if they may;
    share: runs parts of a score at a time.
    """

    sandbox: Sandbox
    protocol: BenchmarkProtocol
    rules: Rules
    observation_space: Space
    action_space: Space
    scale: Scale
    blocks: Sequence[int] = ()
    rolls_out: bool = False
    teaches: Transitions | None = None
    share: Share = in_turn
    _fitted: dict[str, Fitted] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, sandbox: Sandbox, protocol: BenchmarkProtocol, spec: EnvironmentSpec, share: Share = in_turn) -> Judge:
        """The judge of an environment, whose spaces are those of its data set. Raises CwmbError: see spaces()."""
        concrete, train = rules(spec, protocol.scoring), transitions(spec, "train")
        usual = scale(
            train,
            discrete_observation=concrete.observation is None,
            discrete_reward=spec.reward_values is not None,
        )
        # Where chance decides, two ways to the same state differ without anybody's fault.
        rolls_out = protocol.planner(spec.group).stepping == "rollout" and not spec.stochastic
        teaches = train if spec.fit else None
        return cls(sandbox, protocol, concrete, *spaces(spec), usual, tuple(spec.blocks), rolls_out, teaches, share)

    def fitted(self, program: Program) -> Fitted:
        """A program that has learned from the training data, where it may and can. It does so once, not for each score.

        The last few are kept: what a search scores is scored again when it is judged.
        """
        if self.teaches is None:
            return Fitted(program)
        known = self._fitted.pop(program.hash, None)
        if known is None:
            spaces = self.observation_space, self.action_space
            limits, seed = self.protocol.limits, self.protocol.scoring.seed
            known = self.sandbox.fit(program, *spaces, self.teaches, limits, seed)
        self._fitted[program.hash] = known
        for oldest in list(self._fitted)[:-KEPT]:
            del self._fitted[oldest]
        return known

    def predict(self, program: Program, truth: Transitions) -> Predictions:
        """What a program says about the transitions. Only their observations and actions reach it."""
        return self._say(self.sandbox.predict, program, truth)

    def roll_out(self, program: Program, truth: Transitions) -> Predictions:
        """What a program says along the actions of whole episodes. Of each only the first observation reaches it."""
        return self._say(self.sandbox.roll_out, program, truth)

    def _say(
        self,
        how: Callable[..., Predictions],
        program: Program,
        truth: Transitions,
    ) -> Predictions:
        learned = self.fitted(program)
        if learned.failure is not None:
            return Predictions.none(len(truth), self.observation_space.size, learned.failure)
        limits, seed = self.protocol.limits, self.protocol.scoring.seed
        said: Predictions = how(
            learned.program, self.observation_space, self.action_space, truth, limits, seed, self.share
        )
        return said

    def score(
        self,
        program: Program,
        truth: Transitions,
        audit: np.random.Generator | None = None,
        *,
        audit_above: float = -1.0,
        show: int = 0,
        skip: int = 0,
        feedback: np.random.Generator | None = None,
    ) -> Judged:
        """The evaluation of a program on the transitions.

        audit: draws the transitions that are repeated in a fresh process (one that no program foresees, see
        cwmb.seeds.unforeseen), if the accuracy is above audit_above;
        show: how many mistakes to show, drawn by feedback among the transitions in which something determined is wrong
        (without feedback: the first ones, whatever is wrong there), several, where programs may learn,
        chosen for differing and with their right digits; skip: how many of them were shown before.
        """
        predicted = self.predict(program, truth)
        marks = compare(truth, predicted, self.rules)
        evaluation = evaluate(truth, predicted, self.rules, marks, self.scale)
        with self.afresh(program, truth) as fresh:
            if audit is not None and evaluation.accuracy > max(audit_above, 0.0):
                failure = self.audit(fresh, truth, predicted, marks, audit)
                if failure is not None:
                    nothing = replace(evaluation, accuracy=0.0, exact=0.0, determined=0.0, precision=0.0)
                    return Judged(replace(nothing, failure=failure), marks, predicted.seconds)
            if self.rolls_out and not evaluation.raised:
                evaluation = replace(evaluation, lost=lost(fresh, truth, self.rules.observation))
        if show:
            counted = marks if feedback is None else marks.excused(truth.determined)
            chosen = _wrong(counted, feedback)
            if len(chosen):
                chosen = np.roll(chosen, -(skip % len(chosen)))
            differing = self.teaches is not None and feedback is not None and show > 1
            chosen = varied(chosen, counted, truth.actions, show) if differing else chosen[:show]
            graded = self.scale if differing else None
            found = mistakes(truth, predicted, marks, counted, chosen, self.blocks, graded)
            evaluation = replace(evaluation, mistakes=found)
        return Judged(evaluation, marks, predicted.seconds)

    @contextlib.contextmanager
    def afresh(self, program: Program, truth: Transitions) -> Iterator[Respondent]:
        """A process of a program that has seen nothing of the rest: for an audit first, and for what is asked then."""
        limits, seed = self.protocol.limits, self.protocol.scoring.seed
        learned = self.fitted(program).program
        with self.sandbox.afresh(learned, self.observation_space, self.action_space, limits, seed, len(truth)) as fresh:
            yield fresh

    def audit(
        self, fresh: Respondent, truth: Transitions, said: Predictions, marks: Marks, rng: np.random.Generator
    ) -> Failure | None:
        """Ask a fresh process again, about transitions that rng draws, and say what is wrong with a program."""
        classes, ran = reward_classes(truth, self.rules), said.status != NOT_RUN
        index = auditing.draw(truth, classes, marks.terminal, ran, self.protocol.scoring.audit, rng)
        return auditing.verdict(index, said.take(index), fresh.audit(truth, index))


def _wrong(counted: Marks, feedback: np.random.Generator | None) -> Ints:
    """The wrong transitions that ran, in the order in which they are shown."""
    wrong = np.flatnonzero(~counted.right & counted.ran)
    return wrong if feedback is None else feedback.permutation(wrong)
