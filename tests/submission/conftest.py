from __future__ import annotations

from pathlib import Path

import pytest

from cwmb.cli.commands import Wanted, evaluate
from cwmb.submission.packing import Entry, pack

ENTRY = Entry("A test", ["Ann Author", "Bob Author"], "https://example.org/entry", "No reasoning, no tools.")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the simulated model."""
    folder = tmp_path_factory.mktemp("submission") / "run"
    wanted = Wanted(
        strategy="gif_mcts",
        model="simulated",
        envs="CliffWalking-v0,CartPole-v1",
        protocol="quick",
        descriptions="default",
        jobs=1,
        executor="local",
        calls=3,
        out=folder,
    )
    assert evaluate(wanted) == {"done"}
    return folder


@pytest.fixture(scope="session")
def bundle(run: Path) -> Path:
    """Its bundle."""
    out = run.parent / "bundle.zip"
    pack([run], ENTRY, out)
    return out
