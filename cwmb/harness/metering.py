"""What a strategy is handed: a language model and a scorer that count, journal and stop. Nobody reports on himself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from cwmb.errors import BudgetExhausted, ContextExceeded
from cwmb.harness.ledger import Ledger
from cwmb.harness.seeds import Purpose, number
from cwmb.models.extraction import extract
from cwmb.models.requests import request_hash
from cwmb.types import Completion, Evaluation, Failure, Program, Prompt, Provider, Reply, Request, Sampling, Usage

CONTEXT_EXCEEDED = "context_exceeded"


class Interrupted(BaseException):
    """The user asked to stop: raised between two calls, so that what was paid for is kept."""


@dataclass(frozen=True)
class Budget:
    """What a search may spend; None is no limit. A call starts only while none is reached."""

    calls: int
    tokens: int | None = None
    dollars: float | None = None


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
    """The counters of one cell, shared by its model and its scorer."""

    budget: Budget
    stopping: Callable[[], bool]
    watch: Watcher
    asked: list[Asked] = field(default_factory=list)
    scored: list[Scored] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

    def best(self, calls: int | None = None) -> Scored | None:
        """The best scored program (training score, then exact rate, then the earliest), of the first calls if given."""
        known = [s for s in self.scored if calls is None or s.calls <= calls]
        return max(known, key=lambda s: (s.evaluation.accuracy, s.evaluation.exact), default=None)

    def check(self) -> None:
        """Raise if no further call may start."""
        if self.stopping():
            raise Interrupted
        tokens = self.usage.prompt_tokens + self.usage.completion_tokens
        if (
            len(self.asked) >= self.budget.calls
            or (self.budget.tokens is not None and tokens >= self.budget.tokens)
            or (self.budget.dollars is not None and (self.usage.dollars or 0.0) >= self.budget.dollars)
        ):
            raise BudgetExhausted

    def report(self) -> None:
        """Tell the watcher where the search is."""
        best = self.best()
        self.watch(calls=len(self.asked), best=best.evaluation if best else None, usage=self.usage)


@dataclass(frozen=True)
class MeteredModel:
    """A provider behind a meter and a ledger. See cwmb.types.LanguageModel."""

    provider: Provider
    sampling: Sampling
    ledger: Ledger
    meter: Meter
    environment: str
    seed: int

    def complete(self, prompt: Prompt) -> Completion:
        """Ask once; the answer is in the ledger before it is returned."""
        self.meter.check()
        index = len(self.meter.asked)
        request = Request(
            prompt.messages, self.sampling, seed=number(self.seed, self.environment, Purpose.REQUEST, index)
        )
        reply = self.ledger.entry(
            "call",
            index,
            request_hash(request),
            Reply,
            lambda: self._ask(request),
            {"kind": prompt.kind, "parent": prompt.parent, "note": prompt.note, "request": as_sent(request)},
        )
        completion = self._completion(index, prompt, reply)
        self.meter.asked.append(Asked(prompt, completion, reply))
        self.meter.usage += replace(reply.usage, calls=1)
        self.meter.report()
        return completion

    def _ask(self, request: Request) -> Reply:
        try:
            return self.provider.complete(request)
        except ContextExceeded as error:
            return Reply(text=str(error), usage=Usage(calls=1), finish_reason=CONTEXT_EXCEEDED)

    def _completion(self, index: int, prompt: Prompt, reply: Reply) -> Completion:
        program: Program | None
        failure: Failure | None
        if reply.finish_reason == CONTEXT_EXCEEDED:
            program, failure = None, Failure("context_exceeded", reply.text)
        else:
            program, failure = extract(reply.text, prompt.prefix)
        return Completion(index, reply.text, program, failure, reply.usage, reply.finish_reason)


def as_sent(request: Request) -> Mapping[str, object]:
    """A request as plain JSON, for readers of the ledger."""
    return {
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "seed": request.seed,
    }


@dataclass(frozen=True)
class MeteredEvaluate:
    """A scorer of training transitions behind a ledger. See cwmb.types.Evaluate."""

    score: Callable[[Program, int, float], Evaluation]
    ledger: Ledger
    meter: Meter

    def __call__(self, program: Program) -> Evaluation:
        """Score a program."""
        if self.meter.stopping():
            raise Interrupted
        index = len(self.meter.scored)
        best = self.meter.best()
        evaluation = self.ledger.entry(
            "evaluation",
            index,
            program.hash,
            Evaluation,
            lambda: self.score(program, index, best.evaluation.accuracy if best else -1.0),
        )
        self.meter.scored.append(Scored(program, evaluation, len(self.meter.asked)))
        self.meter.report()
        return evaluation
