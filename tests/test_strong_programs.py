"""Programs of a strong language model for the originals, as answered: worth nothing in worlds that differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cwmb.benchmark.baselines import of_environment
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import shipped
from cwmb.benchmark.trajectories import transitions
from cwmb.judging.judge import Judge
from cwmb.judging.scoring import skill
from cwmb.sandbox import Sandbox
from cwmb.types import Program

FOLDER = Path(__file__).parents[2] / "shared" / "programs"
WORLDS = shipped("hidden")

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the programs are no part of the repository")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1, planners={}) as sandbox:
        yield sandbox


@pytest.mark.parametrize("name", WORLDS.ids)
def test_what_was_exact_in_the_original_has_no_skill_in_a_hidden_world(sandbox: Sandbox, name: str) -> None:
    spec = WORLDS.environment(name)
    bounds = of_environment(spec, "quick").test
    if bounds is None:
        pytest.skip("the world has no baselines yet")
    judge = Judge.of(sandbox, protocol("standard"), spec)
    program = Program((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    accuracy = judge.score(program, transitions(spec, "test")).evaluation.accuracy
    found = skill(accuracy, bounds.floor, bounds.ceiling)
    assert found is not None
    assert found <= 0.1
