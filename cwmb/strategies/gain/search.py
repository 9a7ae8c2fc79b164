"""The question next asked is the one that promises the largest gain over the best program at hand.

A gain is a share of what is still wrong. What each question promises is estimated from what such questions have brought
in this search, with priors that count as a few of them; no constant trades exploration against exploitation, as each
vain attempt lowers its own estimate:

- a program *from scratch*, the (n + 1)-th, is the best of all with probability 1/(n + 1), as independent draws are, and
  then mends the share of the best one's error that such ones have mended;
- an *improvement* succeeds at a rate of its own program, shrunk towards that of all, and then mends the share of the
  program's error that successful ones have mended;
- a *repair* restores what was promised when the broken program was asked for, at the rate at which repairs succeed.

Programs are known by their predictions: one that predicts like an earlier one is no new one and no gain.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from cwmb.models import prompts
from cwmb.strategies.gain.combination import combined
from cwmb.strategies.refine import Attempt, another, attempt, refinement
from cwmb.types import Evaluate, Evaluation, LanguageModel, Program, Task

Ask = Literal["generate", "improve", "fix"]

PRIOR_COUNT = 2
PRIOR_RATES: dict[Ask, float] = {"generate": 0.8, "improve": 0.5, "fix": 0.6}  # that it runs; is better; runs again
PRIOR_SHARE = 0.5  # of a program's error that a successful question removes


@dataclass
class Rate:
    """How often something succeeds: successes among tries, and a prior."""

    tries: int = 0
    successes: int = 0

    def mean(self, prior: float) -> float:
        """The estimate."""
        return (PRIOR_COUNT * prior + self.successes) / (PRIOR_COUNT + self.tries)

    def count(self, success: bool) -> None:
        """One more try."""
        self.tries += 1
        self.successes += success


@dataclass(eq=False)
class Arm:
    """A program that can be worked on.

    hope: the share of what was wrong that it was expected to mend; refined: how often working on it succeeded.
    """

    attempt: Attempt
    hope: float
    refined: Rate = field(default_factory=Rate)

    @property
    def score(self) -> float:
        """Its accuracy, 0 where it raised."""
        return 0.0 if self.attempt.evaluation.raised else self.attempt.evaluation.accuracy

    @property
    def question(self) -> Ask:
        """What can be asked about it."""
        return "fix" if self.attempt.evaluation.raised else "improve"


@dataclass(frozen=True)
class Gain:
    """See the module.

    novelty: recognise programs by what they predict; spread: also improve others than the best; combine: try the state
    of one program with the reward and the end of another, which costs no call. Turned round in ablations.
    """

    anytime: ClassVar[bool] = True
    novelty: bool = True
    spread: bool = False
    combine: bool = True

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        """The first perfect program."""
        rates: dict[Ask, Rate] = {"generate": Rate(), "improve": Rate(), "fix": Rate()}
        shares: dict[Ask, list[float]] = {"generate": [PRIOR_SHARE], "improve": [PRIOR_SHARE]}
        arms: list[Arm] = []
        known: set[Hashable] = set()
        while True:
            best = max((arm.score for arm in arms), default=0.0)
            mended = {asked: float(np.mean(found)) for asked, found in shares.items()}
            promises = list(self._promises(arms, rates, mended, best))
            hope, arm = max(promises, key=lambda promise: (promise[0], promise[1].score if promise[1] else 0.0))
            note = {"best": best, "promises": [{"parent": a and a.attempt.index, "gain": g} for g, a in promises]}
            if arm is not None and arm.refined.tries:
                arm.attempt = another(arm.attempt, evaluate)
            prompt = prompts.generate(task, note=note) if arm is None else refinement(task, arm.attempt, note)
            new = attempt(llm.complete(prompt), evaluate)
            if new is not None and new.evaluation.perfect:
                return new.program
            fresh = new is not None and not (self.novelty and predictions_of(new.evaluation) in known)
            score = new.evaluation.accuracy if new is not None and not new.evaluation.raised else 0.0
            asked: Ask = "generate" if arm is None else arm.question
            runs = new is not None and not new.evaluation.raised
            success = fresh and (score > arm.score if arm is not None and asked == "improve" else runs)
            rates[asked].count(success)
            if arm is not None:
                arm.refined.count(success)
                if asked == "improve" and success:
                    shares[asked].append((score - arm.score) / (1 - arm.score))
            elif success and arms and score > best:
                shares[asked].append((score - best) / (1 - best))
            if new is not None and fresh:
                known.add(predictions_of(new.evaluation))
                arms.append(Arm(new, hope / (1 - best) if best < 1 else 0.0))
                if self.combine and (perfect := self._combination(arms, evaluate)):
                    return perfect

    def _promises(
        self, arms: list[Arm], rates: dict[Ask, Rate], mended: dict[Ask, float], best: float
    ) -> Iterator[tuple[float, Arm | None]]:
        """What each question promises, in accuracy beyond the best's; None is a program from scratch."""
        scratch = rates["generate"]
        yield scratch.mean(PRIOR_RATES["generate"]) * (1 - best) * mended["generate"] / (scratch.tries + 1), None
        for arm in arms:
            asked = arm.question
            rate = arm.refined.mean(rates[asked].mean(PRIOR_RATES[asked]))
            if asked == "fix":
                yield rate * arm.hope * (1 - best), arm
            elif self.spread or arm.score == best:
                yield rate * max(0.0, arm.score + (1 - arm.score) * mended["improve"] - best), arm

    def _combination(self, arms: list[Arm], evaluate: Evaluate) -> Program | None:
        """Try the last program with the best of the others for the other part. Returns what is perfect."""
        *others, last = [arm.attempt for arm in arms]
        if last.evaluation.raised:
            return None
        others = [one for one in others if not one.evaluation.raised]
        for dynamics, ends in ((last, _best(others, _ends)), (_best(others, _state), last)):
            if dynamics is None or ends is None:
                continue
            whole = max(dynamics.evaluation.accuracy, ends.evaluation.accuracy)
            gains = _state(dynamics) > _state(ends) and _ends(ends) > _ends(dynamics)
            program = combined(dynamics.program, ends.program) if gains and whole < 1 else None
            if program is not None and evaluate(program).perfect:
                return program
        return None


def predictions_of(evaluation: Evaluation) -> Hashable:
    """What tells apart programs that predict differently: all figures of an evaluation."""
    e = evaluation
    failure = e.failure and (e.failure.kind, e.failure.message, e.failure.code)
    return e.accuracy, e.state, e.reward, e.done, e.exact, e.determined, e.ran, e.precision, failure


def _state(attempt: Attempt) -> float:
    return attempt.evaluation.state


def _ends(attempt: Attempt) -> float:
    return attempt.evaluation.reward + attempt.evaluation.done


def _best(attempts: list[Attempt], part: Any) -> Attempt | None:
    return max(attempts, key=part, default=None)
