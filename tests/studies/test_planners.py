"""The planners' study: it makes each trial once, and the page shows what is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cwmb.benchmark.baselines import Returns
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.data import data_path
from cwmb.benchmark.protocols import protocol
from cwmb.harness.episodes import planner_spec
from cwmb.studies.__main__ import with_tables
from cwmb.studies.planners import (
    SETTINGS,
    Trial,
    continuous_environments,
    fingerprint,
    measure,
    oracle_table,
    paired_gain,
    read,
    table,
)

STORED = data_path("results", "planners", "episodes.csv")


def test_a_trial_is_made_once_and_again_when_what_it_depends_on_has_changed(tmp_path: Path) -> None:
    path, said = tmp_path / "episodes.csv", list[str]()
    measure(["Pendulum-v1"], ["every 5 steps"], 1, path, said.append)
    measure(["Pendulum-v1"], ["every 5 steps"], 2, path, said.append)
    assert len(said) == 2
    first, second = read(path)
    assert (first.episode, second.episode) == (0, 1)
    assert first.fingerprint == second.fingerprint
    path.write_text(path.read_text().replace(first.fingerprint, "of another version", 1))
    measure(["Pendulum-v1"], ["every 5 steps"], 2, path, said.append)
    assert len(said) == 3
    assert [replace(t, seconds=0) for t in read(path)] == [replace(t, seconds=0) for t in (first, second)]


def test_the_stored_trials_are_of_settings_that_exist() -> None:
    trials = read(STORED)
    assert {t.setting for t in trials} <= set(SETTINGS)
    assert {t.environment for t in trials} <= set(continuous_environments())
    assert len({(t.environment, t.setting, t.episode) for t in trials}) == len(trials) > 50


def test_the_table_says_how_many_trials_a_planner_of_today_would_not_repeat() -> None:
    one, other = Trial("Pendulum-v1", "iCEM", 0, -100.0, 200, 1.0, fingerprint("Pendulum-v1", "iCEM")), "of another"
    assert table([one]).notes == ()
    assert table([one, replace(one, episode=1, fingerprint=other)]).notes == (
        "1 of the 2 episodes were planned by an earlier revision of iCEM.",
    )


def test_standard_is_among_the_settings_tried() -> None:
    standard = protocol("standard")
    for name in continuous_environments():
        tried = [planner_spec(environment(name), replace(standard, continuous=s)) for s in SETTINGS.values()]
        assert planner_spec(environment(name), standard) in tried


def test_the_gain_of_a_planner_is_taken_over_the_episodes_that_both_have() -> None:
    ours = Returns(mean=30.0, sem=0.0, episodes=3, returns=[10.0, 20.0, 60.0])
    theirs = Returns(mean=11.5, sem=0.0, episodes=2, returns=[7.0, 16.0])
    gain = paired_gain(ours, theirs)
    assert gain is not None
    assert (gain.mean, gain.sem, gain.episodes) == (3.5, 0.5, 2)
    assert paired_gain(ours, None) is None
    assert paired_gain(None, theirs) is None


def test_the_page_shows_what_is_stored() -> None:
    page = data_path("docs", "planning.md").read_text(encoding="utf-8")
    # Otherwise: python -m cwmb.studies planners --report-only
    assert with_tables(page, [table(read(STORED)), oracle_table()]) == page
