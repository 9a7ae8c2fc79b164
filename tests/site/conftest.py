from __future__ import annotations

from pathlib import Path

import pytest
from site_builder import HOSTILE, PROGRAMS, record, write_run

from cwmb.site.build import build


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three runs of two environments: a good one, a bad one of another strategy, one whose names are hostile."""
    root = tmp_path_factory.mktemp("runs")
    names = ["CartPole-v1", "Pendulum-v1"]
    return [
        write_run(root / "good", [record(n, 0.9) for n in names], PROGRAMS, [0.5, 0.7, 0.9]),
        write_run(
            root / "bad",
            [record(n, 0.5, strategy="best_of_n", options={}, model="openai:small") for n in names],
            PROGRAMS,
            [0.45, 0.48, 0.5],
        ),
        write_run(
            root / "hostile",
            [record(n, 0.7, strategy=HOSTILE, model=f"openai:{HOSTILE}") for n in names],
            PROGRAMS,
            [0.5, 0.6, 0.7],
        ),
    ]


@pytest.fixture(scope="session")
def site(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of them."""
    out = tmp_path_factory.mktemp("site") / "site"
    build(runs, out, jobs=1)
    return out
