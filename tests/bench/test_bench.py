"""The benchmark's arithmetic, and that its bare loops do the same work as what they are compared with."""

from __future__ import annotations

import os
import pickle
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from cwmb.bench import bare, paper, search
from cwmb.bench import versus as compared
from cwmb.bench.display import cells, on_page
from cwmb.bench.paper import CHECK as CHECK_FILE
from cwmb.bench.planning import planning_probe
from cwmb.bench.probe import Probe, Row, measure
from cwmb.bench.results import Change, changes, load, results, store, stored_path
from cwmb.bench.scoring import FIXED, beyond
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.data import data_path, data_root
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
    assert row.value == pytest.approx(30.0 - 1.3 * 4.0 - 7020 / n)
    assert row.value_noise == pytest.approx(1.0 + 702 / n)
    assert row.met is False


CHECK = """
import mloggers, autopep8
import src.helpers
logger = mloggers.ConsoleLogger(mloggers.LogLevel.INFO)


def check_code_world_model(made, transitions, check_valid_actions, continuous_state):
    right = 0
    for state, action, following, reward, done, extra in zip(*transitions):
        made.set_state(state)
        right += made.step(action) == (following, reward, done)
        assert extra["valid_actions"] is None
    print(right)
    src.helpers.SEEN.append((right, continuous_state))
"""


def papers_checkout(folder: Path, held: object) -> Path:
    """As small as one can be, with transitions of CliffWalking."""
    (folder / CHECK_FILE).parent.mkdir(parents=True)
    (folder / CHECK_FILE).write_text(CHECK)
    (folder / "src" / "helpers.py").write_text("SEEN = []\n")
    buffer = folder / "data" / "replay_buffers" / "gymnasium_envs" / "CliffWalking-v0" / "train_buffer.pkl"
    buffer.parent.mkdir(parents=True)
    buffer.write_bytes(pickle.dumps(held))
    return folder


def held_by_the_paper() -> dict[str, object]:
    rewards, dones, starts = np.zeros(9, np.float32), np.zeros(9, bool), np.zeros(9, np.int32)  # more than are used
    rewards[:3], starts[:3] = -1, (0, 0, 2)
    columns = {"obs": [36, 24, 36], "actions": [np.int64(0), np.int64(1), np.int64(0)], "next_obs": [24, 25, 24]}
    return {**columns, "rewards": rewards, "dones": dones, "traj_starts": starts, "idx": 3, "device": Decimal(1)}


def test_published_transitions_are_read_from_the_papers_checkout(tmp_path: Path) -> None:
    checkout = papers_checkout(tmp_path, held_by_the_paper())
    found = paper.published(checkout, "CliffWalking-v0")
    assert found.ours.observations[:, 0].tolist() == [36, 24, 36]
    assert found.ours.episodes.tolist() == [0, 0, 1]
    assert found.ours.steps.tolist() == [0, 1, 0]
    with Sandbox(workers=1) as sandbox:
        probe = paper._probe(sandbox, "CliffWalking-v0", found, paper._check(checkout))
        (row,) = measure([replace(probe, repeats=1)])
    seen = sys.modules["src.helpers"].SEEN  # type: ignore[attr-defined]
    assert seen == [(3, False)]
    assert row.ratio is not None
    (mean,) = paper.mean_row([row])
    assert mean.value == pytest.approx(row.ratio)


def test_a_pickle_of_the_papers_checkout_runs_nothing(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> object:
            return os.mkdir, (str(tmp_path / "made"),)

    checkout = papers_checkout(tmp_path, {**held_by_the_paper(), "device": Runs()})
    assert len(paper.published(checkout, "CliffWalking-v0").ours) == 3
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("held", [{}, [1], {"idx": "x"}])
def test_a_folder_that_is_no_checkout_of_the_paper_is_refused(tmp_path: Path, held: object) -> None:
    with pytest.raises(CwmbError, match="is no checkout of the paper's repository"):
        paper._check(tmp_path)
    with pytest.raises(CwmbError, match="holds no published transitions"):
        paper.published(papers_checkout(tmp_path, held), "CliffWalking-v0")


in_a_checkout = pytest.mark.skipif(not (data_root() / ".git").exists(), reason="no checkout")


@in_a_checkout
def test_two_commits_are_measured_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bool, str]] = []
    ratios = iter([2.0, 3.0, 2.2, 3.2])  # in turn: the base, this checkout

    def run(folder: Path, only: str, keep: object, kept: Path) -> object:
        assert (folder / "cwmb" / "bench" / "__main__.py").is_file()
        asked.append((folder == data_root(), only))
        return results([a_row("a", 1, next(ratios), 0.1)])

    monkeypatch.setattr(compared, "_run", run)
    (change,) = compared.versus("HEAD", "a", lambda _: None)
    assert asked == [(False, "a"), (True, "a")] * 2
    assert change == Change("a", pytest.approx(3.1 / 2.1))


@in_a_checkout
def test_a_commit_that_is_not_there_is_named() -> None:
    with pytest.raises(CwmbError, match=r"BASE: .*nothing-of-this-name"):
        compared.versus("nothing-of-this-name", "", lambda _: None)


def test_the_bare_program_is_the_reference_program() -> None:
    made = bare.environment(program("CliffWalking-v0"))
    made.set_state(36)
    assert made.step(0) == (24, -1.0, False)


def test_the_page_shows_the_stored_run() -> None:
    stored, page = load(stored_path()), data_path("docs", "speed.md").read_text(encoding="utf-8")
    assert stored is not None
    assert on_page(page, stored.rows) == page
