"""Measuring baselines: it goes on where it was, and a change of settings costs what depends on them, no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cwmb.benchmark import baselines as stored
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.data import data_path
from cwmb.benchmark.protocols import PlannerSpec, protocol
from cwmb.harness import measure as measuring
from cwmb.harness.measure import measure, oracle_settings
from cwmb.harness.provenance import versions
from cwmb.sandbox import Sandbox

RULES = replace(protocol("quick"), max_steps=2, episodes=1)


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No baselines of any protocol are known."""
    (tmp_path / "results" / "baselines").mkdir(parents=True)

    def elsewhere(*parts: str) -> Path:
        return tmp_path.joinpath(*parts) if parts[0] == "results" else data_path(*parts)

    monkeypatch.setattr(stored, "data_path", elsewhere)
    stored.baselines.cache_clear()
    yield
    stored.baselines.cache_clear()


def test_it_goes_on_with_the_next_episode(sandbox: Sandbox) -> None:
    measure(RULES, [environment("CliffWalking-v0")], sandbox, lambda _: None)
    first = stored.baselines("quick").of("CliffWalking-v0")
    measure(replace(RULES, episodes=3), [environment("CliffWalking-v0")], sandbox, lambda _: None)
    second = stored.baselines("quick").of("CliffWalking-v0")
    assert first.oracle is not None
    assert second.oracle is not None
    assert (first.oracle.episodes, second.oracle.episodes) == (1, 3)
    assert second.oracle.returns is not None
    assert second.oracle.returns[:1] == first.oracle.returns
    assert (second.train, second.test, second.random) == (first.train, first.test, first.random)


def test_another_planner_costs_only_the_returns_of_the_environments_measured_with_it(sandbox: Sandbox) -> None:
    changed = replace(RULES, checksum="another", discrete=PlannerSpec("mcts", {"simulations": 3}))
    measure(RULES, [environment("CliffWalking-v0"), environment("Blackjack-v1")], sandbox, lambda _: None)
    before = stored.baselines("quick")
    measure(changed, [environment("Blackjack-v1")], sandbox, lambda _: None)
    after = stored.baselines("quick")
    kept, new = after.of("CliffWalking-v0"), after.of("Blackjack-v1")
    assert (kept.random, kept.oracle) == (before.of("CliffWalking-v0").random, before.of("CliffWalking-v0").oracle)
    assert (kept.train, kept.test) == (None, None)  # of other rules, for all that is known
    assert new.oracle is not None
    assert new.oracle.settings == oracle_settings(environment("Blackjack-v1"), changed)
    assert new.random == before.of("Blackjack-v1").random


@pytest.mark.parametrize(("package", "again"), [("numpy", False), ("mujoco", True), ("gymnasium", True)])
def test_returns_hold_until_the_dynamics_may_have_changed(
    package: str, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = environment("CliffWalking-v0")
    before = oracle_settings(spec, RULES)
    monkeypatch.setattr(measuring, "versions", lambda: {**versions(), package: "99"})
    assert (oracle_settings(spec, RULES) != before) == again
