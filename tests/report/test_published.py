import json
from dataclasses import replace

import pytest
from report_builder import a_planning, a_record, a_run

from cwmb.benchmark.catalog import environment_ids
from cwmb.report import report, tables
from cwmb.report.published import published_rows

NUMBERS = ["1", "2", "3", "6", "8", "10 and 11, Llama 3 70B", "10 and 11, GPT-4 Turbo", "12"]


def of(found, number):
    return next(table for table in found if table.name == f"published {number}")


def records(table):
    return [dict(zip((c.key for c in table.columns), row, strict=True)) for row in table.rows]


def test_every_table_of_the_paper_without_any_run():
    assert [table.name for table in tables([], published=True)] == [f"published {number}" for number in NUMBERS]
    assert "0.84 ± 0.03" in report([], "markdown", published=True)
    assert report([], "latex", published=True).count(r"\begin{table}") == 8


def test_the_papers_figures():
    """A few of them, and what holds between them."""
    main = {(row["model"], row["strategy"]): row for row in published_rows("2")}
    assert main["GPT-4 Turbo", "gif_mcts"]["continuous_accuracy"] == [0.4, 0.03]
    by_environment = published_rows("10 and 11")
    assert len(by_environment) == 18 * 4
    assert {row["environment"] for row in by_environment} == set(environment_ids())
    assert {row["environment"] for row in published_rows("12")} == set(environment_ids())
    gpt4 = [r for r in by_environment if (r["model"], r["strategy"]) == ("GPT-4 Turbo", "gif_mcts")]
    discrete = [r["accuracy"] for r in gpt4 if r["environment"] in environment_ids()[:6]]
    assert sum(discrete) / 6 == pytest.approx(main["GPT-4 Turbo", "gif_mcts"]["discrete_accuracy"][0], abs=0.005)


def test_our_rows_stand_beside_the_papers(tmp_path):
    run = a_run(tmp_path / "a", [a_record(name, protocol_name="paper", accuracy=0.6) for name in environment_ids()])
    found = tables([run], published=True)
    rows = records(of(found, "2"))
    assert [row["source"] for row in rows] == ["paper"] * 4 + ["cwmb"] * 2
    assert rows[4]["discrete_accuracy"].value == pytest.approx(0.65)
    assert rows[4]["continuous_return"].value == pytest.approx(0.5)
    cartpole = next(r for r in records(of(found, "10 and 11, Llama 3 70B")) if r["environment"] == "CartPole-v1")
    assert cartpole["paper_gif_mcts_accuracy"] == 1.0
    assert cartpole["cwmb_0_accuracy"] == pytest.approx(0.65)
    assert cartpole["cwmb_0_return"] == 0.5
    returns = records(of(found, "12"))[3]
    assert returns["paper_oracle"] == 494.0
    assert returns["cwmb_0_return"].value == 15.0
    assert "cwmb_1_return" not in returns  # the first ten calls were not planned with


def test_ablations_are_recognised_by_their_options(tmp_path):
    options = [
        {"fix": False, "lines": 2},
        {"fix": True, "improve": True, "lines": 3},
        {"generate": False, "improve": False},
    ]
    runs = [a_run(tmp_path / f"{i}", [a_record(options=o, protocol_name="paper")]) for i, o in enumerate(options)]
    other = a_run(tmp_path / "other", [a_record(strategy="worldcoder", protocol_name="paper")])
    rows = records(of(tables([*runs, other], published=True), "6"))
    ours = [row["variant"] for row in rows if row["source"] == "cwmb" and row["budget"] == 50]
    assert [row["variant"] for row in rows[:4]] == ["full", "no_generate", "no_improve", "no_fix"]
    assert ours == ["no_fix", "full lines=3", "no_generate no_improve"]


def test_figures_of_another_protocol_are_not_passed_off_as_comparable(tmp_path):
    quick = a_run(tmp_path / "quick", [a_record()])
    paper = a_run(tmp_path / "paper", [a_record(protocol_name="paper")])
    warning = "only those of protocol paper can be held against"
    assert warning in " ".join(of(tables([quick], published=True), "2").notes)
    assert warning not in " ".join(of(tables([paper], published=True), "2").notes)


def test_marks_are_shown_where_rows_are_columns(tmp_path):
    run = a_run(tmp_path / "a", [a_record(simulated=True, model="simulated")])
    for number in NUMBERS[5:]:
        table = of(tables([run], published=True), number)
        assert any("simulated, 10 calls [SI]" in column.title for column in table.columns)
        assert any("No language model was asked" in note for note in table.notes)


def test_an_environment_that_we_have_not_run_is_left_empty(tmp_path):
    run = a_run(tmp_path / "a", [replace(a_record("Ant-v4"), planning=a_planning(None))])
    rows = {row["environment"]: row for row in records(of(tables([run], published=True), "12"))}
    assert rows["Ant-v4"]["cwmb_0_return"].value == 15.0
    assert rows["Taxi-v3"]["cwmb_0_return"] is None


def test_json_and_csv_too(tmp_path):
    run = a_run(tmp_path / "a", [a_record()])
    assert len(json.loads(report([run], "json", published=True))) == 8
    assert report([run], "csv", published=True).count("# published") == 8
