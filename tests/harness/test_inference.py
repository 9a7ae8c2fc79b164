"""Steps asked from a language model on loopback, beside those of a program."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scripted_server import Behaviour, ScriptedServer, answer

from cwmb import reference
from cwmb.benchmark.catalog import environment
from cwmb.cli.app import app
from cwmb.errors import CwmbError
from cwmb.harness.inference import stored
from cwmb.models.prompts.steps import predicted, predictions
from cwmb.report import report
from cwmb.types import NOT_RUN, OK, Space
from cwmb.worlds import make

VECTOR = Space("box", (-1.0, -1.0), (1.0, 1.0), "float64")


def knows(body: dict[str, Any]) -> Behaviour:
    """An endpoint that steps the real environment; every third answer is words only."""
    text = body["messages"][0]["content"]
    if body["seed"] % 3 == 0:
        return answer("I can't tell.")
    simulator = make(environment("CartPole-v1"))
    state = json.loads(re.search(r"observation = (\[.*\])", text)[1])  # type: ignore[index]
    action = int(re.search(r"action = (\d+)", text)[1])  # type: ignore[index]
    simulator.restore(np.array(state))
    row, reward, done, _ = simulator.step(np.array([float(action)]))
    return answer(f"Let me see.\n\n{json.dumps({'observation': row.tolist(), 'reward': reward, 'done': done})}")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    with ScriptedServer(knows) as made:
        monkeypatch.setenv("OPENAI_BASE_URL", made.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        yield made


def bench(*words: str) -> str:
    result = CliRunner().invoke(app, ["bench-inference", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_step_of_both(server: ScriptedServer, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(reference.program("CartPole-v1").source)
    words = (str(program), "--env", "CartPole-v1", "--model", "openai:m", "--rows", "6", "--out", str(tmp_path / "out"))
    printed = bench(*words)
    (found,) = stored(tmp_path / "out")
    assert len(server.bodies) == found.rows == found.usage.calls == 6
    assert found.program_accuracy == found.program_exact == 1.0
    assert found.answered == pytest.approx(found.model_accuracy) == pytest.approx(found.model_exact)
    assert 0 < found.answered < 1
    assert found.model_seconds > 0
    assert found.program_seconds is not None
    assert "CartPole-v1" in printed
    bench(*words)  # nothing is asked twice
    assert len(server.bodies) == 6
    published = report([tmp_path / "out"], published=True)
    assert "openai:m" in published


def test_of_a_run(server: ScriptedServer, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["eval", "--strategy", "persistence", "--model", "simulated", "--envs", "CartPole-v1", "--no-plan"]
    assert CliRunner().invoke(app, [*words, "--out", str(run)]).exit_code == 0
    bench(str(run), "--model", "openai:m", "--rows", "2", "--out", str(tmp_path / "out"))
    (found,) = stored(tmp_path / "out")
    assert found.program_accuracy < 1


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("class Environment: pass")
    for words, message in (
        ([str(program)], "--env is missing"),
        ([str(tmp_path / "nothing")], "does not exist"),
        ([str(program), "--env", "RTFM-1", "--suite", "rtfm"], "its observations are words"),
    ):
        with pytest.raises(CwmbError, match=message):
            bench(*words, "--model", "simulated", "--out", str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ('{"observation": [1, 2], "reward": 1, "done": false}', ([1.0, 2.0], 1.0, False)),
        ('x {"observation": [0, 0], "reward": 0, "done": true} y {"a": 1}', ([0.0, 0.0], 0.0, True)),
        ('{"observation": [1], "reward": 1, "done": false}', None),
        ('{"observation": ["a", 2], "reward": 1, "done": false}', None),
        ('{"observation": [1, 2], "reward": null, "done": false}', None),
        ('{"observation": [1, 2], "reward": 1, "done": "no"}', None),
        ("nothing", None),
    ],
)
def test_steps_in_answers(text: str, step: tuple | None) -> None:
    found = predicted(text, VECTOR)
    assert (None if found is None else (found[0].tolist(), *found[1:])) == step
    assert predictions([text], VECTOR).status[0] == (NOT_RUN if step is None else OK)
