"""The commands that a user types, as he types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cwmb.benchmark.catalog import environment_ids
from cwmb.reference import program

BAD_CARTPOLE = """
class Environment:
    def set_state(self, observation):
        self.observation = observation

    def step(self, action):
        return self.observation, 1.0, False
"""


def cwmb(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_")}
    return subprocess.run(
        [sys.executable, "-m", "cwmb", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        env={**clean, **environment},
    )


def fails(result: subprocess.CompletedProcess[str], *words: str, code: int = 2) -> None:
    """One clear line with all the words, and the exit code."""
    assert result.returncode == code, result.stderr
    assert result.stderr.startswith("cwmb: ")
    assert result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr


@pytest.fixture
def world(tmp_path: Path) -> Path:
    path = tmp_path / "world.py"
    path.write_text(program("CartPole-v1").source)
    return path


@pytest.mark.parametrize("what", ["environments", "descriptions", "strategies", "models", "planners", "protocols"])
def test_list(what: str) -> None:
    plain, as_json = cwmb("list", what), cwmb("list", what, "--json")
    assert plain.returncode == as_json.returncode == 0
    assert plain.stdout.split() == json.loads(as_json.stdout)
    assert len(json.loads(as_json.stdout)) >= 3


def test_there_are_eighteen_environments() -> None:
    assert len(environment_ids()) == 18


def test_describe_shows_description_and_contract() -> None:
    text = cwmb("describe", "CartPole-v1").stdout
    assert "CartPole-v1" in text
    assert "set_state" in text


def test_score_of_the_reference_program(world: Path) -> None:
    result = cwmb("score", "CartPole-v1", world, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert set(report) >= {
        "accuracy", "state", "reward", "done", "exact", "floor", "ceiling", "skill", "n", "failure",
    }  # fmt: skip
    assert (report["accuracy"], report["exact"], report["skill"], report["failure"]) == (1.0, 1.0, 1.0, None)
    assert report["floor"] < 0.8
    assert report["horizon"]["steps"] == [report["horizon"]["length"]] * 3


def test_score_shows_wrong_transitions_field_by_field(tmp_path: Path) -> None:
    path = tmp_path / "world.py"
    path.write_text(BAD_CARTPOLE)
    result = cwmb("score", "CartPole-v1", path)
    assert result.returncode == 0, result.stderr
    assert "observation[0]" in result.stdout
    assert "should be" in result.stdout
    assert "along recorded actions" in result.stdout


# How a program is wrong in Blackjack beyond what chance hides, as code behind the reference program.
GROSS_ERRORS = {
    "the dealer's card grows with every hit": """
        (total, dealer_card, ace), reward, done = Right.hit(self)
        return (total, dealer_card + 1, ace), reward, done""",
    "a hit changes nothing": """
        return self.state, 0.0, False""",
    "no ace is usable": """
        self.state = (*self.state[:2], 0)
        return Right.hit(self)""",
}


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("error", GROSS_ERRORS)
def test_in_blackjack_chance_hides_no_gross_error(error: str, split: str, tmp_path: Path) -> None:
    right = program("Blackjack-v1").source.replace("class Environment:", "class Right:")
    path = tmp_path / "world.py"
    path.write_text(f"{right}\n\nclass Environment(Right):\n    def hit(self):{GROSS_ERRORS[error]}\n")
    shown = cwmb("score", "Blackjack-v1", path, "--split", split).stdout
    assert shown.count("\ntransition ") == 3
    assert "action 1" in shown
    assert " should be " in shown


def test_a_program_at_the_ceiling_has_no_mistake_to_show(tmp_path: Path) -> None:
    path = tmp_path / "world.py"
    path.write_text(program("Blackjack-v1").source)
    shown = cwmb("score", "Blackjack-v1", path).stdout
    assert "1.0000   all right that follows from observation and action" in shown
    assert "transition " not in shown
    report = json.loads(cwmb("score", "Blackjack-v1", path, "--json").stdout)
    assert report["determined"] == 1.0 > report["exact"]


def test_score_says_that_a_program_does_not_keep_its_state(tmp_path: Path) -> None:
    right = program("CartPole-v1").source.replace("class Environment:", "class Right:")
    path = tmp_path / "world.py"
    path.write_text(
        f"{right}\n\nclass Environment:\n"
        "    def set_state(self, observation):\n        self.observation = observation\n"
        "    def step(self, action):\n        right = Right()\n        right.set_state(self.observation.copy())\n"
        "        return right.step(action)\n"
    )
    shown = cwmb("score", "CartPole-v1", path, "--split", "train").stdout
    assert "accuracy 1.0000" in shown
    assert "step does not keep the new state in 100% of the pairs of steps" in shown
    report = json.loads(cwmb("score", "CartPole-v1", path, "--split", "train", "--json").stdout)
    assert (report["exact"], report["lost"]) == (1.0, 1.0)
    # The published code sets the state before every step of a plan.
    assert "keep the new state" not in cwmb("score", "CartPole-v1", path, "--protocol", "paper").stdout


def test_score_of_the_wrong_shape_says_which_shape_and_costs_everything_under_paper(tmp_path: Path) -> None:
    path = tmp_path / "world.py"
    path.write_text(BAD_CARTPOLE.replace("self.observation, 1.0", "self.observation[:3], 1.0"))
    mild = cwmb("score", "CartPole-v1", path).stdout
    assert "  the observation is an array of float64 and shape (3,), it should be a float array of shape (4,)" in mild
    assert "nan" not in mild
    mild, fatal = (
        json.loads(cwmb("score", "CartPole-v1", path, "--protocol", name, "--json").stdout)
        for name in ("standard", "paper")
    )
    assert mild["accuracy"] > 0.5
    assert fatal["accuracy"] == 0
    assert mild["failure"]["kind"] == fatal["failure"]["kind"] == "bad_observation"


def test_score_on_an_npz_file(world: Path, tmp_path: Path) -> None:
    data = {
        "obs": np.zeros((2, 4)),
        "actions": np.array([0, 1]),
        "next_obs": np.array([[0, -0.19512195, 0, 0.29268292], [0, 0.19512195, 0, -0.29268292]]),
        "rewards": np.ones(2),
        "dones": np.zeros(2, dtype=bool),
    }
    np.savez(tmp_path / "data.npz", **data)
    report = json.loads(cwmb("score", "CartPole-v1", world, "--data", tmp_path / "data.npz", "--json").stdout)
    assert (report["n"], report["exact"]) == (2, 1.0)


def test_score_reports_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "world.py"
    path.write_text("class Environment:\n    def set_state(self, s):\n        1 / 0\n    def step(self, a): ...\n")
    report = json.loads(cwmb("score", "CartPole-v1", path, "--json").stdout)
    assert report["accuracy"] == 0.0
    assert report["failure"]["kind"] == "exception"
    assert "ZeroDivisionError" in report["failure"]["message"]


def test_a_perfect_program_plans_like_the_oracle(tmp_path: Path) -> None:
    for env in ("CliffWalking-v0", "CartPole-v1", "Pendulum-v1"):
        path = tmp_path / f"{env}.py"
        path.write_text(program(env).source)
        result = cwmb("plan", env, path, "--protocol", "quick", "--json")
        assert result.returncode == 0, result.stderr
        report = json.loads(result.stdout)
        assert set(report) >= {"return_mean", "return_sem", "normalised_return", "episodes"}
        assert report["normalised_return"] == 1.0, env


def test_bad_input_is_one_clear_line(world: Path, tmp_path: Path) -> None:
    run = ("eval", "--strategy", "zero_shot", "--model", "simulated", "--out", tmp_path / "run")
    fails(cwmb("score", "CartPol-v1", world), "did you mean 'CartPole-v1'", "Taxi-v3")
    fails(cwmb("score", "CartPole-v1", tmp_path / "none.py"), "none.py")
    fails(cwmb("score", "CartPole-v1", world, "--protocol", "standart"), "did you mean 'standard'")
    fails(cwmb("score", "CartPole-v1", world, "--split", "validation"), ["train", "test"][0])
    (tmp_path / "empty.py").write_text("x = 1\n")
    fails(cwmb("score", "CartPole-v1", tmp_path / "empty.py"), "class Environment")
    (tmp_path / "bad.npz").write_bytes(b"PK garbage")
    fails(cwmb("score", "CartPole-v1", world, "--data", tmp_path / "bad.npz"), "bad.npz")
    fails(cwmb(*run, "--strategy", "gif_mtcs"), "did you mean 'gif_mcts'")
    fails(cwmb(*run, "--model", "opnai:x"), "did you mean 'openai'")
    fails(cwmb(*run, "--model", "openai:gpt-5"), "OPENAI_API_KEY")
    fails(cwmb(*run, "--envs", "Taxi-v4"), "did you mean 'Taxi-v3'")
    fails(cwmb(*run, "--budget", "0"), "--budget is 0")
    fails(cwmb(*run, "-o", "samples=3"), "samples")
    fails(cwmb("eval", "--strategy", "zero_shot"), "--model")
    fails(cwmb("list", "enviroments"), "environments")
    fails(cwmb("tables", tmp_path / "nothing"), "nothing")
    assert not (tmp_path / "run").exists()
