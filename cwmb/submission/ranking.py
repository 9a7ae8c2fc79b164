"""Which bundles can be ranked on the leaderboard (docs/submitting.md has the rules)."""

from __future__ import annotations

from cwmb.benchmark.catalog import environment_ids
from cwmb.benchmark.suites import ORIGINAL
from cwmb.submission.opening import Bundle


def obstacles(bundle: Bundle) -> list[str]:
    """Why a bundle cannot be ranked on the leaderboard: nothing if it can. One line each."""
    found = []
    for number, run in enumerate(bundle.runs):
        rules, chosen, records = run.protocol, run.entry.configuration, run.records
        reasons = {
            f"it is on suite {chosen.suite}, and the board is of {ORIGINAL} alone": chosen.suite != ORIGINAL,
            f"protocol {rules.name} is never ranked": not rules.leaderboard,
            f"budget, seeds or length of answers are not those of {rules.name}": any(r.custom for r in records),
            f"environments of {ORIGINAL} are missing": set(run.entry.environments) != set(environment_ids()),
            "no language model was asked": any(r.simulated for r in records) or not any(r.usage.calls for r in records),
            "programs ran without a sandbox": any(r.provenance.sandbox in ([], ["none"]) for r in records),
            "the strategy raised in some cells": any(r.state == "failed" for r in records),
            "cwmb had been changed (its commit is dirty)": any(r.provenance.dirty for r in records),
            f"the budget of {chosen.strategy} is in seconds": chosen.budget.seconds is not None,
        }
        found += [f"run {number}: {reason}" for reason, true in reasons.items() if true]
    return found
