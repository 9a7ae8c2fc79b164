"""Sample efficiency, on the simulated model."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cwmb.cli.app import app
from cwmb.harness.offline_rl import PolicyReturn
from cwmb.studies import efficiency


def policy(algorithm: str, spec, protocol, *, updates: int, count: int | None, seed: int) -> PolicyReturn:
    size = count or 400
    return PolicyReturn(
        "cql", spec.id, "cwmb18", "quick", seed, size, updates, "", [1.0], 1.0, 0.0, size / 400, 0.0, {}
    )


def test_points_and_figure_by_one_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(efficiency, "learned_return", policy)
    monkeypatch.setattr(efficiency, "subset", lambda train, count, seed: train.take(slice(count or 400)))
    words = ["sample-efficiency", "CartPole-v1", "--model", "simulated", "--budget", "2", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    points = efficiency.stored(tmp_path)
    assert [(p.who, p.transitions) for p in points] == [
        (who, count) for count in (1, 10, 100, 400) for who in ("gif_mcts, simulated", "cql")
    ]
    assert all((p.skill is None) == (p.who == "cql") for p in points)
    assert all(p.simulated == (p.who != "cql") for p in points)
    assert (tmp_path / efficiency.FIGURE).read_text().startswith("<?xml")
    monkeypatch.setattr(efficiency, "searched", None)  # nothing is made again
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    assert efficiency.stored(tmp_path) == points
