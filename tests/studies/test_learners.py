"""What learns a world from its data: the page shows what is stored, and the references reach what they should."""

from __future__ import annotations

from cwmb.benchmark.data import data_path
from cwmb.studies import learners
from cwmb.studies.__main__ import with_tables

STORED = data_path("results", "learners") / "learners.csv"


def test_the_page_shows_what_is_stored() -> None:
    page = data_path("docs", "suites.md").read_text(encoding="utf-8")
    assert with_tables(page, [learners.table(learners.stored(STORED))]) == page


def test_no_original_s_program_gains_and_every_reference_fit_does() -> None:
    frame = learners.stored(STORED)
    hidden = frame[frame["suite"] == "hidden"]
    assert len(hidden) >= 7
    assert (hidden["fit_skill"].dropna() >= 0.95).all()
    gained = (frame["original"] - frame["floor"]) / (frame["ceiling"] - frame["floor"])
    assert (gained <= 0.1).all()
