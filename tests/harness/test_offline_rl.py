"""Policies learned without a model, in the real environment; skipped where tianshou is not installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import shipped
from cwmb.benchmark.trajectories import spaces, transitions
from cwmb.cli.app import app
from cwmb.errors import CwmbError
from cwmb.harness import offline_rl
from cwmb.harness.offline_rl import PolicyReturn, features, learned_return, store, stored, subset
from cwmb.report import published

QUICK = protocol("quick")


def made(**changes: object) -> PolicyReturn:
    fields = {
        "algorithm": "cql",
        "environment": "CartPole-v1",
        "suite": "cwmb18",
        "protocol": "standard",
        "seed": 0,
        "transitions": 400,
        "updates": 1000,
        "data_sha256": "",
        "returns": [1.0, 3.0],
        "mean": 2.0,
        "sem": 1.0,
        "normalised_return": 0.5,
        "normalised_sem": 0.1,
        "versions": {},
    }
    return PolicyReturn(**{**fields, **changes})  # type: ignore[arg-type]


def test_subsets_are_nested() -> None:
    train = transitions(environment("CartPole-v1"), "train")
    few, many = subset(train, 10, 3), subset(train, 100, 3)
    rows = {row.tobytes() for row in many.observations}
    assert len(few) == 10
    assert all(row.tobytes() in rows for row in few.observations)
    assert subset(train, None, 3) is train
    assert subset(train, 10**6, 3) is train


def test_what_networks_see() -> None:
    for name, width in (("CliffWalking-v0", 48), ("CartPole-v1", 4), ("Blackjack-v1", 3)):
        spec = environment(name)
        train = transitions(spec, "train")
        seen = features(spaces(spec)[0], train)(train.observations)
        assert seen.shape == (len(train), width)
        assert seen.dtype == np.float32
    spec = shipped("rtfm").environment("RTFM-1")
    with pytest.raises(CwmbError, match="observations are words"):
        features(spaces(spec)[0], transitions(spec, "train"))


def test_results_replace_those_of_the_same_settings(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    store(made(), path)
    store(made(updates=10000), path)
    store(made(mean=5.0), path)
    assert [(r.updates, r.mean) for r in stored(path)] == [(1000, 5.0), (10000, 2.0)]
    path.write_text("{}\n")
    with pytest.raises(CwmbError, match="rows"):
        stored(path)


def test_the_papers_table_has_them_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = made(protocol="paper", transitions=10, returns=[99.0, 99.0])
    rows = [made(protocol="paper"), fewer, made(protocol="paper", algorithm="bc"), made(mean=99.0)]
    monkeypatch.setattr(published, "stored_policies", lambda: rows)
    (table,) = (t for t in published.published_tables([]) if t.name == "published 12")
    keys = [c.key for c in table.columns]
    assert [k for k in keys if k.startswith("cwmb_")] == ["cwmb_bc_1000", "cwmb_cql_1000"]
    (row,) = (r for r in table.rows if r[0] == "CartPole-v1")
    assert row[keys.index("cwmb_cql_1000")].value == 2.0  # type: ignore[union-attr]
    assert any("cwmb baseline cql" in note for note in table.notes)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CwmbError, match="'dqn'"):
        learned_return("dqn", environment("CartPole-v1"), QUICK)
    monkeypatch.setattr(offline_rl, "find_spec", lambda name: None)
    with pytest.raises(CwmbError, match="offline-rl"):
        learned_return("cql", environment("CartPole-v1"), QUICK)


@pytest.mark.parametrize(
    ("algorithm", "name"),
    [("bc", "CartPole-v1"), ("cql", "CartPole-v1"), ("cql", "Pendulum-v1"), ("td3bc", "Pendulum-v1")],
)
def test_it_learns_and_does_so_again(algorithm: str, name: str, tmp_path: Path) -> None:
    pytest.importorskip("tianshou")
    words = ["baseline", algorithm, name, "--updates", "3", "--episodes", "1", "--transitions", "50"]
    rows = []
    for i in range(2):
        out = tmp_path / f"{i}.jsonl"
        result = CliRunner().invoke(app, [*words, "--protocol", "quick", "--out", str(out)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        rows += stored(out)
    assert rows[0] == rows[1]
    assert (rows[0].transitions, rows[0].updates, len(rows[0].returns)) == (50, 3, 1)


def test_td3bc_needs_continuous_actions() -> None:
    pytest.importorskip("tianshou")
    with pytest.raises(CwmbError, match="continuous actions"):
        learned_return("td3bc", environment("CartPole-v1"), QUICK, updates=1)
