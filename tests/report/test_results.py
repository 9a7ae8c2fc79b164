import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_builder import PROVENANCE, a_ledger, a_planning, a_record, a_run, a_score, lost

from cwmb.benchmark.catalog import environment_ids
from cwmb.errors import CwmbError
from cwmb.report import report, tables, terminal
from cwmb.report.configuration import configurations
from cwmb.report.frame import frame, read_runs
from cwmb.report.results import SIMULATED, environment_tables, interval_table, main_table, spend_table
from cwmb.report.table import Table
from cwmb.types import Failure, Usage


def configurations_of(*runs: Path):
    return configurations(frame(read_runs(runs)))


def field(table: Table, row: int, key: str):
    return table.rows[row][[column.key for column in table.columns].index(key)]


def full_run(folder: Path, **changes) -> Path:
    """All cells of protocol quick."""
    return a_run(folder, [a_record(name, **changes) for name in environment_ids()])


# -------------------------------------------------------------------------------------------------------- main


def test_main_averages_over_environments_of_each_half(tmp_path):
    records = [
        a_record("CartPole-v1", accuracy=0.5, normalised=0.0),
        a_record("Taxi-v3", accuracy=1.0, normalised=1.0),
        a_record("MountainCar-v0", accuracy=0.75, normalised=None),
        a_record("Ant-v4", accuracy=0.25, normalised=-2.0),
    ]
    table = main_table(configurations_of(a_run(tmp_path / "a", records)))
    assert [field(table, i, "group") for i in range(3)] == ["discrete", "continuous", "all"]
    accuracy = field(table, 0, "accuracy")
    assert accuracy.value == pytest.approx(0.75)
    assert accuracy.error == pytest.approx(0.25 / np.sqrt(3))
    assert field(table, 0, "normalised_return").value == pytest.approx(0.5)  # MountainCar has none
    assert field(table, 0, "environments_return") == 2
    assert field(table, 1, "normalised_return").value == -2.0  # not clipped
    assert field(table, 1, "normalised_return").error is None
    assert field(table, 2, "normalised_return").value == pytest.approx(-1 / 3)
    assert field(table, 2, "normalised_return_iqm") == pytest.approx((0.25 * -2 + 0.0 * 1 + 0.25 * 1) / 1.5)


def test_environments_weigh_the_same_whatever_their_seeds(tmp_path):
    records = [a_record("CartPole-v1", seed, accuracy=1.0, protocol_name="standard") for seed in range(3)]
    records.append(a_record("Taxi-v3", accuracy=0.0, protocol_name="standard"))
    table = main_table(configurations_of(a_run(tmp_path / "a", records)))
    assert field(table, 0, "accuracy").value == 0.5
    assert field(table, 0, "accuracy").error == pytest.approx(np.std([1, 1, 1, 0], ddof=1) / 2)


def test_what_failed_is_counted_and_never_score_zero(tmp_path):
    records = [
        a_record("CartPole-v1", accuracy=0.8),
        lost(a_record("Taxi-v3")),
        lost(a_record("Acrobot-v1"), "strategy_error"),
    ]
    found = configurations_of(a_run(tmp_path / "a", records))
    table = main_table(found)
    assert field(table, 0, "accuracy").value == 0.8
    assert (field(table, 0, "cells"), field(table, 0, "failed")) == (1, 2)
    notes = "\n".join(table.notes)
    assert "1 of 3 cells failed since the strategy raised" in notes
    assert "1 of 3 cells were lost to infrastructure" in notes
    (by_environment,) = environment_tables(found)
    assert [field(by_environment, i, "failure") for i in range(3)] == ["strategy_error", None, "infrastructure"]
    assert field(by_environment, 0, "accuracy") is None


def test_a_run_in_which_everything_failed_has_tables(tmp_path):
    run = a_run(tmp_path / "a", [lost(a_record())])
    table = main_table(configurations_of(run))
    assert field(table, 0, "accuracy") is None
    assert "infrastructure" in report([run])


def test_a_complete_run_of_the_protocol_has_no_marks(tmp_path):
    table = main_table(configurations_of(full_run(tmp_path / "a")))
    assert [row[10] for row in table.rows] == ["", "", ""]
    assert table.notes == ()


@pytest.mark.parametrize(
    ("changes", "flag", "mark"),
    [
        ({"simulated": True, "model": "simulated"}, "simulated", "S"),
        ({"custom": True}, "custom", "C"),
        ({"provenance": replace(PROVENANCE, sandbox=[])}, "unsandboxed", "U"),
        ({"usage": Usage(10, 1000, 0, 500, 0, None, estimated_calls=2)}, "guessed", "G"),
    ],
)
def test_every_table_marks_what_is_no_plain_result(tmp_path, changes, flag, mark):
    for table in tables([full_run(tmp_path / "a", **changes)]):
        assert f"{mark}: " in "\n".join(table.notes)
        assert (
            mark in field(table, 0, "marks")
            if "marks" in [c.key for c in table.columns]
            else f"[{mark}]" in table.caption
        )
        assert field(table, 0, flag) is True


def test_missing_environments_are_marked(tmp_path):
    discrete = [a_record(name) for name in environment_ids()[:6]]
    table = main_table(configurations_of(a_run(tmp_path / "a", discrete)))
    assert [(field(table, i, "group"), field(table, i, "marks")) for i in range(2)] == [("discrete", ""), ("all", "I")]
    assert any(note.startswith("I: incomplete") for note in table.notes)


def test_missing_seeds_are_marked(tmp_path):
    one_seed = [a_record(name, protocol_name="standard") for name in environment_ids()]
    table = main_table(configurations_of(a_run(tmp_path / "a", one_seed)))
    assert field(table, 0, "marks") == "I"


def test_of_simulated_rows_it_is_said_plainly_that_no_model_was_asked(tmp_path):
    run = full_run(tmp_path / "a", simulated=True, model="simulated")
    assert "no language model was asked" in SIMULATED.lower()
    assert "nothing follows" in SIMULATED
    for table in tables([run]):
        assert SIMULATED in table.notes
    assert " ".join(terminal([run]).split()).count(SIMULATED) == 1


def test_smaller_budgets_are_rows_of_their_own(tmp_path):
    run = a_run(tmp_path / "a", [a_record(protocol_name="standard", accuracy=0.8)])
    table = main_table(configurations_of(run))
    budgets = [(field(table, i, "budget"), field(table, i, "run_budget"), field(table, i, "early")) for i in (0, 2)]
    assert budgets == [(50, 50, False), (10, 50, True)]
    assert field(table, 2, "accuracy").value == pytest.approx(0.6)
    assert field(table, 2, "normalised_return") is None


def test_versions_and_refused_parameters_are_noted(tmp_path):
    other = replace(PROVENANCE, commit="f" * 40, dirty=True, dropped_parameters=["top_k"])
    run = a_run(tmp_path / "a", [a_record(), a_record("Ant-v4", provenance=other)])
    notes = "\n".join(main_table(configurations_of(run)).notes)
    assert "Measured with 2 versions of cwmb: 0123456789ab, ffffffffffff." in notes
    assert "changed since its commit" in notes
    assert "openai:m refused parameters, which were left out: top_k." in notes


def test_a_changed_protocol_is_noted(tmp_path):
    record = a_record()
    record = replace(record, provenance=replace(record.provenance, protocol_sha256="0" * 64))
    notes = main_table(configurations_of(a_run(tmp_path / "a", [record]))).notes
    assert any("The file of protocol quick was changed" in note for note in notes)


# -------------------------------------------------------------------------------------------------- environments


def test_environments_in_order_with_their_figures(tmp_path):
    test = a_score(0.75, floor=0.5, ceiling=0.9, unseen_accuracy=0.6)
    records = [a_record("Ant-v4"), replace(a_record("Taxi-v3"), test=test, planning=a_planning(0.5, 0.2))]
    (table,) = environment_tables(configurations_of(a_run(tmp_path / "a", records)))
    assert [row[0] for row in table.rows] == ["Taxi-v3", "Ant-v4"]
    figures = {key: field(table, 0, key) for key in ("floor", "ceiling", "skill", "exact", "unseen_accuracy", "calls")}
    assert figures == pytest.approx(
        {"floor": 0.5, "ceiling": 0.9, "skill": 0.625, "exact": 0.375, "unseen_accuracy": 0.6, "calls": 10}
    )
    assert field(table, 1, "unseen_accuracy") is None
    normalised, returned = field(table, 0, "normalised_return"), field(table, 0, "return_mean")
    assert (normalised.value, normalised.error) == (0.5, 0.2)
    assert (returned.value, returned.error) == (15.0, 5.0)


def test_errors_of_several_seeds_add_to_the_episodes(tmp_path):
    records = [
        replace(a_record(seed=seed, protocol_name="standard"), planning=a_planning(value, 0.3))
        for seed, value in enumerate((0.0, 0.2))
    ]
    first, *_ = environment_tables(configurations_of(a_run(tmp_path / "a", records)))
    normalised = field(first, 0, "normalised_return")
    assert normalised.value == pytest.approx(0.1)
    assert normalised.error == pytest.approx(np.hypot(0.3, 0.1))


def test_an_environment_without_a_ceiling_has_no_skill(tmp_path):
    record = replace(a_record(), test=a_score(0.7, ceiling=None))
    (table,) = environment_tables(configurations_of(a_run(tmp_path / "a", [record])))
    assert field(table, 0, "ceiling") is None
    assert field(table, 0, "skill") is None


def test_failures_of_several_seeds_are_counted(tmp_path):
    failing = replace(a_score(0.0), failure=Failure("exception", "…"))
    records = [replace(a_record(seed=s, protocol_name="standard"), test=failing) for s in range(2)]
    records.append(
        replace(a_record(seed=2, protocol_name="standard"), test=replace(failing, failure=Failure("memory", "")))
    )
    first, *_ = environment_tables(configurations_of(a_run(tmp_path / "a", records)))
    assert field(first, 0, "failure") == "exception 2×, memory 1×"


# ------------------------------------------------------------------------------------------------ spend, intervals


def test_spend_sums_over_all_cells(tmp_path):
    records = [a_record("CartPole-v1", protocol_name="standard"), lost(a_record("Ant-v4", protocol_name="standard"))]
    table = spend_table(configurations_of(a_run(tmp_path / "a", records)))
    assert len(table.rows) == 1  # the first ten calls were paid for once
    keys = ("cells", "calls", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "dollars")
    assert [field(table, 0, key) for key in keys] == [2, 100, 2000, 200, 1000, 100, 0.5]
    assert field(table, 0, "call_seconds") is None


def test_dollars_are_missing_as_soon_as_a_price_is_unknown(tmp_path):
    records = [a_record("CartPole-v1"), a_record("Ant-v4", usage=Usage(1, 1, 0, 1, 0, None))]
    assert field(spend_table(configurations_of(a_run(tmp_path / "a", records))), 0, "dollars") is None


def test_intervals_contain_the_estimate(tmp_path):
    rng = np.random.default_rng(0)
    records = [
        a_record(name, seed, accuracy=rng.uniform(0.5, 0.9), normalised=rng.uniform(), protocol_name="standard")
        for name in environment_ids()
        for seed in range(3)
    ]
    table = interval_table(configurations_of(a_run(tmp_path / "a", records)))
    keys = {
        (field(table, i, "metric"), field(table, i, "group"), field(table, i, "budget")) for i in range(len(table.rows))
    }
    assert ("IQM of return", "all", 50) in keys
    assert ("accuracy", "discrete", 10) in keys
    for i in range(len(table.rows)):
        assert field(table, i, "low") < field(table, i, "estimate") < field(table, i, "high")
        assert field(table, i, "resampled") == "seeds"


# --------------------------------------------------------------------------------------------------------- report


def test_report_in_every_format(tmp_path):
    run = full_run(tmp_path / "a")
    assert report([run]).startswith("Main results. Protocol quick, descriptions default.")
    assert report([run], "latex").count(r"\begin{table}") == 4
    assert report([run], "csv").startswith("# main\nstrategy,model,budget,group,")
    names = [table["name"] for table in json.loads(report([run], "json"))]
    assert names == ["main", "environments gif_mcts openai:m 10", "spend", "intervals"]


def test_labels_of_latex_tables_are_unique(tmp_path):
    text = report([full_run(tmp_path / "a"), full_run(tmp_path / "b", strategy="worldcoder")], "latex")
    labels = [line for line in text.splitlines() if line.startswith(r"\label")]
    assert len(labels) == len(set(labels)) == 5


def test_a_terminal_of_120_columns_is_wide_enough(tmp_path):
    assert max(len(line) for line in terminal([full_run(tmp_path / "a", model="simulated")]).splitlines()) <= 120


def test_the_same_records_give_the_same_text(tmp_path):
    run = full_run(tmp_path / "a")
    assert report([run], "json") == report([run], "json")


def test_nothing_to_show_is_an_error(tmp_path):
    with pytest.raises(CwmbError, match="no run is named"):
        report([])
    with pytest.raises(CwmbError, match="unknown format 'pdf'"):
        report([tmp_path / "absent"], "pdf")


def test_many_configurations_are_told_apart(tmp_path):
    records = [a_record(name, model=f"openai:{i}") for i in range(60) for name in environment_ids()[:5]]
    found = configurations_of(a_run(tmp_path / "a", records))
    assert [c.model for c in found] == [f"openai:{i}" for i in range(60)]
    assert {len(c) for c in found} == {5}


def test_searches_that_a_limit_ended_are_counted(tmp_path):
    records = [a_record(limit="calls"), a_record("Ant-v4", limit="dollars", custom=True)]
    notes = main_table(configurations_of(a_run(tmp_path / "a", records))).notes
    assert "1 of 2 searches were ended by their limit of dollars." in notes
    assert not any("limit of calls" in note for note in notes)


def test_cells_that_were_not_planned_are_counted_and_marked(tmp_path):
    records = [a_record("CartPole-v1"), a_record("Taxi-v3", planning=None)]
    [table] = [t for t in json.loads(report([a_run(tmp_path / "a", records)], "json")) if t["name"] == "main"]
    assert any(note.startswith("1 of 2 cells have no planning result") for note in table["notes"])
    assert {"I"} <= {mark for row in table["rows"] for mark in row["marks"]}


def test_speeds_come_from_the_timings_of_the_judged_program(tmp_path):
    fast, slow = a_record("Pendulum-v1"), a_record("Taxi-v3")
    run = a_run(tmp_path / "a", [fast, slow])
    judged = {"type": "score", "index": 1, "seconds": 1.0, "reference": 0.5, "steps": 1000, "program": "a" * 64}
    other = {**judged, "index": 3, "steps": 7, "program": "b" * 64}
    episode = {"type": "episode", "index": 0, "seconds": 9.0, "reference": 2.0, "steps": 50_000, "at_once": True}
    for record, lines in ((fast, [judged, other, episode]), (slow, [{**episode, "at_once": False}, "torn"])):
        a_ledger(run, record, [])
        timings = run / "cells" / record.environment / "seed-0" / "timings.jsonl"
        timings.write_text("".join(json.dumps(line) + "\n" for line in lines))
    [table] = [t for t in json.loads(report([run], "json")) if t["name"].startswith("speed")]
    taxi, pendulum = table["rows"]
    assert (pendulum["steps_per_second"], pendulum["planned_per_second"]) == (2000.0, 25_000.0)
    assert (pendulum["at_once_per_second"], pendulum["reference_seconds"]) == (25_000.0, 2.0)
    assert (taxi["steps_per_second"], taxi["planned_per_second"], taxi["at_once_per_second"]) == (None, 25_000.0, None)
    assert "step_many" in terminal([run])
