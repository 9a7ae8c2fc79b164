"""``import cwmb``: what notebooks and scripts use."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cwmb
from cwmb.benchmark.descriptions import contract
from cwmb.errors import CwmbError
from cwmb.models import prompts
from cwmb.reference import program
from cwmb.report.frame import COLUMNS, FLAGS, NUMBERS, TEXT, WHOLE
from cwmb.types import Evaluate, LanguageModel, Program, Task


@dataclass(frozen=True)
class Patient:
    tries: int = 2

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        for _ in range(self.tries):
            if written := llm.complete(prompts.generate(task)).program:
                evaluate(written)
        return None


class Undeclared:
    def search(self, *asked: Any) -> None: ...


def test_every_name_of_the_interface_is_there_and_documented() -> None:
    for name in cwmb.__all__:
        assert getattr(cwmb, name).__doc__
        assert name in dir(cwmb)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cwmb.nothing  # noqa: B018


def test_importing_it_loads_the_standard_library_at_most() -> None:
    code = "import sys; before = set(sys.modules); import cwmb; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    strangers = {name.split(".")[0] for name in loaded} - sys.stdlib_module_names
    assert strangers == {"cwmb"}
    assert [name for name in loaded if name.startswith("cwmb.")] == []


def test_environments_and_suites() -> None:
    assert cwmb.suites()[0] == "cwmb18"
    assert len(cwmb.environments()) == 18
    assert set(cwmb.environments("hidden")) <= set(cwmb.environments())
    with pytest.raises(CwmbError, match=r"unknown suite 'hiden'.*'hidden'"):
        cwmb.environments("hiden")


def test_a_task_is_what_a_strategy_is_handed() -> None:
    task = cwmb.task("Blackjack-v1")
    assert "Blackjack" in task.description
    assert "set_state" in task.contract
    assert "Blackjack" not in cwmb.task("Blackjack-v1", descriptions="anonymous").description
    assert task.train is cwmb.transitions("Blackjack-v1")
    assert "fit" in cwmb.task("CartPole-v1", suite="hidden").contract
    assert cwmb.task("RTFM-1", suite="rtfm").contract == contract(name="contract-boards")


def test_transitions_as_arrays_and_as_a_frame() -> None:
    data = cwmb.transitions("Pendulum-v1", "test")
    frame = data.frame()
    assert len(frame) == len(data)
    assert (frame.filter(regex="^observation_").to_numpy() == data.observations).all()
    assert (frame.filter(regex="^next_observation_").to_numpy() == data.next_observations).all()
    assert (frame["reward"].to_numpy() == data.rewards).all()
    assert frame["determined"].dtype == bool
    assert len(cwmb.transitions("CartPole-v1", suite="varied")) <= 400
    with pytest.raises(CwmbError, match="unknown split 'valid'"):
        cwmb.transitions("Pendulum-v1", "valid")  # type: ignore[arg-type]


def test_score_takes_a_program_a_source_or_a_file(tmp_path: Path) -> None:
    right = program("CliffWalking-v0")
    file = tmp_path / "world.py"
    file.write_text(right.source)
    scores = [cwmb.score(given, "CliffWalking-v0") for given in (right, right.source, file, str(file))]
    assert {score.accuracy for score in scores} == {1.0}
    assert scores[0].skill == 1.0
    assert scores[0].failure is None
    assert "accuracy 1.0000" in str(scores[0])
    assert "accuracy 1.0000" in scores[0]._repr_html_()


def test_a_wrong_program_s_mistakes_are_shown_and_its_text_does_nothing() -> None:
    wrong = """
class Environment:
    def set_state(self, observation): pass
    def step(self, action): raise ValueError("<script>alert(1)</script>")
"""
    score = cwmb.score(wrong, "CartPole-v1", "train")
    assert score.accuracy == 0.0
    assert score.failure is not None
    assert "<script>" in score.failure.message
    assert "<script>" not in score._repr_html_()


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(CwmbError, match=r"nowhere\.py"):
        cwmb.score("nowhere.py", "CartPole-v1")


def test_plan() -> None:
    planned = cwmb.plan(program("CliffWalking-v0"), "CliffWalking-v0", episodes=1)
    assert planned.planning.episodes == 1
    assert planned.return_mean <= -13
    assert planned.failure is None
    assert "return" in str(planned) + planned._repr_html_()


def test_evaluate_a_strategy_by_its_name(tmp_path: Path) -> None:
    run = cwmb.evaluate("best_of_n", "simulated", "CliffWalking-v0", calls=2, out=tmp_path / "run", plan=False)
    assert [r.state for r in run.records] == ["done"]
    assert run.frame()["calls"].tolist() == [2.0]
    assert "best_of_n" in str(run)
    assert "<table>" in run._repr_html_()


def test_evaluate_a_strategy_of_one_s_own(tmp_path: Path) -> None:
    asked = {"envs": ["CliffWalking-v0"], "out": tmp_path / "run", "plan": False}
    run = cwmb.evaluate(Patient(tries=1), "simulated", **asked)
    (record,) = run.records
    assert (record.strategy, record.options, record.usage.calls) == ("Patient", {"tries": 1}, 1)
    assert record.provenance.strategy_package.endswith(":Patient")
    with pytest.raises(CwmbError, match=r"options.*another --out"):
        cwmb.evaluate(Patient(tries=3), "simulated", **asked)
    with pytest.raises(CwmbError, match="Undeclared is no dataclass"):
        cwmb.evaluate(Undeclared(), "simulated", **asked)


def test_records_of_several_runs_are_tidy(tmp_path: Path) -> None:
    for seeds, name in ((1, "a"), (2, "b")):
        cwmb.evaluate(
            "zero_shot", "simulated", "CliffWalking-v0", calls=1, seeds=seeds, out=tmp_path / name, plan=False
        )
    frame = cwmb.load_records([tmp_path / "a", str(tmp_path / "b")])
    assert list(frame.columns) == COLUMNS
    assert frame["seed"].tolist() == [0, 0, 1]
    assert frame["run"].nunique() == 2
    with pytest.raises(CwmbError, match="no records in"):
        cwmb.load_records(tmp_path / "c")


def test_the_columns_are_documented() -> None:
    table = (Path(__file__).parents[2] / "docs" / "python.md").read_text().partition("<!-- columns -->")[2]
    kinds = {"text": TEXT, "bool": FLAGS, "int": WHOLE, "float": NUMBERS}
    expected = [f"| `{name}` | {kind} | {says} |" for kind, columns in kinds.items() for name, says in columns.items()]
    assert [line for line in table.splitlines() if line.startswith("| `")] == expected
