"""What a bundle claims, recomputed: an honest run is confirmed, every forged figure is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from conftest import ENTRY
from forging import CELL, LEDGER, Change, Files, both, files_of, ledger, record, sealed

from cwmb import plugins
from cwmb.benchmark import trajectories
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.suites import shipped
from cwmb.cli.commands import Wanted, evaluate
from cwmb.harness.episodes import Episode
from cwmb.reference import learner_of
from cwmb.submission.again import built_in
from cwmb.submission.figures import Figure, episodes, scores
from cwmb.submission.manifest import MANIFEST
from cwmb.submission.opening import opened
from cwmb.submission.packing import archived, pack
from cwmb.submission.ranking import obstacles
from cwmb.submission.report import as_json, as_text
from cwmb.submission.verify import CellReport, Verification, verify
from cwmb.types import Evaluation, Failure, Reply, Request, Usage

# A seed that draws the cell of CliffWalking, the second of two.
CLIFF = next(seed for seed in range(99) if Random(seed).sample(range(2), 1) == [1])


def verified(path: Path, **options: Any) -> Verification:
    with opened(path) as bundle:
        return verify(bundle, options.pop("seed", 7), **options)


def figures(cell: CellReport) -> dict[str, Figure]:
    return {figure.name: figure for figure in cell.figures}


def test_a_simulated_run_is_confirmed(bundle: Path) -> None:
    done = verified(bundle)
    cartpole, cliff = done.cells
    for cell in done.cells:
        assert {f.verdict for f in cell.figures if f.name not in ("model", "fresh")} == {"confirmed"}
        assert figures(cell)["model"].verdict == "not checkable"
        assert figures(cell)["episodes"].note == "2 of 2 episodes"
    assert figures(cartpole)["fresh"].verdict == "consistent"
    assert figures(cliff)["fresh"].verdict == "not checkable"
    assert done.verdict == "consistent"
    assert done.counts["different"] == 0
    assert json.dumps(as_json(done, [])) == json.dumps(as_json(verified(bundle), []))
    text = as_text(done, ["protocol quick is never ranked"])
    assert "The bundle is CONSISTENT" in text
    assert "protocol quick is never ranked" in text
    assert max(map(len, text.splitlines())) <= 120


def on_cell(change: Callable[[dict[str, Any]], Any]) -> Change:
    return record(change, line=1)


def entries(kind: str, change: Callable[[dict[str, Any]], Any]) -> Change:
    """Change every entry of a kind in the cell's ledger."""
    return ledger(lambda found: [change(e) for e in found if e["type"] == kind])


def of_model(name: str) -> Change:
    """Say everywhere that another model answered."""

    def forge(files: Files) -> None:
        content = json.loads(files[MANIFEST])
        content["runs"][0]["configuration"]["model"] = name
        files[MANIFEST] = json.dumps(content).encode()
        for line in (0, 1):
            record(lambda r: r.update(model=name, simulated=False), line)(files)
        entries("call", lambda e: e["value"].update(model="gpt-5"))(files)

    return forge


def of_options(name: str, value: object) -> Change:
    """Say that the strategy had another option."""

    def forge(files: Files) -> None:
        content = json.loads(files[MANIFEST])
        content["runs"][0]["configuration"]["options"][name] = value
        files[MANIFEST] = json.dumps(content).encode()
        for line in (0, 1):
            record(lambda r: r["options"].update({name: value}), line)(files)

    return forge


def judged(program: str) -> Change:
    """Say that another program was judged, in the record as beside its times."""

    def forge(files: Files) -> None:
        times = [json.loads(x) for x in files[f"{CELL}/timings.jsonl"].splitlines()]
        files[f"{CELL}/timings.jsonl"] = b"".join(json.dumps({**t, "program": program}).encode() + b"\n" for t in times)
        on_cell(lambda r: r.update(program=program))(files)

    return forge


def worse_program(files: Files) -> None:
    """The record names a program of the run that the search would not have chosen."""
    programs = [json.loads(x)["key"] for x in files[LEDGER].splitlines() if b'"type": "evaluation"' in x]
    chosen = json.loads(files[f"{CELL}/timings.jsonl"].splitlines()[0])["program"]
    judged(next(p for p in programs if p != chosen))(files)


FORGED: dict[str, tuple[Change, str]] = {
    "test accuracy": (on_cell(lambda r: r["test"].update(accuracy=0.987)), "test"),
    "training accuracy": (on_cell(lambda r: r["train"].update(accuracy=0.987)), "train"),
    "exact rate": (on_cell(lambda r: r["test"].update(exact=0.5)), "test"),
    "skill": (on_cell(lambda r: r["test"].update(skill=2.0)), "test"),
    "floor": (on_cell(lambda r: r["test"].update(floor=0.1)), "test"),
    "ceiling": (on_cell(lambda r: r["test"].update(ceiling=0.7)), "test"),
    "number of transitions": (on_cell(lambda r: r["test"].update(n=10)), "test"),
    "precision": (on_cell(lambda r: r["test"].update(precision=0.123)), "test"),
    "a budget's result that was not": (
        on_cell(
            lambda r: r.update(anytime=[{"calls": 1, "program": r["program"], "train_accuracy": 1.0, "test": None}])
        ),
        "anytime",
    ),
    "actions of no plan": (on_cell(lambda r: r["planning"].update(random_actions=7)), "planning"),
    "unseen pairs": (on_cell(lambda r: r["test"].update(unseen_accuracy=0.3)), "test"),
    "horizon": (on_cell(lambda r: r["test"]["horizon"].update(steps=[1e6, 1e6, 1e6])), "test"),
    "a hidden failure": (
        on_cell(lambda r: r["test"].update(failure={"kind": "stateful", "message": "x"})),
        "test",
    ),
    "mean return": (on_cell(lambda r: r["planning"].update(return_mean=0.0)), "planning"),
    "normalised return": (on_cell(lambda r: r["planning"].update(normalised_return=9.0)), "planning"),
    "returns in record and ledger": (
        both(
            entries("episode", lambda e: e["value"].update(total=-13.0)),
            on_cell(lambda r: r["planning"].update(returns=[-13.0, -13.0], return_mean=-13.0, return_sem=0.0)),
        ),
        "episodes",
    ),
    "tokens": (on_cell(lambda r: r["usage"].update(completion_tokens=1)), "usage"),
    "dollars": (on_cell(lambda r: r["usage"].update(dollars=0.01)), "usage"),
    "no language model": (on_cell(lambda r: r.update(simulated=False)), "search"),
    "another model": (of_model("openai:gpt-5"), "model"),
    "reason to stop": (on_cell(lambda r: r.update(stop="finished", limit=None)), "search"),
    "kinds of prompts": (on_cell(lambda r: r.update(prompts={"generate": 1})), "search"),
    "another program": (worse_program, "program"),
    "a program of nowhere": (judged("0" * 64), "program"),
    "evaluations": (entries("evaluation", lambda e: e["value"].update(accuracy=0.111)), "evaluations"),
    "a decision": (entries("call", lambda e: e.update(note={"action": "improve"})), "questions"),
    "an answer": (entries("call", lambda e: e["value"].update(text="class Environment: pass")), "questions"),
    "a program's file": (lambda files: files.__setitem__(f"{CELL}/programs/0000.py", b"x = 1\n"), "sources"),
    "the strategy's options": (of_options("exploration", 5.0), "questions"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_figure_is_found(bundle: Path, tmp_path: Path, what: str) -> None:
    change, name = FORGED[what]
    files = files_of(bundle)
    change(files)
    path = tmp_path / "forged.zip"
    path.write_bytes(archived(sealed(files)))
    done = verified(path, seed=CLIFF, cells=1, episodes=1, fresh=False)
    (cell,) = done.cells
    assert cell.environment == "CliffWalking-v0"
    found = figures(cell)
    assert done.verdict == "different"
    if name == "program" and name not in found:  # its source is nowhere: nothing can be run
        assert [f.verdict for f in cell.figures if f.verdict != "not checkable"] == ["different"]
    else:
        assert found[name].verdict == "different", cell.figures
        assert found[name].note or found[name].recorded != found[name].recomputed


def renamed(name: str, lines: int = 2) -> Change:
    def forge(files: Files) -> None:
        content = json.loads(files[MANIFEST])
        content["runs"][0]["configuration"]["strategy"] = name
        files[MANIFEST] = json.dumps(content).encode()
        for line in range(lines):
            record(lambda r: r.update(strategy=name), line)(files)

    return forge


def test_a_strangers_strategy_is_not_run_but_its_programs_are(bundle: Path, tmp_path: Path) -> None:
    files = files_of(bundle)
    renamed("patient")(files)
    path = tmp_path / "stranger.zip"
    path.write_bytes(archived(sealed(files)))
    done = verified(path, seed=CLIFF, cells=1, episodes=1, fresh=False)
    found = figures(done.cells[0])
    assert found["questions"].verdict == "not checkable"
    assert {f.verdict for f in done.cells[0].figures if f.name not in ("model", "questions")} == {"confirmed"}


def test_a_plugin_of_a_known_name_is_not_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert built_in("gif_mcts", {}) is not None
    point = EntryPoint("gif_mcts", "no.such.module:Evil", plugins.STRATEGIES)
    monkeypatch.setattr(plugins, "find", lambda *_: point)
    assert built_in("gif_mcts", {}) is None


def memorised(spec: EnvironmentSpec) -> str:
    """A program that knows the public test set by heart and nothing else."""
    test = trajectories.transitions(spec, "test")
    size = test.observations.shape[1]
    ended = test.terminated[:, None]
    rows = np.hstack([test.observations, test.actions, test.next_observations, test.rewards[:, None], ended])
    return f"""
import numpy as np

ROWS = np.frombuffer(bytes.fromhex("{rows.astype("<f4").tobytes().hex()}"), "<f4").reshape(-1, {rows.shape[1]})
KNOWN = {{row[:{size + 1}].tobytes(): row[{size + 1}:] for row in ROWS}}


class Environment:
    def set_state(self, observation):
        self.observation = observation

    def step(self, action):
        key = np.array([*np.atleast_1d(self.observation), action], "<f4").tobytes()
        if key not in KNOWN:
            return self.observation, 1.0, False
        *row, reward, done = KNOWN[key].astype(float)
        return np.array(row) if len(row) > 1 else int(row[0]), round(float(reward), 6), bool(done)
"""


class Answers:
    """A provider that always gives one program."""

    name = "scripted"

    def __init__(self, source: str) -> None:
        self.source = source

    def complete(self, request: Request) -> Reply:
        return Reply(f"```python\n{self.source}\n```", Usage(1, 10, 0, 10, 0, 0.5), model="scripted")


def answered(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Path:
    """A run of zero_shot in which the model gave this program."""
    monkeypatch.setattr("cwmb.models.load", lambda *_: Answers(source))
    wanted = Wanted("zero_shot", "openai:scripted", "CartPole-v1", "quick", "default", 1, "local", out=folder)
    evaluate(replace(wanted, **changes))
    return folder


@pytest.mark.parametrize(
    ("suite", "name"), [("cwmb18", "CartPole-v1"), ("varied", "CartPole-v1"), ("varied", "Taxi-v3")]
)
def test_a_memorised_test_set_shows_on_fresh_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite: str, name: str
) -> None:
    source = memorised(shipped(suite).environment(name))
    run = answered(tmp_path / "run", source, monkeypatch, envs=name, suite=suite)
    pack([run], ENTRY, tmp_path / "b.zip")
    done = verified(tmp_path / "b.zip", episodes=1)
    found = figures(done.cells[0])
    assert found["test"].verdict == "confirmed"
    assert found["test"].recorded == 1.0
    assert found["fresh"].verdict == "different"
    assert found["fresh"].recomputed < 0.75  # type: ignore[operator]
    assert found["episodes"].note == "1 of 2 episodes"
    assert "another world" not in found
    assert done.verdict == "different"


@pytest.mark.parametrize("name", ["CliffWalking-v0", pytest.param("CartPole-v1", marks=pytest.mark.torture)])
def test_a_program_that_learns_is_taught_again_in_a_world_drawn_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    learner = learner_of(shipped("hidden").environment(name))
    assert learner is not None
    run = answered(tmp_path / "run", learner.source, monkeypatch, envs=name, suite="hidden")
    pack([run], ENTRY, tmp_path / "b.zip")
    (cell,) = verified(tmp_path / "b.zip", episodes=1).cells
    found = figures(cell)
    assert found["test"].verdict == "confirmed"
    assert found["fresh"].verdict == ("not checkable" if name == "CliffWalking-v0" else "consistent")
    assert (found["another world"].verdict, found["another world"].recorded) == ("not checkable", None)
    assert found["another world"].recomputed > 0.95  # type: ignore[operator]
    with opened(tmp_path / "b.zip") as bundle:
        assert any("suite hidden, and the board is of cwmb18" in reason for reason in obstacles(bundle))


def test_a_program_that_no_call_wrote_is_in_the_ledger(tmp_path: Path) -> None:
    out = tmp_path / "run"
    evaluate(Wanted("persistence", "simulated", "CliffWalking-v0", "quick", "default", 1, "local", out=out))
    pack([out], ENTRY, tmp_path / "b.zip")
    files = files_of(tmp_path / "b.zip")
    renamed("patient", lines=1)(files)
    (tmp_path / "strangers.zip").write_bytes(archived(sealed(files)))
    for name in ("b.zip", "strangers.zip"):
        (cell,) = verified(tmp_path / name, fresh=False).cells
        assert {f.verdict for f in cell.figures if f.name not in ("model", "questions")} == {"confirmed"}


def test_an_episode_for_which_there_was_no_time_is_planned_again_only_with_all_of_them(
    bundle: Path, tmp_path: Path
) -> None:
    files = files_of(bundle)
    ledger(lambda entries: [e for e in entries if e["type"] == "episode"][1]["value"].update(cut=True))(files)
    record(lambda r: r["planning"].update(episodes=1), line=1)(files)
    (tmp_path / "cut.zip").write_bytes(archived(sealed(files)))
    for count, note in ((None, "1 of 1 episodes, and there was time for another one"), (2, "1 of 1 episodes")):
        (cell,) = verified(tmp_path / "cut.zip", seed=CLIFF, cells=1, episodes=count, fresh=False).cells
        assert (cell.environment, figures(cell)["episodes"].note) == ("CliffWalking-v0", note)


def test_on_another_processor_figures_need_not_be_equal_to_the_last_bit() -> None:
    score = Evaluation(0.9, 0.9, 0.9, 0.9, 0.9, 1.0, 1000)
    near, far = replace(score, accuracy=0.9005), replace(score, accuracy=0.91)
    late = replace(score, failure=Failure("timeout", "after 3 ms"))
    later = replace(score, accuracy=0.85, failure=Failure("timeout", "after 4 ms"))
    assert scores("x", score, near, exact=False).verdict == "consistent"
    assert scores("x", score, near, exact=True).verdict == "different"
    assert scores("x", score, far, exact=False).verdict == "different"
    assert scores("x", late, later, exact=True).verdict == "consistent"
    assert scores("x", score, None, exact=False).verdict == "different"
    before = [Episode(float(total), 10) for total in (100, 110, 90, 105)]
    assert episodes(before, [Episode(95.0, 10), Episode(112.0, 11)], exact=False).verdict == "consistent"
    assert episodes(before, [Episode(95.0, 10), Episode(112.0, 11)], exact=True).verdict == "different"
    assert episodes(before, [Episode(30.0, 10), Episode(32.0, 11)], exact=False).verdict == "different"
    assert episodes(before, before[:1], exact=True).verdict == "confirmed"
    assert episodes(before, [Episode(100.5, 10)], exact=False).verdict == "consistent"
    assert episodes(before, [], exact=True).verdict == "not checkable"


def test_episodes_for_which_there_was_no_time_are_no_result() -> None:
    whole, cut = [Episode(100.0, 10), Episode(90.0, 10)], Episode(3.0, 2, cut=True)
    assert episodes([*whole, cut], [*whole, replace(cut, steps=7)], exact=True) == Figure(
        "episodes", "confirmed", 95.0, 95.0, "2 of 2 episodes"
    )
    more = episodes([*whole, cut], [*whole, Episode(-50.0, 10)], exact=True)
    assert (more.verdict, more.note) == ("consistent", "2 of 2 episodes, and there was time for another one")
    assert episodes([cut], [cut], exact=True).verdict == "not checkable"
