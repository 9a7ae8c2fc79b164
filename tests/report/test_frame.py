from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_builder import PROVENANCE, a_ledger, a_record, a_run, call, evaluation, lost

from cwmb.errors import CwmbError
from cwmb.report.frame import COLUMNS, expected_cells, frame, label, read_runs
from cwmb.types import Failure


def cells_of(*runs: Path):
    return frame(read_runs(runs))


def test_one_row_per_cell_with_every_column(tmp_path):
    run = a_run(tmp_path / "a", [a_record("CartPole-v1", accuracy=0.75), a_record("Ant-v4", accuracy=0.5)])
    cells = cells_of(run)
    assert list(cells.columns) == COLUMNS
    assert list(cells["environment"]) == ["CartPole-v1", "Ant-v4"]
    assert list(cells["group"]) == ["discrete", "continuous"]
    assert list(cells["accuracy"]) == [0.75, 0.5]
    assert list(cells["train_accuracy"]) == pytest.approx([0.8, 0.55])
    assert list(cells["skill"]) == [0.5, 0.0]


def test_smaller_budgets_are_rows_without_planning(tmp_path):
    cells = cells_of(a_run(tmp_path / "a", [a_record(protocol_name="standard", accuracy=0.8)]))
    assert list(cells["budget"]) == [50, 10]
    assert list(cells["run_budget"]) == [50, 50]
    assert list(cells["accuracy"]) == pytest.approx([0.8, 0.6])
    assert list(cells["train_accuracy"]) == pytest.approx([0.85, 0.7])
    assert cells["normalised_return"].isna().tolist() == [False, True]


def test_protocol_paper_reports_the_training_score(tmp_path):
    cells = cells_of(a_run(tmp_path / "a", [a_record(protocol_name="paper", accuracy=0.8)]))
    assert list(cells["accuracy"]) == pytest.approx([0.85, 0.7])
    assert list(cells["skill"]) == pytest.approx([0.7, 0.4])


@pytest.mark.parametrize(("kind", "state"), [("infrastructure", "infrastructure"), ("strategy_error", "failed")])
def test_what_failed_has_no_score(tmp_path, kind, state):
    cells = cells_of(a_run(tmp_path / "a", [lost(a_record(), kind)]))
    assert list(cells["state"]) == [state]
    assert not cells["scored"].any()
    assert np.isnan(cells["accuracy"][0])
    assert cells["failure"][0] == kind


def test_an_unknown_price_is_missing_and_failures_are_named(tmp_path):
    record = a_record()
    record = replace(
        record,
        usage=replace(record.usage, dollars=None),
        test=replace(record.test, failure=Failure("exception", "ValueError")),
    )
    cells = cells_of(a_run(tmp_path / "a", [record]))
    assert np.isnan(cells["dollars"][0])
    assert cells["failure"][0] == "exception"


def test_seconds_come_from_the_cells_folders(tmp_path):
    records = [a_record("CartPole-v1"), a_record("Ant-v4")]
    run = a_run(tmp_path / "a", records)
    a_ledger(run, records[0], [call(0), call(1), evaluation(0, "p", 0.5)], seconds=1.5)
    timings = run / "cells" / "CartPole-v1" / "seed-0" / "timings.jsonl"
    timings.write_text(timings.read_text() + '{"type": "call", "ind')  # a killed writer's last line
    cells = cells_of(run)
    assert cells["call_seconds"][0] == 3.0
    assert cells["score_seconds"][0] == 1.5
    assert np.isnan(cells["episode_seconds"][0])
    assert np.isnan(cells["call_seconds"][1])


def test_a_records_file_will_do(tmp_path):
    run = a_run(tmp_path / "a", [a_record()])
    assert len(cells_of(run / "records.jsonl")) == 1


DIFFERENT = {
    "protocol": a_record("Ant-v4", protocol_name="standard"),
    "description set": a_record("Ant-v4", descriptions="complete"),
    "test data of CartPole-v1": a_record(seed=1, provenance=replace(PROVENANCE, test_sha256="9" * 64)),
    "training data of CartPole-v1": a_record(seed=1, provenance=replace(PROVENANCE, train_sha256="9" * 64)),
    "description of CartPole-v1": a_record(seed=1, provenance=replace(PROVENANCE, description_sha256="9" * 64)),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_is_not_comparable_is_refused(tmp_path, what):
    first = a_run(tmp_path / "first", [a_record()])
    second = a_run(tmp_path / "second", [DIFFERENT[what]])
    with pytest.raises(CwmbError, match=f"^{what} differs: .*first.*second.*apart"):
        read_runs([first, second])


def test_suites_and_draws_of_worlds_do_not_mix(tmp_path):
    first = a_run(tmp_path / "first", [a_record(suite="hidden", world_seed=0)])
    other = a_run(tmp_path / "other", [a_record(seed=1)])
    redrawn = a_run(tmp_path / "redrawn", [a_record(seed=1, suite="hidden", world_seed=1)])
    with pytest.raises(CwmbError, match=r"^suite differs: 'hidden' in .*'cwmb18' in"):
        read_runs([first, other])
    with pytest.raises(CwmbError, match=r"^seed of the worlds differs: '0' in .*'1' in"):
        read_runs([first, redrawn])
    assert set(cells_of(first)["suite"]) == {"hidden"}


def test_different_strategies_and_models_go_together(tmp_path):
    first = a_run(tmp_path / "first", [a_record()])
    second = a_run(tmp_path / "second", [a_record(strategy="zero_shot"), a_record(model="openai:other", seed=1)])
    assert len(cells_of(first, second)) == 3


def test_no_cell_counts_twice(tmp_path):
    first, second = (a_run(tmp_path / name, [a_record()]) for name in ("first", "second"))
    for pair in ([first, second], [first, first]):
        with pytest.raises(CwmbError, match="CartPole-v1 seed 0 of gif_mcts with openai:m is there twice, in"):
            read_runs(pair)


def test_runs_without_records_are_refused(tmp_path):
    with pytest.raises(CwmbError, match="no run is named"):
        read_runs([])
    with pytest.raises(CwmbError, match="no records in"):
        read_runs([tmp_path / "absent"])
    with pytest.raises(CwmbError, match="holds no record yet"):
        read_runs([a_run(tmp_path / "empty", [])])


def test_labels_show_what_is_not_a_default():
    assert label("gif_mcts", "{}") == "gif_mcts"
    assert label("gif_mcts", '{"exploration": 0.1, "fix": false, "lines": 3}') == "gif_mcts fix=false lines=3"
    assert label("not_installed", '{"n": 1}') == "not_installed n=1"


def test_a_protocol_asks_for_all_environments_and_seeds():
    assert expected_cells("quick") == 18
    assert expected_cells("standard", "discrete") == 18
    assert expected_cells("standard", "continuous") == 36
