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
    rows = tuple(
        (
            r.algorithm,
            r.environment,
            r.seed,
            r.transitions,
            r.updates,
            len(r.returns),
            Estimate(r.mean, r.sem),
            estimate(r.normalised_return, r.normalised_sem),
        )
        for r in found
    )
    return Table("offline", "Policies learned from the training data alone, in the real environment.", COLUMNS, rows)
