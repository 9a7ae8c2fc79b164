"""The benchmark's arithmetic, and that its bare loops do the same work as what they are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cwmb.bench import bare, search
from cwmb.bench.display import cells
from cwmb.bench.planning import planning_probe
from cwmb.bench.probe import Probe, Row, measure
from cwmb.bench.results import Change, changes, load, results, store
from cwmb.bench.scoring import FIXED, beyond
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import PlannerSpec
from cwmb.benchmark.trajectories import transitions
from cwmb.errors import CwmbError
from cwmb.reference import program
from cwmb.sandbox import Sandbox
from cwmb.types import Program


def a_row(name: str, value: float, ratio: float | None, noise: float = 0.0) -> Row:
    return Row(name, "ms", value, noise, None if ratio is None else 1.0, ratio, None if ratio is None else noise)


def test_medians_noise_and_ratios_of_pairs() -> None:
    ours, limit = iter([1.0, 2.0, 9.0, 3.0, 4.0]), iter([1.0, 1.0, 3.0, 1.0, 2.0])
    probe = Probe("it", "ms", 1e3, lambda: next(ours), lambda: next(limit), repeats=5, ratio_target=2.0)
    (row,) = measure([probe])
    assert (row.value, row.bare, row.ratio) == (3000.0, 1000.0, 2.0)
    assert (row.value_noise, row.ratio_noise) == (1000.0, 0.5)
    assert row.met is True


@pytest.mark.parametrize(("value", "ratio", "met"), [(1.0, 2.0, True), (3.0, 2.0, False), (1.0, 4.0, False)])
def test_every_target_must_be_met(value: float, ratio: float, met: bool) -> None:
    assert Row("it", "ms", value, 0.0, 1.0, ratio, 0.0, value_target=2.0, ratio_target=3.0).met is met
    assert Row("it", "ms", value, 0.0).met is None


def test_changes_are_those_beyond_the_noise_of_both_runs() -> None:
    old = results([a_row("a", 1, 2.0, 0.1), a_row("b", 1, 2.0, 0.1), a_row("c", 10, None, 0.1), a_row("gone", 1, 1.0)])
    new = results([a_row("a", 9, 2.25, 0.1), a_row("b", 1, 3.0, 0.1), a_row("c", 5, None, 0.1), a_row("new", 1, 1.0)])
    assert changes(old, new) == [Change("b", 1.5), Change("c", 0.5)]


def test_results_are_stored_without_a_trace_of_the_machine(tmp_path: Path) -> None:
    new = results([a_row("a", 1, 2.0)])
    path = tmp_path / "bench.json"
    assert load(path) is None
    store(path, new)
    assert load(path) == new
    assert str(Path.home()) not in path.read_text()
    path.write_text("{")
    with pytest.raises(CwmbError, match="make bench STORE=1"):
        load(path)


def test_a_row_is_shown_with_its_targets() -> None:
    row = Row("it", "ms", 7.123, 0.25, 1.0, 7.123, 0.25, "bare loop", None, 6.0, 9.0)
    assert cells(row) == ("it", "7.12", "0.2", "ms", "1", "7.12", "0.2", "6 ms, 9x", "no", "", "bare loop")


def test_walks_are_repeated_as_they_were_recorded() -> None:
    counting = Program(
        "class Environment:\n"
        "    asked = []\n"
        "    def set_state(self, observation):\n"
        "        self.asked.append(float(observation[0]))\n"
        "        observation[0] = 7\n"
        "    def step(self, action):\n"
        "        self.asked.append(action)\n"
        "        return [1.0], 0.0, False\n"
    )
    recorder = bare.Recorder(bare.environment(counting))
    recorder.set_state(np.array([2.0]))
    for action in (0, 1):
        recorder.step(action)
    again = bare.environment(counting)
    bare.walks(again, recorder.walks, 1)()
    assert recorder.steps == 2
    assert again.asked == [2.0, 0, 1]


def test_a_planner_takes_the_same_steps_in_the_sandbox_and_in_the_bare_loop() -> None:
    with Sandbox(workers=1) as sandbox:
        probe = planning_probe(sandbox, "CartPole-v1", PlannerSpec("mcts", {"simulations": 3}), plans=2)
        assert probe.ours() > 0  # raises where the steps differ


def test_searches_that_cost_nothing_use_up_their_calls(tmp_path: Path) -> None:
    search.search(7)
    search.journaled_search(tmp_path, 7)
    lines = (tmp_path / "ledger.jsonl").read_text().splitlines()
    assert [sum(f'"type": "{kind}"' in line for line in lines) for kind in ("call", "evaluation")] == [7, 7]


def test_what_scoring_costs_beyond_what_it_may() -> None:
    rows = [Row(FIXED, "ms", 7.02, 0.702), Row("score CartPole-v1", "µs/transition", 30.0, 1.0, bare=4.0)]
    (row,) = beyond(rows)
    n = len(transitions(environment("CartPole-v1"), "train"))
    assert row.value == pytest.approx(30.0 - 6.0 - 7020 / n)
    assert row.value_noise == pytest.approx(1.0 + 702 / n)
    assert row.met is False


def test_the_bare_program_is_the_reference_program() -> None:
    made = bare.environment(program("CliffWalking-v0"))
    made.set_state(36)
    assert made.step(0) == (24, -1.0, False)
