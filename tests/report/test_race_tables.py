"""Several strategies on the same cells, at equal calls, tokens and dollars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from report_builder import a_ledger, a_record, a_run, call, evaluation

from cwmb.errors import CwmbError
from cwmb.report import race
from cwmb.report.table import Table
from cwmb.types import Usage


def a_race(tmp_path: Path, dollars: float | None = 0.01) -> list[Table]:
    """A search whose calls are dear and good, one whose calls are cheap, and one that ends early."""
    searches: dict[str, list[tuple[int, float]]] = {
        "dear": [(1000, 0.6), (1000, 0.9)],
        "cheap": [(100, 0.5), (100, 0.7)],
        "early": [(100, 0.8)],
    }
    folders = []
    for name, calls in searches.items():
        records = []
        for seed in (0, 1):
            entries: list[dict[str, Any]] = []
            for i, (tokens, accuracy) in enumerate(calls):
                entries += [call(i, tokens, dollars), evaluation(i, f"{i}", accuracy)]
            usage = Usage(len(calls), sum(t for t, _ in calls), 0, sum(t for t, _ in calls), 0, 0.01 * len(calls))
            record = a_record(seed=seed, accuracy=calls[-1][1], strategy=name, usage=usage, budget=2)
            a_ledger(tmp_path / name, record, entries)
            records.append(record)
        folders.append(a_run(tmp_path / name, records))
    return race(folders)


def rows(table: Table) -> list[dict[str, Any]]:
    return [dict(zip([c.key for c in table.columns], row, strict=True)) for row in table.rows]


def test_each_strategy_is_compared_with_the_first_one_cell_by_cell(tmp_path: Path) -> None:
    table = next(t for t in a_race(tmp_path) if t.name == "race")
    found = {(r["strategy"], r["metric"]): r for r in rows(table)}
    assert found["cheap", "accuracy"]["difference"] == pytest.approx(-0.2)
    assert found["cheap", "accuracy"]["probability"] == 0.0
    assert found["cheap", "tokens"]["difference"] == -3600
    assert found["cheap", "tokens"]["probability"] == 1.0
    assert found["early", "calls"]["difference"] == -1
    assert found["early", "dollars"]["difference"] == pytest.approx(-0.01)
    assert not any(r["strategy"] == "dear" for r in rows(table))


def test_what_counts_is_what_was_found_by_then_and_what_has_ended_keeps_it(tmp_path: Path) -> None:
    table = next(t for t in a_race(tmp_path) if t.name == "race at equal spending")
    found = {(r["unit"], r["spent"], r["strategy"]): r for r in rows(table)}
    assert [found["calls", n, "dear"]["train"] for n in (1, 2)] == [0.6, 0.9]
    assert [found["calls", n, "early"]["train"] for n in (1, 2)] == [0.8, 0.8]
    assert found["calls", 2, "cheap"]["difference"] == pytest.approx(-0.2)
    # 400 tokens buy two cheap calls and no dear one.
    assert [found["tokens", 500.0, name]["train"] for name in ("dear", "cheap", "early")] == [0.0, 0.7, 0.8]
    assert found["tokens", 4000, "dear"]["train"] == 0.9
    assert found["dollars", 0.02, "cheap"]["train"] == 0.7


def test_without_prices_nothing_is_said_at_equal_dollars(tmp_path: Path) -> None:
    table = next(t for t in a_race(tmp_path, dollars=None) if t.name == "race at equal spending")
    assert {r["unit"] for r in rows(table)} == {"calls", "tokens"}


def test_a_race_needs_two_runs_of_the_same_cells(tmp_path: Path) -> None:
    alone = a_run(tmp_path / "a", [a_record(seed=0)])
    with pytest.raises(CwmbError, match="at least two"):
        race([alone])
    other = a_run(tmp_path / "b", [a_record(seed=1, strategy="refine")])
    with pytest.raises(CwmbError, match="share no"):
        race([alone, other])
