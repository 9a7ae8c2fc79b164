"""``cwmb race`` runs its strategies in one folder, and goes on there."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from cwmb.cli import app
from cwmb.errors import CwmbError

RACE = ["race", "--model", "simulated", "--envs", "CliffWalking-v0", "--budget", "1", "--no-plan", "--format", "csv"]


def test_strategies_race_on_the_same_cells_and_the_comparison_is_kept(tmp_path: Path) -> None:
    command = [*RACE, "refine", "best_of_n:n=1", "--out", str(tmp_path / "race")]
    first = CliRunner().invoke(app.app, command, catch_exceptions=False)
    assert first.exit_code == 0
    ledgers = sorted((tmp_path / "race").glob("*/cells/*/*/ledger.jsonl"))
    assert [path.parts[-5] for path in ledgers] == ["best_of_n_n=1", "refine"]
    before = [path.read_bytes() for path in ledgers]
    again = CliRunner().invoke(app.app, command, catch_exceptions=False)
    assert again.stdout == first.stdout
    assert [path.read_bytes() for path in ledgers] == before
    kept = (tmp_path / "race" / "race.csv").read_text()
    assert kept in first.stdout
    table = kept.split("# race\n")[1].split("\n\n")[0]
    assert {(r["strategy"], r["metric"]) for r in csv.DictReader(table.splitlines())} >= {("best_of_n n=1", "accuracy")}


@pytest.mark.parametrize(
    ("entered", "complaint"),
    [
        (["refine"], "at least two"),
        (["refine", "refine"], "refine is entered twice"),
        (["best_of_n", "best_of_n:n=none"], "options of strategy 'best_of_n'"),
        (["refine", "nobody"], "unknown strategy 'nobody'"),
        (["refine", "best_of_n:n"], "option 'n' has no value"),
    ],
)
def test_what_cannot_race_is_told_before_anything_is_paid_for(
    tmp_path: Path, entered: list[str], complaint: str
) -> None:
    with pytest.raises(CwmbError, match=complaint):
        CliRunner().invoke(app.app, [*RACE, *entered, "--out", str(tmp_path / "race")], catch_exceptions=False)
    assert not (tmp_path / "race").exists()
