import numpy as np
import pytest
from report_builder import a_ledger, a_record, a_run, call, evaluation, lost

from cwmb.errors import CwmbError
from cwmb.report import compare

ENVIRONMENTS = ("CartPole-v1", "Taxi-v3", "Ant-v4")


def run_of(folder, accuracy, **changes):
    """Three environments with three seeds; accuracy(environment's number, seed)."""
    return a_run(
        folder,
        [
            a_record(name, seed, accuracy=accuracy(i, seed), protocol_name="standard", **changes)
            for i, name in enumerate(ENVIRONMENTS)
            for seed in range(3)
        ],
    )


def records(table):
    return [dict(zip((c.key for c in table.columns), row, strict=True)) for row in table.rows]


def total(tables, metric, group, budget=50):
    return next(
        row for row in records(tables[0]) if (row["metric"], row["group"], row["budget"]) == (metric, group, budget)
    )


def test_differences_are_paired(tmp_path):
    noise = np.random.default_rng(0).uniform(0, 0.4, (3, 3))
    a = run_of(tmp_path / "a", lambda i, s: 0.3 + noise[i, s])
    b = run_of(tmp_path / "b", lambda i, s: 0.2 + noise[i, s], strategy="worldcoder")
    found = compare(a, b)
    row = total(found, "accuracy", "all")
    assert row["cells"] == 9
    assert row["difference"] == pytest.approx(0.1)
    assert (row["low"], row["high"]) == pytest.approx((0.1, 0.1))  # the noise is common to both
    assert row["resampled"] == "seeds"
    assert row["probability"] == 1.0
    assert row["a"] - row["b"] == pytest.approx(0.1)
    assert total(found, "skill", "discrete")["difference"] == pytest.approx(0.2)
    assert total(found, "return", "all")["probability"] == 0.5  # ties
    assert total(found, "accuracy", "continuous", budget=10)["difference"] == pytest.approx(0.1)


def test_swapping_the_runs_turns_the_signs(tmp_path):
    rng = np.random.default_rng(1)
    draws = rng.uniform(0.2, 0.9, (2, 3, 3))
    a = run_of(tmp_path / "a", lambda i, s: draws[0, i, s])
    b = run_of(tmp_path / "b", lambda i, s: draws[1, i, s], model="openai:other")
    there, back = (total(compare(*pair), "accuracy", "all") for pair in ((a, b), (b, a)))
    assert there["difference"] == pytest.approx(-back["difference"])
    assert there["probability"] == pytest.approx(1 - back["probability"])
    assert (there["low"], there["high"]) == pytest.approx((-back["high"], -back["low"]), abs=0.02)


def test_only_shared_cells_with_a_score_count(tmp_path):
    a = a_run(tmp_path / "a", [a_record("CartPole-v1", accuracy=0.9), a_record("Taxi-v3"), a_record("Ant-v4")])
    other = {"strategy": "worldcoder"}
    b = a_run(tmp_path / "b", [a_record("CartPole-v1", accuracy=0.6, **other), lost(a_record("Taxi-v3", **other))])
    tables = compare(a, b)
    row = total(tables, "accuracy", "all", budget=10)
    assert row["cells"] == 1
    assert row["difference"] == pytest.approx(0.3)
    assert row["low"] is None
    assert [row["environment"] for row in records(tables[1])] == ["CartPole-v1"]


def test_with_one_seed_the_environments_are_resampled_and_it_is_said(tmp_path):
    a, b = (
        a_run(tmp_path / name, [a_record(e, accuracy=x + i / 10, strategy=name) for i, e in enumerate(ENVIRONMENTS)])
        for name, x in (("zero_shot", 0.5), ("worldcoder", 0.4))
    )
    (first, *_) = compare(a, b)
    assert {row["resampled"] for row in records(first) if row["group"] == "all"} == {"environments"}
    assert any("With one seed" in note for note in first.notes)


def test_unequal_budgets_meet_at_the_one_they_share(tmp_path):
    a = run_of(tmp_path / "a", lambda i, s: 0.8)
    b = run_of(tmp_path / "b", lambda i, s: 0.5, budget=10, custom=True, anytime=[])
    rows = records(compare(a, b)[0])
    assert {(row["budget"], row["budget_b"]) for row in rows} == {(10, 10)}
    assert rows[0]["difference"] == pytest.approx(0.1)


def test_budgets_that_never_meet_are_compared_with_a_warning(tmp_path):
    a = run_of(tmp_path / "a", lambda i, s: 0.8, anytime=[])
    b = run_of(tmp_path / "b", lambda i, s: 0.5, budget=20, custom=True, anytime=[])
    first = compare(a, b)[0]
    assert {(row["budget"], row["budget_b"]) for row in records(first)} == {(50, 20)}
    assert any("different budgets" in note for note in first.notes)


def test_spend_and_search_of_both_stand_below(tmp_path):
    a = a_run(tmp_path / "a", [a_record()])
    b = a_run(tmp_path / "b", [a_record(strategy="worldcoder")])
    a_ledger(a, a_record(), [call(0), evaluation(0, "p", 0.5)])
    assert [table.name for table in compare(a, b)] == [
        "comparison",
        "comparison by environment, 10 calls",
        "spend",
        "anytime",
    ]


def test_simulated_runs_are_marked(tmp_path):
    a = a_run(tmp_path / "a", [a_record(simulated=True, model="simulated")])
    b = a_run(tmp_path / "b", [a_record(simulated=True, model="simulated", strategy="worldcoder")])
    for table in compare(a, b):
        assert any(note.startswith("No language model was asked") for note in table.notes)


def test_what_cannot_be_compared_is_refused(tmp_path):
    a = a_run(tmp_path / "a", [a_record("CartPole-v1")])
    elsewhere = a_run(tmp_path / "elsewhere", [a_record("Ant-v4", strategy="worldcoder")])
    two = a_run(tmp_path / "two", [a_record(strategy="worldcoder"), a_record("Ant-v4", strategy="zero_shot")])
    standard = a_run(tmp_path / "standard", [a_record(protocol_name="standard")])
    with pytest.raises(CwmbError, match="share no environment and seed"):
        compare(a, elsewhere)
    with pytest.raises(CwmbError, match="holds 2 configurations"):
        compare(a, two)
    with pytest.raises(CwmbError, match="protocol differs"):
        compare(a, standard)
    with pytest.raises(CwmbError, match="compared with itself"):
        compare(a, a / ".." / "a")
