"""What goes wrong is told apart, remembered and costs no more than it must."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import RunStrategy, Scripted, worse_and_worse
from test_budgets import PROMPT, Does, ask, asks_for_ever, catches_everything

from cwmb.errors import EndpointRefused, InfrastructureError, LedgerError
from cwmb.harness.records import read_records
from cwmb.types import Evaluate, LanguageModel, Message, Program, Prompt, Reply


def failing(at: int, error: Exception) -> Callable[[int], Reply]:
    def reply(index: int) -> Reply:
        if index >= at:
            raise error
        return worse_and_worse(index)

    return reply


@pytest.mark.parametrize("search", [asks_for_ever, catches_everything])
def test_an_api_that_fails_is_never_a_score_and_is_what_resuming_retries(
    run_strategy: RunStrategy, search: Any, tmp_path: Path
) -> None:
    undisturbed = run_strategy(Does(search), Scripted(worse_and_worse), out=tmp_path / "undisturbed")
    provider = Scripted(failing(2, InfrastructureError("the endpoint is down")))
    [record] = run_strategy(Does(search), provider)
    assert provider.asked == 3  # and not once more, though the strategy went on asking
    assert (record.state, record.stop) == ("infrastructure", "error")
    assert (record.train, record.test, record.planning, record.program) == (None, None, None, None)
    assert record.failure
    assert (record.failure.kind, record.failure.message) == ("infrastructure", "the endpoint is down")
    assert record.usage.calls == 2
    again = Scripted(lambda index: worse_and_worse(2 + index))
    assert run_strategy(Does(search), again) == undisturbed
    assert again.asked == 1


def test_a_fault_of_a_provider_is_not_the_strategys(run_strategy: RunStrategy, tmp_path: Path) -> None:
    [record] = run_strategy(Does(catches_everything), Scripted(failing(0, KeyError("choices"))))
    assert record.state == "infrastructure"
    assert record.failure
    assert record.failure.message.startswith("KeyError: 'choices' (test_failures.py:")
    assert "raise error" in (tmp_path / "run/cells/CartPole-v1/seed-0/traceback.txt").read_text()


def asks_nonsense(llm: LanguageModel, evaluate: Evaluate) -> None:
    llm.complete(Prompt("generate", (Message("user", None),)))  # type: ignore[arg-type]


def notes_nonsense(llm: LanguageModel, evaluate: Evaluate) -> None:
    llm.complete(Prompt("generate", PROMPT.messages, note={"why": object()}))


def evaluates_nonsense(llm: LanguageModel, evaluate: Evaluate) -> None:
    evaluate(None)  # type: ignore[arg-type]


def exits(llm: LanguageModel, evaluate: Evaluate) -> None:
    sys.exit(0)


def returns_nonsense(llm: LanguageModel, evaluate: Evaluate) -> Any:
    return "class Environment: ..."


@pytest.mark.parametrize("search", [asks_nonsense, notes_nonsense, evaluates_nonsense, exits, returns_nonsense])
def test_a_strategy_that_fails_is_told_so_before_anything_is_paid(run_strategy: RunStrategy, search: Any) -> None:
    provider = Scripted(worse_and_worse)
    [record] = run_strategy(Does(search), provider)
    assert (record.state, record.test, provider.asked) == ("failed", None, 0)
    assert record.failure
    assert record.failure.kind == "strategy_error"


class FailsOnce:
    """The first cell's search raises, the others don't."""

    def __init__(self) -> None:
        self.searches = 0

    def search(self, task: Any, llm: LanguageModel, evaluate: Evaluate, rng: Any) -> Program | None:
        self.searches += 1
        ask(llm, evaluate)
        if self.searches == 1:
            raise ValueError("no idea")
        return None


def test_one_cells_failure_does_not_stop_the_others(run_strategy: RunStrategy, tmp_path: Path) -> None:
    records = run_strategy(FailsOnce(), Scripted(worse_and_worse), seeds=3)
    assert [r.state for r in records] == ["failed", "done", "done"]
    assert records[0].failure
    assert records[0].failure.message.startswith("ValueError: no idea (test_failures.py:")
    assert read_records(tmp_path / "run") == records
    resumed = run_strategy(FailsOnce(), Scripted(lambda _: pytest.fail("asked again")), seeds=3)
    assert [r.state for r in resumed] == ["failed", "done", "done"]


def test_an_endpoint_that_refuses_everything_is_asked_no_more(run_strategy: RunStrategy, tmp_path: Path) -> None:
    provider = Scripted(failing(0, EndpointRefused("wrong key")))
    with pytest.raises(EndpointRefused, match="wrong key"):
        run_strategy(Does(asks_for_ever), provider, seeds=9)
    assert provider.asked == 1
    assert [r.state for r in read_records(tmp_path / "run")] == ["infrastructure"]


def test_an_endpoint_that_is_down_is_given_up(run_strategy: RunStrategy, tmp_path: Path) -> None:
    provider = Scripted(failing(4, InfrastructureError("connection refused")))
    with pytest.raises(InfrastructureError, match="3 cells in a row failed, the last one so: connection refused"):
        run_strategy(Does(asks_for_ever), provider, seeds=9)
    states = [r.state for r in read_records(tmp_path / "run")]
    assert states == ["done", "infrastructure", "infrastructure", "infrastructure"]


def test_a_damaged_ledger_stops_its_own_cell_only(run_strategy: RunStrategy, tmp_path: Path) -> None:
    provider = Scripted(failing(0, InfrastructureError("down")))
    run_strategy(Does(asks_for_ever), provider, seeds=2)
    (tmp_path / "run/cells/CartPole-v1/seed-0/ledger.jsonl").write_text("garbage\n")
    with pytest.raises(LedgerError, match=r"seed-0/ledger.jsonl:1 is no ledger entry"):
        run_strategy(Does(asks_for_ever), Scripted(worse_and_worse), seeds=2)
    assert [r.state for r in read_records(tmp_path / "run")] == ["infrastructure", "done"]
