"""Budgets hold whatever a strategy does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import PROGRAM, RunStrategy, Scripted, said, worse_and_worse

from cwmb.benchmark.catalog import environment
from cwmb.benchmark.trajectories import transitions
from cwmb.errors import BudgetExhausted, CwmbError
from cwmb.harness.metering import EVALUATIONS_PER_CALL, REFUSALS, Budget
from cwmb.reference import program
from cwmb.types import Evaluate, LanguageModel, Message, Program, Prompt, Task

Search = Callable[[LanguageModel, Evaluate], Program | None]


@dataclass(frozen=True)
class Does:
    """A strategy that is a function."""

    what: Search

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        return self.what(llm, evaluate)


PROMPT = Prompt("generate", (Message("user", "write"),))


def ask(llm: LanguageModel, evaluate: Evaluate) -> None:
    completion = llm.complete(PROMPT)
    if completion.program:
        evaluate(completion.program)


def asks_for_ever(llm: LanguageModel, evaluate: Evaluate) -> None:
    while True:
        ask(llm, evaluate)


@pytest.mark.parametrize(
    ("budget", "limit", "calls"),
    [
        (Budget(3), "calls", 3),
        (Budget(100, tokens=25), "tokens", 3),
        (Budget(100, dollars=0.25), "dollars", 3),
        (Budget(100, tokens=20), "tokens", 2),
        (Budget(2, tokens=20), "calls", 2),
        (Budget(100, seconds=1e-9), "seconds", 1),
    ],
)
def test_a_search_ends_at_the_first_budget_and_what_it_found_is_kept(
    run_strategy: RunStrategy, budget: Budget, limit: str, calls: int
) -> None:
    provider = Scripted(worse_and_worse)
    [record] = run_strategy(Does(asks_for_ever), provider, budget)
    assert (record.state, record.stop, record.limit) == ("done", "budget", limit)
    assert provider.asked == record.usage.calls == calls
    assert record.custom
    assert record.program_call == 0  # the best one
    assert record.test
    assert record.test.accuracy > 0


def test_a_program_that_is_scored_again_shows_another_mistake_until_all_were_shown(run_strategy: RunStrategy) -> None:
    wrong_limit = program("CartPole-v1").source.replace("2.4", "2.41")
    shown: list[int] = []

    def again_and_again(llm: LanguageModel, evaluate: Evaluate) -> None:
        found = llm.complete(PROMPT).program
        assert found is not None
        with suppress(BudgetExhausted):
            while True:
                shown.extend(mistake.index for mistake in evaluate(found).mistakes)

    provider = Scripted(lambda _: said(f"```python\n{wrong_limit}```"))
    run_strategy(Does(again_and_again), provider)
    train = transitions(environment("CartPole-v1"), "train")
    x = np.abs(train.next_observations[:, 0])
    wrong = set(np.flatnonzero((x > 2.4) & (x <= 2.41) & train.terminated).tolist())
    assert 2 < len(wrong) <= len(shown) / 2
    # Each once, then over again in the same order.
    assert set(shown[: len(wrong)]) == wrong
    assert shown[len(wrong) :] == shown[: -len(wrong)]
    assert shown[: len(wrong)] != sorted(wrong)


def test_a_strategy_that_stops_by_itself_met_no_limit(run_strategy: RunStrategy) -> None:
    [record] = run_strategy(Does(ask), Scripted(worse_and_worse))
    assert (record.stop, record.limit, record.usage.calls) == ("finished", None, 1)


def catches_everything(llm: LanguageModel, evaluate: Evaluate) -> None:
    while True:
        with suppress(Exception):
            ask(llm, evaluate)


def test_a_strategy_that_ignores_the_end_is_ended(run_strategy: RunStrategy) -> None:
    provider = Scripted(worse_and_worse)
    [record] = run_strategy(Does(catches_everything), provider)
    assert (record.state, record.stop, record.limit, provider.asked) == ("done", "budget", "calls", 3)


def catches_and_returns(llm: LanguageModel, evaluate: Evaluate) -> Program:
    for _ in range(REFUSALS):
        with suppress(BudgetExhausted):
            ask(llm, evaluate)
    return Program(PROGRAM.format(reward=1))


def test_a_strategy_that_catches_the_end_may_return_a_program(run_strategy: RunStrategy) -> None:
    provider = Scripted(worse_and_worse)
    [record] = run_strategy(Does(catches_and_returns), provider)
    assert (record.state, record.limit, provider.asked) == ("done", "calls", 3)
    assert record.program == Program(PROGRAM.format(reward=1)).hash


def asks_in_threads(llm: LanguageModel, evaluate: Evaluate) -> None:
    def work() -> None:
        with suppress(BudgetExhausted):
            for _ in range(5):
                ask(llm, evaluate)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_share_one_budget(run_strategy: RunStrategy) -> None:
    running, most = 0, 0

    def reply(index: int) -> object:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.002)
        running -= 1
        return worse_and_worse(index)

    provider = Scripted(reply)  # type: ignore[arg-type]
    [record] = run_strategy(Does(asks_in_threads), provider, Budget(6))
    assert (record.state, record.limit, record.usage.calls, provider.asked) == ("done", "calls", 6, 6)
    assert most == 1


def test_a_thread_that_is_left_behind_can_ask_nothing_more(run_strategy: RunStrategy) -> None:
    go, end = threading.Event(), threading.Event()
    refused: list[BaseException] = []

    def later(llm: LanguageModel, evaluate: Evaluate) -> None:
        go.wait(30)
        for use in (lambda: llm.complete(PROMPT), lambda: evaluate(Program(PROGRAM))):
            try:
                use()
            except BaseException as error:
                refused.append(error)
        end.set()

    def leaves_a_thread(llm: LanguageModel, evaluate: Evaluate) -> None:
        ask(llm, evaluate)
        threading.Thread(target=later, args=(llm, evaluate)).start()

    provider = Scripted(worse_and_worse)
    [record] = run_strategy(Does(leaves_a_thread), provider)
    go.set()
    assert end.wait(30)
    assert [type(e) for e in refused] == [BudgetExhausted, BudgetExhausted]
    assert (provider.asked, record.usage.calls) == (1, 1)


def evaluates_for_ever(llm: LanguageModel, evaluate: Evaluate) -> None:
    ask(llm, evaluate)
    while True:
        evaluate(Program("class Environment: pass"))


def test_evaluations_are_bounded_too(run_strategy: RunStrategy, tmp_path: Path) -> None:
    [record] = run_strategy(Does(evaluates_for_ever), Scripted(worse_and_worse))
    assert (record.state, record.limit, record.usage.calls) == ("done", "evaluations", 1)
    ledger = (tmp_path / "run/cells/CartPole-v1/seed-0/ledger.jsonl").read_text()
    assert ledger.count('"type": "evaluation"') == 2 * EVALUATIONS_PER_CALL


def test_wall_time_is_what_was_recorded(run_strategy: RunStrategy, tmp_path: Path) -> None:
    """A search that is resumed decides as it did before, however long the replay takes."""

    def thinks(llm: LanguageModel, evaluate: Evaluate) -> None:
        while True:
            time.sleep(0.05)
            llm.complete(PROMPT)

    provider = Scripted(worse_and_worse)
    [record] = run_strategy(Does(thinks), provider, Budget(100, seconds=0.2))
    assert record.limit == "seconds"
    assert 1 <= provider.asked <= 4  # a strategy's own time counts
    cell = tmp_path / "run/cells/CartPole-v1/seed-0"
    before = (cell / "record.json").read_bytes()
    (cell / "record.json").unlink()
    slower = Does(lambda llm, evaluate: (time.sleep(0.3), thinks(llm, evaluate))[0])
    run_strategy(slower, Scripted(lambda _: pytest.fail("asked again")), Budget(100, seconds=0.2))
    assert (cell / "record.json").read_bytes() == before


def test_a_budget_in_dollars_needs_a_price(run_strategy: RunStrategy) -> None:
    provider = Scripted(lambda _: said("nothing", dollars=None))
    with pytest.raises(CwmbError, match="the price of scripted is not known: give --max-tokens"):
        run_strategy(Does(asks_for_ever), provider, Budget(100, dollars=5.0), seeds=4)
    assert provider.asked == 1
