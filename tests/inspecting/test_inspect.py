"""The benchmark in Inspect, with Inspect's own mock model. Skipped without the extra ``inspect``."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from cwmb.benchmark.suites import shipped, suite_names
from cwmb.reference import program

inspect_ai = pytest.importorskip("inspect_ai")

ENV = "CliffWalking-v0"
WRONG = """
class Environment:
    def set_state(self, observation):
        self.state = observation
    def step(self, action):
        return self.state, -1.0, False
"""


def answers(*texts: str) -> Any:
    """The mock model that says these, with a count of tokens (else it would look for a tokeniser on the network)."""
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    said = [ModelOutput.from_content("mockllm/model", text) for text in texts]
    for output in said:
        output.usage = ModelUsage(input_tokens=10, output_tokens=5, total_tokens=15)
    return get_model("mockllm/model", custom_outputs=said)


def evaluated(folder: Path, *texts: str, **arguments: Any) -> Any:
    (log,) = inspect_ai.eval(
        "cwmb/cwmb18",
        model=answers(*texts),
        task_args={"envs": ENV, "seeds": 1, **arguments},
        log_dir=str(folder),
        display="none",
    )
    assert log.status == "success", log.error
    return log


def fenced(source: str) -> str:
    return f"Here it is.\n```python\n{source}\n```"


def test_every_suite_is_a_task() -> None:
    (point,) = (p for p in entry_points(group="inspect_ai") if p.name == "cwmb")
    tasks = point.load()
    for suite in suite_names():
        name = shipped(suite).ids[0]
        made = getattr(tasks, suite)(envs=name, protocol_name="quick")
        assert [sample.id for sample in made.dataset] == [name]
        assert made.metadata["suite"] == suite


def test_several_environments_and_options_come_as_text_or_as_what_the_command_line_made_of_it() -> None:
    from cwmb.inspect import tasks

    for envs, options in (
        ("CartPole-v1, Taxi-v3", "lines=3,fix_attempts=2"),
        (["CartPole-v1", "Taxi-v3"], ["lines=3"]),
    ):
        made = tasks.cwmb18(strategy="gif_mcts", envs=envs, options=options, protocol_name="quick")
        assert [sample.id for sample in made.dataset] == ["CartPole-v1", "Taxi-v3"]


def test_a_strategy_searches_and_our_sandbox_judges(tmp_path: Path) -> None:
    log = evaluated(tmp_path, fenced(WRONG), fenced(program(ENV).source), strategy="refine", calls=2)
    (sample,) = log.samples
    score = sample.scores["accuracy"]
    assert score.value == {"accuracy": 1.0, "precision": 1.0, "exact": 1.0}
    assert score.metadata["skill"] == 1.0
    assert score.answer == program(ENV).source
    assert log.stats.model_usage["mockllm/model"].total_tokens == 30
    (info,) = (event.data for event in sample.events if event.event == "info" and event.source == "cwmb")
    assert [node["kind"] for node in info["search"]] == ["generate", "improve"]
    assert info["search"][1]["parent"] == 0
    assert info["stop"] == "perfect"


def test_an_answer_without_a_program_scores_nothing(tmp_path: Path) -> None:
    log = evaluated(tmp_path, "I would rather not.", calls=1)
    (sample,) = log.samples
    assert sample.scores["accuracy"].value["accuracy"] == 0.0


def test_planning_is_a_scorer_that_is_asked_for(tmp_path: Path) -> None:
    log = evaluated(tmp_path, fenced(program(ENV).source), calls=1, plan=True, protocol_name="quick")
    (sample,) = log.samples
    assert sample.scores["normalised_return"].value == pytest.approx(1.0, abs=0.5)
