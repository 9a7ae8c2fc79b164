"""What programs without dynamics can forge, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path

from cwmb.benchmark.catalog import environment_ids
from cwmb.report.table import Column, Table
from cwmb.studies.forging import KEYS, VERSIONS, Forged
from cwmb.studies.stored import read_frame


def to_csv(found: Iterable[Forged], file: Path) -> str:
    """One line for each environment: what was found, and what the file holds of the others."""
    import pandas as pd

    rows = {one.environment: one for one in [*(read_csv(file) if file.exists() else []), *found]}
    ordered = [asdict(rows[name]) for name in environment_ids() if name in rows]
    text: str = pd.DataFrame(ordered).round(6).to_csv(index=False, lineterminator="\n")
    return text


def read_csv(file: Path) -> list[Forged]:
    """What a file written by to_csv holds. Raises CwmbError: there is no such file."""
    frame = read_frame(file, "make forging")
    names = [field.name for field in fields(Forged)]
    return [Forged(*values) for values in frame[names].itertuples(index=False, name=None)]


def table(found: Iterable[Forged]) -> Table:
    """For each environment: floor, the best constant, and what knowledge from other rows adds to that."""
    entries = (
        vars(one) | {"expected_gain": one.expected - one.constant, "best_gain": one.best_of_many - one.constant}
        for one in found
    )
    return Table.of(
        "forging",
        "Accuracy on the test set under standard of programs that know nothing of the environment. Constant: the best "
        "one that always says the same of reward and end. Learned: what could be learned from other rows, were it "
        f"not audited; caught: in how many of {KEYS} audits it is. On average: the best mean over those audits of a "
        "program that uses what it learned on a share of the rows, caught ones counting 0. "
        f"Best of {VERSIONS}: the best score of one of which a {VERSIONS}th of the versions passes. +: beyond the "
        "constant.",
        (
            Column("environment", "environment"),
            Column("floor", "floor", digits=3),
            Column("constant", "constant", digits=3),
            Column("learned", "learned", digits=3),
            Column("learner", "by"),
            Column("caught", "caught", digits=0),
            Column("expected", "on average", digits=3),
            Column("expected_gain", "+", digits=3),
            Column("best_of_many", f"best of {VERSIONS}", digits=3),
            Column("best_gain", "+", digits=3),
        ),
        entries,
    )
