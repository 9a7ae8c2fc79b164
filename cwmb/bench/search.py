"""Probes of what a search costs beside its language model: the tree, the prompts, the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter

import numpy as np

from cwmb import reference
from cwmb.bench import bare
from cwmb.bench.probe import Probe, timed
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.tasks import task
from cwmb.benchmark.trajectories import spaces, transitions
from cwmb.errors import BudgetExhausted
from cwmb.harness.ledger import Ledger
from cwmb.harness.metering import Budget, Meter, MeteredEvaluate, MeteredModel
from cwmb.strategies.gif_mcts import GifMcts
from cwmb.types import Completion, Evaluation, Failure, Mistake, Program, Prompt, Reply, Request, Usage

CALLS = 50
ENVIRONMENT = "CartPole-v1"
PROMPT = Prompt("generate", ())
_USAGE = Usage(1, 3000, 0, 700)


class Over(Exception):
    """Ends a search from within its model."""


@dataclass
class Answers:
    """A language model and a scorer that take no time. As a provider, too; ends a search after so many calls."""

    calls: int
    name: str = "canned"
    index: int = -1

    def __post_init__(self) -> None:
        source = reference.program(ENVIRONMENT).source
        self._sources = [f"{source}\n# {i}\n" for i in range(7)]
        self._texts = [f"An explanation.\n\n```python\n{source}```\n" for source in self._sources]
        self._mistake = _mistake()

    def next(self) -> int:
        """The index of this call. Raises Over."""
        if self.index + 1 >= self.calls:
            raise Over
        self.index += 1
        return self.index

    def answer(self, prompt: Prompt) -> Completion:
        """As a LanguageModel."""
        i = self.next()
        return Completion(i, self._texts[i % 7], Program(self._sources[i % 7]), None, _USAGE, "stop")

    def complete(self, request: Request) -> Reply:
        """As a Provider."""
        return Reply(self._texts[self.next() % 7], _USAGE, "stop", self.name)

    def evaluate(self, program: Program) -> Evaluation:
        """As Evaluate: scores that differ, and now and then a program that raised."""
        accuracy = 0.3 + 0.6 * ((self.index * 0.618) % 1.0)
        if self.index % 5 == 4:
            failure = Failure("exception", "ZeroDivisionError: float division by zero", 7, "x = 1 / 0", 0)
            return Evaluation(0.0, 0.5, 0.5, 0.5, 0.0, 0.9, 700, failure)
        return Evaluation(accuracy, accuracy, accuracy, accuracy, accuracy / 2, 1.0, 700, None, (self._mistake,))


@dataclass(frozen=True)
class Model:
    """Answers as a LanguageModel."""

    answers: Answers

    def complete(self, prompt: Prompt) -> Completion:
        """The next answer."""
        return self.answers.answer(prompt)


def search(calls: int) -> float:
    """Seconds of a GIF-MCTS of so many calls that cost nothing: selecting, asking, expanding, backing up."""
    answers, about = Answers(calls), task(environment(ENVIRONMENT))

    def work() -> None:
        with suppress(Over):
            GifMcts().search(about, Model(answers), answers.evaluate, np.random.default_rng(0))

    return timed(work)


def journaled_search(folder: Path, calls: int) -> float:
    """Seconds of the same with everything around it: extraction, hashes, budgets, ledger."""
    answers, about = Answers(calls), task(environment(ENVIRONMENT))
    ledger = Ledger(folder)
    meter = Meter(Budget(calls))
    llm = MeteredModel(answers, protocol("standard").sampling, ledger, meter, ENVIRONMENT, 0)
    evaluate = MeteredEvaluate(lambda found, index, best: answers.evaluate(found), ledger, meter)

    def work() -> None:
        with suppress(BudgetExhausted):
            GifMcts().search(about, llm, evaluate, np.random.default_rng(0))

    return timed(work)


def search_probes(folder: Path) -> Iterator[Probe]:
    """folder: on the disk that runs are written to."""
    spec = environment(ENVIRONMENT)
    fresh = (folder / f"search-{i}" for i in count())
    yield Probe(
        name=f"gif_mcts: bookkeeping of {CALLS} calls",
        unit="ms/call",
        scale=1e3 / CALLS,
        ours=lambda: search(CALLS),
        bare=bare.predictions(reference.program(ENVIRONMENT), spaces(spec), transitions(spec, "train")),
        against=f"bare loop of {ENVIRONMENT}, a {CALLS}th",
        repeats=15,
        value_target=1.0,
    )
    yield Probe(
        name=f"gif_mcts: the same with extraction and ledger, {CALLS} calls",
        unit="ms/call",
        scale=1e3 / CALLS,
        ours=lambda: journaled_search(next(fresh), CALLS),
        bare=lambda: sum(flushed(folder / "bare", 16000) + flushed(folder / "bare", 1000) for _ in range(CALLS)),
        against="two writes with fsync",
        repeats=9,
    )
    ledger = Ledger(folder / "ledger")
    indices = count()
    reply, extra = Reply("x" * 3000, _USAGE), {"request": "y" * 12000}

    def append() -> float:
        index = next(indices)
        return timed(lambda: ledger.entry("call", index, "key", Reply, lambda: reply, extra))

    yield Probe(
        name="ledger: append an entry",
        unit="ms",
        scale=1e3,
        ours=append,
        bare=lambda: flushed(folder / "bare", 15000),
        against="a write with fsync",
        repeats=45,
    )


def flushed(path: Path, size: int) -> float:
    """Seconds to append so many bytes to a file and flush them to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        start = perf_counter()
        os.write(descriptor, b"x" * size)
        os.fsync(descriptor)
        return perf_counter() - start
    finally:
        os.close(descriptor)


def _mistake() -> Mistake:
    first = transitions(environment(ENVIRONMENT), "train")
    before, after = first.observations[0].tolist(), first.next_observations[0].tolist()
    return Mistake(
        0, before, first.actions[0].tolist(), after, 1.0, False, before, 1.0, False, [0, 1, 2, 3], False, False
    )
