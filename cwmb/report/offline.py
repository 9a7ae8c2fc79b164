"""The table of policies learned without a model."""

from __future__ import annotations

from collections.abc import Sequence

from cwmb.harness.offline_rl import PolicyReturn
from cwmb.report.table import Column, Estimate, Table, estimate

COLUMNS = (
    Column("algorithm", "algorithm"),
    Column("environment", "environment"),
    Column("seed", "seed"),
    Column("transitions", "transitions"),
    Column("updates", "updates"),
    Column("episodes", "episodes"),
    Column("return", "return"),
    Column("normalised_return", "normalised"),
)


def offline_table(found: Sequence[PolicyReturn]) -> Table:
    """One row a policy."""
    entries = (
        vars(r)
        | {"episodes": len(r.returns), "return": Estimate(r.mean, r.sem)}
        | {"normalised_return": estimate(r.normalised_return, r.normalised_sem)}
        for r in found
    )
    caption = "Policies learned from the training data alone, in the real environment."
    return Table.of("offline", caption, COLUMNS, entries)
