import pytest
from report_builder import a_ledger, a_record, a_run, call, evaluation, lost, scored

from cwmb.errors import CwmbError
from cwmb.report import tables
from cwmb.report.anytime import curve, curves
from cwmb.report.frame import read_runs

SEARCH = [
    call(0, tokens=10, dollars=0.1),
    evaluation(0, "p", 0.5, exact=0.1),
    call(1, tokens=20, dollars=0.2),
    call(2, tokens=30, dollars=0.3),
    evaluation(1, "worse", 0.4, exact=0.9),
    evaluation(2, "q", 0.5, exact=0.2),
    call(3, tokens=40, dollars=0.4),
    evaluation(3, "same", 0.5, exact=0.2),
    scored(0, "q", 0.45),
]


def as_bytes(entries, tmp_path):
    record = a_record()
    a_ledger(tmp_path / "x", record, entries)
    return (tmp_path / "x" / "cells" / "CartPole-v1" / "seed-0" / "ledger.jsonl").read_bytes()


def test_the_best_program_after_each_call(tmp_path):
    points = curve(as_bytes(SEARCH, tmp_path))
    assert [p.usage.calls for p in points] == [0, 1, 2, 3, 4]
    assert [p.train_accuracy for p in points] == [0.0, 0.5, 0.5, 0.5, 0.5]
    assert [p.program for p in points] == [None, "p", "p", "q", "q"]  # exact rate, then the earliest, decide
    assert [p.test_accuracy for p in points] == [None, None, None, 0.45, 0.45]
    assert [p.usage.prompt_tokens + p.usage.completion_tokens for p in points] == [0, 20, 60, 120, 200]
    assert points[-1].usage.dollars == pytest.approx(1.0)


def test_an_unknown_price_stays_unknown(tmp_path):
    points = curve(as_bytes([call(0, dollars=None), call(1)], tmp_path))
    assert [p.usage.dollars for p in points] == [0.0, None, None]


def test_a_torn_last_line_is_left_out_and_another_one_is_an_error(tmp_path):
    whole = as_bytes(SEARCH, tmp_path)
    assert curve(whole + b'{"type": "call"') == curve(whole)
    with pytest.raises(CwmbError, match=r"x:2 is no ledger entry"):
        curve(whole.replace(b'{"type": "evaluation", "index": 0', b'{"type', 1), "x")
    assert curve(b"") == []


def test_only_cells_with_a_score_and_a_ledger_have_a_curve(tmp_path):
    records = [a_record("CartPole-v1"), a_record("Taxi-v3"), lost(a_record("Ant-v4"))]
    run = a_run(tmp_path / "run", records)
    for record in (records[0], records[2]):
        a_ledger(run, record, SEARCH)
    assert [c.record.environment for c in curves(read_runs([run]))] == ["CartPole-v1"]


def test_the_table_averages_over_cells_and_carries_on_after_the_end(tmp_path):
    records = [a_record("CartPole-v1"), a_record("Taxi-v3"), a_record("Ant-v4")]
    run = a_run(tmp_path / "run", records)
    a_ledger(run, records[0], SEARCH)
    a_ledger(run, records[1], [call(0), evaluation(0, "perfect", 1.0, 1.0), scored(0, "perfect", 1.0)])
    a_ledger(run, records[2], SEARCH)
    table = tables([run])[-1]
    assert table.name == "anytime"
    rows = [dict(zip((c.key for c in table.columns), row, strict=True)) for row in table.rows]
    assert [row["after"] for row in rows] == [1, 2, 3, 5, 10]
    assert rows[0]["train_discrete"].value == pytest.approx(0.75)
    assert rows[0]["train_discrete"].error == pytest.approx(0.25)
    assert rows[0]["test_discrete"] is None  # CartPole's first program was not tested
    assert rows[2]["test_discrete"].value == pytest.approx((0.45 + 1.0) / 2)
    assert rows[4]["tokens"] == pytest.approx((200 + 200 + 200) / 3)
    assert rows[4]["train_continuous"].error is None


def test_without_ledgers_there_is_no_such_table(tmp_path):
    assert tables([a_run(tmp_path / "run", [a_record()])])[-1].name == "intervals"
