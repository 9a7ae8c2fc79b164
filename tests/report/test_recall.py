"""The recall gap: paired by environment and seed, between two runs that differ in the suite alone."""

import pytest
from report_builder import a_record, a_run

from cwmb.errors import CwmbError
from cwmb.report import recall

ENVIRONMENTS = ("CartPole-v1", "Taxi-v3", "Ant-v4")


def run_of(folder, accuracy, suite, environments=ENVIRONMENTS, seeds=3, **changes):
    of_suite = {} if suite == "cwmb18" else {"suite": suite, "world_seed": 0}
    return a_run(
        folder,
        [
            a_record(name, seed, accuracy=accuracy(i, seed), **of_suite, **changes)
            for i, name in enumerate(environments)
            for seed in range(seeds)
        ],
    )


def rows_of(table):
    keys = [c.key for c in table.columns]
    return {row[0]: dict(zip(keys, row, strict=True)) for row in table.rows}


def test_gaps_are_paired_whatever_the_order_of_the_runs(tmp_path):
    original = run_of(tmp_path / "a", lambda i, s: 0.9 + 0.03 * s, "cwmb18")
    varied = run_of(tmp_path / "b", lambda i, s: 0.9 + 0.03 * s - 0.1 * (i + 1), "varied")
    table = recall([original, varied])
    found = rows_of(table)
    assert list(found) == ["CartPole-v1", "Taxi-v3", "Ant-v4", "discrete", "continuous", "all"]
    for i, name in enumerate(ENVIRONMENTS):
        row = found[name]
        assert row["cells"] == 3
        assert row["accuracy_gap"] == pytest.approx(0.1 * (i + 1))
        assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx((row["accuracy_gap"],) * 2)
        assert row["skill_gap"] == pytest.approx(0.2 * (i + 1))
        assert row["accuracy_original"] - row["accuracy_drawn"] == pytest.approx(row["accuracy_gap"])
    assert found["all"]["accuracy_gap"] == pytest.approx(0.2)
    assert found["discrete"]["accuracy_gap"] == pytest.approx(0.15)
    assert recall([varied, original]) == table


def test_cells_that_only_one_of_them_has_do_not_count(tmp_path):
    original = run_of(tmp_path / "a", lambda i, s: 0.9, "cwmb18")
    varied = run_of(tmp_path / "b", lambda i, s: 0.6, "varied", environments=ENVIRONMENTS[:1], seeds=1)
    found = rows_of(recall([original, varied]))
    assert list(found) == ["CartPole-v1", "discrete", "all"]
    assert found["all"]["cells"] == 1
    assert found["all"]["accuracy_low"] is None


@pytest.mark.parametrize(
    ("suites", "message"),
    [
        (("cwmb18",), "it got 1$"),
        (("cwmb18", "cwmb18"), r"one run of suite cwmb18 and one of another: it got .*\(cwmb18\) and .*\(cwmb18\)$"),
        (("varied", "hidden"), r"it got .*\(varied\) and .*\(hidden\)$"),
        (("cwmb18", "varied", "varied"), "it got 3$"),
    ],
)
def test_anything_but_two_runs_of_which_one_is_of_the_originals_is_refused(tmp_path, suites, message):
    runs = [run_of(tmp_path / str(i), lambda i, s: 0.9, suite) for i, suite in enumerate(suites)]
    with pytest.raises(CwmbError, match=message):
        recall(runs)


def test_runs_that_differ_in_more_than_the_suite_are_refused(tmp_path):
    original = run_of(tmp_path / "a", lambda i, s: 0.9, "cwmb18")
    other = run_of(tmp_path / "b", lambda i, s: 0.6, "varied", strategy="worldcoder")
    with pytest.raises(CwmbError, match=r"^strategy, model or budget differs: .* a recall gap is between runs"):
        recall([original, other])
    foreign = run_of(tmp_path / "c", lambda i, s: 0.6, "varied", environments=["Hopper-v4"])
    with pytest.raises(CwmbError, match="share no environment and seed"):
        recall([original, foreign])
