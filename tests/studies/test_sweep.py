"""The sweep over simulated models: its searches are real and repeatable, and what is stored is whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cwmb import reference
from cwmb.benchmark import trajectories
from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.data import data_path
from cwmb.benchmark.protocols import protocol
from cwmb.errors import CwmbError
from cwmb.report.render import markdown
from cwmb.sandbox import Sandbox
from cwmb.studies import sweep_report
from cwmb.studies.stored import read_frame
from cwmb.studies.sweep import CALLS, CONTENDERS, POINTS, PROTOCOL, SEEDS, Outcome, Search, World, run, sample
from cwmb.types import Program

CELLS = data_path("results", "sweep", "cells.csv")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Sandbox(workers=1, planners={}) as sandbox:
        yield World(environment("CartPole-v1"), sandbox)


def test_a_search_is_repeatable_and_its_scores_are_those_of_the_test_set(world: World) -> None:
    search = Search("CartPole-v1", "strong", "gif_mcts", 0)
    outcome = run(world, search)
    assert run(world, search) == outcome
    assert outcome.calls == sum(outcome.kinds.values()) <= CALLS[-1]
    assert len(outcome.train) == len(outcome.test) == len(CALLS)
    assert outcome.train == sorted(outcome.train)
    assert run(world, replace(search, seed=1)) != outcome


def test_a_search_ends_with_a_program_as_good_as_the_one_that_is_known(world: World) -> None:
    right = reference.simple("CartPole-v1")
    assert world.train_score(right).perfect
    assert world.test_score(right) == 1.0
    wrong = Program(right.source.replace("GRAVITY = 9.8", "GRAVITY = 9.9"))
    assert wrong != right
    assert not world.train_score(wrong).perfect
    # The mistake shown of a program is the same whenever it is written.
    assert World._train_score(world, wrong) == world.train_score(wrong)


def test_a_sample_holds_every_kind_of_reward_and_end() -> None:
    data = trajectories.transitions(environment("CliffWalking-v0"), "train")
    drawn = sample(data, 60, "CliffWalking-v0")
    assert len(drawn) == 60

    def kinds(t: object) -> set[tuple[float, bool]]:
        return set(zip(t.rewards.tolist(), t.terminated.tolist(), strict=True))  # type: ignore[attr-defined]

    assert kinds(drawn) == kinds(data)
    assert sample(data, len(data), "CliffWalking-v0") is data
    again = sample(data, 60, "CliffWalking-v0")
    assert np.array_equal(again.observations, drawn.observations)


def results() -> list[tuple[Search, Outcome]]:
    return [
        (
            Search(name, "strong", contender, seed),
            Outcome(10, {"generate": 4, "improve": 6}, 0.5 + seed / 10, [0.5] * 6, [0.1 * n for n in range(6)]),
        )
        for name in ("CartPole-v1", "Taxi-v3")
        for contender in ("gif_mcts", "best_of_n")
        for seed in range(3)
    ]


def test_tables_and_figure_of_a_few_searches(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    path.write_text(sweep_report.to_csv(reversed(results())))
    assert path.read_text() == sweep_report.to_csv(results())
    frame = sweep_report.read_csv(path)
    table = sweep_report.result_table(frame)
    assert [row[:3] for row in table.rows] == [
        ("strong", "gif_mcts", "0.300 [0.300, 0.300]"),
        ("strong", "best_of_n", "0.300 [0.300, 0.300]"),
    ]
    assert table.rows[0][-4:] == (10.0, 0.4, 0.6, 0.0)
    assert "test of code" in table.caption
    actions = sweep_report.action_table(frame)
    assert [(row[1], row[2], row[4]) for row in actions.rows] == [
        ("0.5–0.6", 2, 0.4),
        ("0.6–0.7", 2, 0.4),
        ("0.7–0.8", 2, 0.4),
    ]
    figure = sweep_report.figure(frame)
    assert figure == sweep_report.figure(frame)
    assert "test of code" in figure
    with pytest.raises(CwmbError, match="make sweep"):
        sweep_report.read_csv(tmp_path / "none.csv")


def test_a_sweep_of_one_point_keeps_what_is_stored_of_others(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    strong = results()
    weak = [(replace(search, point="weak"), outcome) for search, outcome in strong]
    path.write_text(sweep_report.to_csv(weak + strong))
    better = [(search, replace(outcome, train=[1.0] * 6)) for search, outcome in strong]
    merged = sweep_report.to_csv(better, read_frame(path, "make sweep"))
    assert merged == sweep_report.to_csv(weak + better)


def test_the_scoring_rules_of_the_bounds_are_those_of_the_sweep() -> None:
    assert protocol(sweep_report.BASELINES).scoring == protocol(PROTOCOL).scoring


def test_the_stored_sweep_is_whole_and_its_table_is_made_of_it() -> None:
    frame = sweep_report.read_csv(CELLS)
    assert len(frame) == len(POINTS) * len(CONTENDERS) * len(environment_ids()) * SEEDS
    assert not frame.duplicated(["point", "strategy", "environment", "seed"]).any()
    tables = [sweep_report.result_table(frame), sweep_report.action_table(frame)]
    assert CELLS.with_name("table.md").read_text(encoding="utf-8") == markdown(tables) + "\n"
