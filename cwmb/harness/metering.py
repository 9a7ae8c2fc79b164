"""What a strategy is handed: a language model and a scorer that count, journal and stop. Nobody reports on himself.

Whatever a strategy does, one call or evaluation runs at a time, none starts beyond a budget, after the search is over,
or after something went wrong in the harness or behind the model, and what went wrong is remembered even if the strategy
caught it. A strategy that goes on asking after its budget is ended. What cannot be ended is one that never asks again
and never returns; it costs nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import NoReturn, Protocol

from cwmb.errors import BudgetExhausted, ContextExceeded, CwmbError
from cwmb.harness.ledger import Ledger
from cwmb.harness.records import Limit
from cwmb.models.extraction import continues, extract
from cwmb.models.openai.refusals import REFUSED, stopped_by_a_filter
from cwmb.models.pausing import Pause, pausing, sleep
from cwmb.models.requests import request_hash
from cwmb.seeds import Purpose, number
from cwmb.text import sound
from cwmb.types import (
    Analysis,
    Completion,
    Evaluation,
    Failure,
    Program,
    Prompt,
    Provider,
    Reply,
    Request,
    Sampling,
    Usage,
)

CONTEXT_EXCEEDED = "context_exceeded"
EVALUATIONS_PER_CALL = 20  # none of the known strategies needs more than two; what is free must end, too
ANALYSES_PER_CALL = 5
REFUSALS = 1000  # so many times a strategy is told that its budget is exhausted


class Interrupted(BaseException):
    """The user asked to stop: raised between two calls, so that what was paid for is kept."""


class SearchOver(BaseException):
    """Ends a strategy that goes on asking in vain (no Exception, lest it be caught as one)."""


@dataclass(frozen=True)
class Budget:
    """What a search may spend; None is no limit. A call starts only while none is reached.

    seconds: of wall time from the beginning of the search to the end of its last call or evaluation, as it was when
    that was recorded: a search that was killed and resumed is not charged for what was lost, nor for its replay.
    """

    calls: int
    tokens: int | None = None
    dollars: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Asked:
    """A call that was answered."""

    prompt: Prompt
    completion: Completion
    reply: Reply


@dataclass(frozen=True)
class Scored:
    """A program that was scored, after how many calls."""

    program: Program
    evaluation: Evaluation
    calls: int


class Watcher(Protocol):
    """Told about every call and evaluation (for the progress display)."""

    def __call__(self, *, calls: int, best: Evaluation | None, usage: Usage) -> None:
        """So many calls were answered, this is the best evaluation so far, and this is what it cost."""
        ...


@dataclass
class Meter:
    """The counters of one cell, shared by its model and its scorer.

    pause: how a provider waits; seconds: see Budget; limit: the first budget on account of which something was refused;
    trouble: what went wrong while something was asked or journaled, and it was not the strategy's fault.
    """

    budget: Budget
    stopping: Callable[[], bool] = lambda: False
    watch: Watcher = lambda **_: None
    pause: Pause = sleep
    asked: list[Asked] = field(default_factory=list)
    scored: list[Scored] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    analyses: int = 0
    limit: Limit | None = None
    trouble: BaseException | None = None
    _best: Scored | None = None
    _refusals: int = 0
    _closed: bool = False
    _lock: RLock = field(default_factory=RLock)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """While something is asked: one at a time, and nothing once the search is over or something went wrong."""
        with self._lock:
            if self._closed:
                self._refuse()
            if self.trouble is not None:
                raise SearchOver
            if self.stopping():
                self.trouble = Interrupted()
                raise self.trouble
            yield

    @contextmanager
    def harness(self) -> Iterator[None]:
        """Whatever is raised in here is not the strategy's fault."""
        try:
            yield
        except BaseException as error:
            self.trouble = error
            raise

    def close(self) -> None:
        """The search is over: nothing is asked any more, whatever threads the strategy has left behind."""
        with self._lock:
            self._closed = True

    def best(self, calls: int | None = None) -> Scored | None:
        """The best scored program, of the first calls if given.

        By training score, then exact rate, then whether it keeps its state, then the earliest.
        """
        if calls is None:
            return self._best
        return max((s for s in self.scored if s.calls <= calls), key=_merit, default=None)

    def reached(self) -> Limit | None:
        """The budget that is used up, if one is."""
        budget = self.budget
        spent: dict[Limit, tuple[float, float | None]] = {
            "calls": (len(self.asked), budget.calls),
            "tokens": (self.usage.prompt_tokens + self.usage.completion_tokens, budget.tokens),
            "dollars": (self.usage.dollars or 0.0, budget.dollars),
            "seconds": (self.seconds, budget.seconds),
        }
        return next((name for name, (so_far, limit) in spent.items() if limit is not None and so_far >= limit), None)

    def check_call(self) -> None:
        """Raise if no further call may start."""
        if reached := self.reached():
            self._exhaust(reached)

    def check_evaluation(self) -> None:
        """Raise if no further evaluation may start. Beyond the time budget the last answer may still be evaluated."""
        if len(self.scored) >= EVALUATIONS_PER_CALL * (len(self.asked) + 1):
            self._exhaust("evaluations")
        answer_scored = bool(self.scored) and self.scored[-1].calls == len(self.asked)
        if answer_scored and self.budget.seconds is not None and self.seconds >= self.budget.seconds:
            self._exhaust("seconds")

    def check_analysis(self) -> None:
        """Raise if no further analysis may start."""
        if self.analyses >= ANALYSES_PER_CALL * (len(self.asked) + 1):
            self._exhaust("evaluations")
        if self.budget.seconds is not None and self.seconds >= self.budget.seconds:
            self._exhaust("seconds")

    def count_analysis(self, seconds: float) -> None:
        """A script was run."""
        self.analyses += 1
        self.seconds += seconds

    def count_call(self, asked: Asked, seconds: float) -> None:
        """A call was answered."""
        self.asked.append(asked)
        self.usage += replace(asked.reply.usage, calls=1)
        self.seconds += seconds
        if self.budget.dollars is not None and self.usage.dollars is None:
            raise CwmbError(
                f"a budget of {self.budget.dollars} dollars cannot be held, as the price of "
                f"{asked.reply.model or 'this model'} is not known: give --max-tokens instead, and another --out"
            )
        self._report()

    def count_evaluation(self, scored: Scored, seconds: float) -> None:
        """A program was scored."""
        self.scored.append(scored)
        self.seconds += seconds
        if self._best is None or _merit(scored) > _merit(self._best):
            self._best = scored
        self._report()

    def _exhaust(self, limit: Limit) -> NoReturn:
        self.limit = self.limit or limit
        self._refuse()

    def _refuse(self) -> NoReturn:
        self._refusals += 1
        raise BudgetExhausted if self._refusals <= REFUSALS else SearchOver

    def _report(self) -> None:
        best = self._best
        self.watch(calls=len(self.asked), best=best.evaluation if best else None, usage=self.usage)


def _merit(scored: Scored) -> tuple[float, float, bool]:
    """What makes a program the better one; of equals, planners can use one that keeps its state."""
    return scored.evaluation.accuracy, scored.evaluation.exact, not scored.evaluation.loses_state


# What finds a program in an answer that had to start with these lines, and says why there is none.
Extract = Callable[[str, str], tuple[Program | None, Failure | None]]


@dataclass(frozen=True)
class MeteredModel:
    """A provider behind a meter and a ledger. See cwmb.types.LanguageModel."""

    provider: Provider
    sampling: Sampling
    ledger: Ledger
    meter: Meter
    environment: str
    seed: int
    extract: Extract = extract

    def complete(self, prompt: Prompt) -> Completion:
        """Ask once; the answer is in the ledger before it is returned."""
        with self.meter.turn():
            self.meter.check_call()
            index = len(self.meter.asked)
            seed = number(self.seed, self.environment, Purpose.REQUEST, index)
            request = Request(prompt.messages, self.sampling, seed, prompt.tools)
            key, extra = request_hash(request), _extra(prompt, request)
            with self.meter.harness():
                reply = self.ledger.entry("call", index, key, Reply, lambda: self._ask(request), extra)
                completion = _completion(index, prompt, reply, self.extract)
                self.meter.count_call(Asked(prompt, completion, reply), self.ledger.seconds("call", index))
            return completion

    def _ask(self, request: Request) -> Reply:
        try:
            with pausing(self.meter.pause):
                reply = self.provider.complete(request)
        except ContextExceeded as error:
            reply = Reply(text=str(error), usage=Usage(calls=1), finish_reason=CONTEXT_EXCEEDED)
        return replace(reply, text=sound(reply.text), thoughts=sound(reply.thoughts))


def _extra(prompt: Prompt, request: Request) -> Mapping[str, object]:
    """What readers of the ledger want to know of a call. What is no JSON is found out before anything is paid."""
    if not all(isinstance(m.content, str) for m in request.messages):
        raise TypeError("the content of a message must be a string")
    about = {"kind": prompt.kind, "parent": prompt.parent, "note": dict(prompt.note)}
    if prompt.prefix:
        about["prefix"] = prompt.prefix
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    return {**json.loads(json.dumps(about)), "request": {"messages": messages, "seed": request.seed}}


def _completion(index: int, prompt: Prompt, reply: Reply, extract: Extract) -> Completion:
    program: Program | None
    failure: Failure | None
    in_thoughts = False
    if reply.finish_reason == CONTEXT_EXCEEDED:
        program, failure = None, Failure("context_exceeded", reply.text)
    elif reply.finish_reason == REFUSED:
        program, failure = None, Failure("refused", reply.text or "the model refused to answer")
    else:
        program, failure = extract(reply.text, prompt.prefix)
        if program is None and reply.thoughts:
            thought, fault = extract(reply.thoughts, prompt.prefix)
            if thought is not None and fault is None:
                program, failure, in_thoughts = thought, None, True
        if program is None and stopped_by_a_filter(reply.finish_reason):
            failure = Failure("refused", f"the answer was stopped: {reply.finish_reason}")
    departs = failure is None and program is not None and not continues(program.source, prompt.prefix)
    return Completion(index, reply.text, program, failure, reply.usage, reply.finish_reason, in_thoughts, departs)


def source_of(program: Program, meter: Meter) -> Mapping[str, str]:
    """What a ledger says of a program that no call wrote: its source, without which nobody could run it again."""
    written = any(asked.completion.program == program for asked in meter.asked)
    return {} if written else {"source": program.source}


@dataclass(frozen=True)
class MeteredEvaluate:
    """A scorer of training transitions behind a meter and a ledger. See cwmb.types.Evaluate."""

    score: Callable[[Program, int, float], Evaluation]
    ledger: Ledger
    meter: Meter

    def __call__(self, program: Program) -> Evaluation:
        """Score a program."""
        key = program.hash
        with self.meter.turn():
            self.meter.check_evaluation()
            index = len(self.meter.scored)
            best = self.meter.best()
            above = best.evaluation.accuracy if best else -1.0
            with self.meter.harness():
                evaluation = self.ledger.entry(
                    "evaluation",
                    index,
                    key,
                    Evaluation,
                    lambda: self.score(program, index, above),
                    source_of(program, self.meter),
                )
                scored = Scored(program, evaluation, len(self.meter.asked))
                self.meter.count_evaluation(scored, self.ledger.seconds("evaluation", index))
            return evaluation


@dataclass(frozen=True)
class MeteredAnalyse:
    """What runs scripts on the training transitions, behind a meter and a ledger. See cwmb.types.Analyse."""

    run: Callable[[str, Program | None], Analysis]
    ledger: Ledger
    meter: Meter

    def __call__(self, script: str, program: Program | None = None) -> Analysis:
        """Run a script."""
        if not isinstance(script, str):
            raise TypeError("a script must be a string")
        key = hashlib.sha256(f"{program.hash if program else ''}\n{sound(script)}".encode()).hexdigest()
        with self.meter.turn():
            self.meter.check_analysis()
            index = self.meter.analyses
            with self.meter.harness():
                extra = {"script": sound(script), "program": program.hash if program else None}
                found = self.ledger.entry(
                    "analysis", index, key, Analysis, lambda: self.run(sound(script), program), extra
                )
                self.meter.count_analysis(self.ledger.seconds("analysis", index))
            return found
