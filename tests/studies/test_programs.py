"""The programs at hand: what is stored fits the baselines, and the page shows what is stored."""

from __future__ import annotations

import math
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from cwmb import reference
from cwmb.benchmark import trajectories
from cwmb.benchmark.baselines import baselines
from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.data import data_path
from cwmb.errors import CwmbError
from cwmb.judging.horizon import Horizon
from cwmb.models.mending import normalised
from cwmb.report.table import Column, Table
from cwmb.studies import programs_report
from cwmb.studies.__main__ import with_tables
from cwmb.studies.programs import ALSO, FAULTS, PROTOCOL, Measured, Planned, Scored, programs

STORED = data_path("results", "programs", "programs.csv")


def test_the_programs_of_an_environment_differ() -> None:
    train = trajectories.transitions(environment("Pusher-v4"), "train")
    found = programs("Pusher-v4", train)
    assert list(found) == ["reference", "simple", "persistence", *(f"{n} faults" for n in FAULTS)]
    assert len({normalised(program.source) for program in found.values()}) == len(found)
    assert found == programs("Pusher-v4", train)
    assert "simple" not in programs("Pendulum-v1", trajectories.transitions(environment("Pendulum-v1"), "train"))


def test_programs_of_a_folder_are_measured_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "CartPole-v1.py").write_text("class Environment: ...\n")
    train = trajectories.transitions(environment("CartPole-v1"), "train")
    assert programs("CartPole-v1", train, tmp_path)[ALSO].source == "class Environment: ...\n"
    assert ALSO not in programs("Acrobot-v1", trajectories.transitions(environment("Acrobot-v1"), "train"), tmp_path)
    known = Scored(0.5, 0.75, 0.25, Horizon([1, 2, 3], 10), Horizon([4, 5, 6], 10), 8.0)
    line = programs_report.to_csv([Measured("CartPole-v1", ALSO, known, None)], "a strong language model")
    assert "CartPole-v1,a strong language model,0.5,0.75,0.25,1," in line


def test_a_program_without_time_for_all_episodes_has_no_return() -> None:
    known = Scored(0.5, 0.75, 0.25, Horizon([1, 2, 3], 10), Horizon([4, 5, 6], 10), 8.0)
    planned = Planned(7.0, 1.0, 0.5, 0.1, 2, 2, 3.0, None)
    text = programs_report.to_csv(
        [
            Measured("CartPole-v1", "reference", known, planned),
            Measured("CartPole-v1", "persistence", known, replace(planned, episodes=1, step_many="used")),
        ]
    )
    whole, part = pd.read_csv(StringIO(text)).to_dict("records")
    assert (whole["return_mean"], whole["normalised_return"], whole["planned_microseconds"]) == (7.0, 0.5, 3.0)
    assert math.isnan(part["return_mean"])
    assert math.isnan(part["normalised_return"])
    assert (part["planned_episodes"], part["step_many"]) == (1, True)


def test_the_stored_reference_programs_fit_the_baselines() -> None:
    frame = programs_report.read_csv(STORED)
    own = frame[frame["program"] == "reference"].set_index("environment")
    assert sorted(own.index) == sorted(environment_ids()) == sorted(reference.environments())
    for name in environment_ids():
        bounds = baselines(PROTOCOL).of(name).test
        assert bounds is not None
        assert own.loc[name, "accuracy"] == pytest.approx(bounds.reference, abs=1e-6), name
        assert own.loc[name, "microseconds"] > 0
    assert (frame["horizon_1"] <= frame["horizon_10"]).all()
    assert (frame["horizon_10"] <= frame["horizon_100"]).all()
    assert (frame["horizon_100"] <= frame["length"]).all()


def test_the_page_shows_what_is_stored() -> None:
    frame = programs_report.read_csv(STORED)
    page = data_path("docs", "reference.md").read_text(encoding="utf-8")
    tables = [programs_report.reference_table(frame), programs_report.correlation_table(frame)]
    assert with_tables(page, tables) == page


def test_tables_go_to_their_places() -> None:
    page = "before\n<!-- table t -->\nold\n<!-- end -->\nbetween\n<!-- table u -->\n<!-- end -->\nafter\n"
    table = Table("t", "Caption.", (Column("a", "A"),), ((1,),))
    new = with_tables(page, [table])
    assert "old" not in new
    assert new.startswith("before\n<!-- table t -->\n\nCaption.")
    assert new.endswith("<!-- end -->\nbetween\n<!-- table u -->\n<!-- end -->\nafter\n")
    assert with_tables(new, [table]) == new
    with pytest.raises(CwmbError, match="table x"):
        with_tables(page, [Table("x", "", (Column("a", "A"),), ())])


def test_ranks_are_correlated_whatever_the_scale() -> None:
    a = pd.Series([1.0, 2.0, 3.0, 4.0])
    assert programs_report.spearman(a, a**9) == pytest.approx(1.0)
    assert programs_report.spearman(a, -(a**3)) == pytest.approx(-1.0)
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
    ties = programs_report.spearman(pd.Series([1.0, 5.0, 5.0, 9.0]), a)
    assert ties == pytest.approx(4.5 / math.sqrt(4.5 * 5.0))
    assert programs_report.spearman(a, pd.Series([1.0] * 4)) is None
