"""What can be forged: the forgers really forge, are really caught, and the page shows what is stored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from cwmb.benchmark.baselines import baselines
from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.data import data_path
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.trajectories import transitions
from cwmb.judging.judge import Judge
from cwmb.sandbox import Sandbox
from cwmb.seeds import Purpose, unforeseen
from cwmb.studies import forging, forging_report
from cwmb.studies.__main__ import with_tables
from cwmb.types import Program

STORED = data_path("results", "forging.csv")
NAME = "CartPole-v1"


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Sandbox(workers=1) as sandbox:
        yield Judge.of(sandbox, protocol(forging.PROTOCOL), environment(NAME))


def audited(judge: Judge, program: Program, version: int) -> tuple[float, str | None]:
    version_of = Program(f"{program.source}# {version}\n")
    draws = unforeseen(0, NAME, Purpose.AUDIT, version_of.source)
    found = judge.score(version_of, transitions(environment(NAME), "test"), draws).evaluation
    return found.accuracy, found.failure.kind if found.failure else None


def test_a_forger_gets_far_beyond_the_floor_until_it_is_audited(judge: Judge) -> None:
    knowing = forging.forger(judge, "linear", forging.Guess(1.0, False))
    assert judge.score(knowing, transitions(environment(NAME), "test")).evaluation.accuracy > 0.75
    assert audited(judge, knowing, 0) == (0.0, "stateful")


def test_one_that_knows_little_passes_now_and_then_and_gains_little(judge: Judge) -> None:
    floor = baselines(forging.PROTOCOL).of(NAME).test.floor
    knowing = forging.forger(judge, "linear", forging.Guess(1.0, False), share=0.05)
    results = [audited(judge, knowing, version) for version in range(8)]
    passed = [accuracy for accuracy, failure in results if failure is None]
    assert 0 < len(passed) < 8
    assert floor < max(passed) < floor + 0.03
    assert np.mean([accuracy for accuracy, _ in results]) < floor


def test_a_search_finds_what_is_stored() -> None:
    with Sandbox(workers=1) as sandbox:
        (found,) = forging.search(["CliffWalking-v0"], sandbox, lambda _: None)
    stored = {one.environment: one for one in forging_report.read_csv(STORED)}
    assert found.floor == pytest.approx(stored["CliffWalking-v0"].floor, abs=1e-6)
    assert found.expected == pytest.approx(stored["CliffWalking-v0"].expected, abs=1e-6)
    assert forging_report.to_csv([found], STORED) == STORED.read_text()


def test_no_program_without_dynamics_gets_beyond_a_constant_by_what_it_learns() -> None:
    stored = forging_report.read_csv(STORED)
    assert [one.environment for one in stored] == list(environment_ids())
    for one in stored:
        assert one.floor == pytest.approx(baselines(forging.PROTOCOL).of(one.environment).test.floor, abs=1e-6)
        assert one.expected <= one.constant + 0.01
        assert one.constant >= one.floor


def test_the_page_shows_what_is_stored() -> None:
    page = data_path("docs", "sandbox.md").read_text(encoding="utf-8")
    assert with_tables(page, [forging_report.table(forging_report.read_csv(STORED))]) == page
