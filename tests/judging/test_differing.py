"""Feedback where programs may learn from data: several mistakes that differ, with the digits that are right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import shipped, told
from cwmb.benchmark.trajectories import spaces, transitions
from cwmb.judging.judge import Judge
from cwmb.judging.scoring import Marks, varied
from cwmb.models import prompts
from cwmb.reference import program
from cwmb.sandbox import Sandbox
from cwmb.types import Evaluation, Task


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1, planners={}) as sandbox:
        yield sandbox


def marks(wrong: list[list[int]]) -> Marks:
    """Of rows of (two elements, reward, done), 1 where that is wrong."""
    right = ~np.array(wrong, dtype=bool)
    n = len(right)
    none, all_ = np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    return Marks(right[:, :2], right[:, 2], right[:, 3], terminal=none, ran=all_, formed=all_)


def test_each_shows_what_none_before_did() -> None:
    counted = marks([[1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0]])
    actions = np.array([[0.0], [0.0], [0.0], [0.0], [1.0]])
    assert varied(np.array([0, 1, 2, 3, 4]), counted, actions, 5).tolist() == [0, 3, 2, 4]
    assert varied(np.array([1, 0]), counted, actions, 5).tolist() == [1]
    assert varied(np.array([2, 3, 4, 1]), counted, actions, 2).tolist() == [2, 3]
    assert varied(np.array([], dtype=np.int64), counted, actions, 5).tolist() == []


def scored(sandbox: Sandbox, suite: str, name: str) -> tuple[Evaluation, str]:
    spec = shipped(suite).environment(name)
    judge = Judge.of(sandbox, protocol("standard"), spec)
    train, wrong = transitions(spec, "train"), program(name)
    found = judge.score(wrong, train, show=5, feedback=np.random.default_rng(0)).evaluation
    task = Task(name, "text", "contract", judge.observation_space, judge.action_space, train)
    return found, prompts.improve(task, wrong, found, parent=0).messages[0].content


def test_improve_shows_several_mistakes_and_their_right_digits(sandbox: Sandbox) -> None:
    found, text = scored(sandbox, "hidden", "CartPole-v1")
    assert 2 <= len(found.mistakes) <= 5
    assert len({tuple(m.action) for m in found.mistakes}) == 2
    assert found.mistakes[0].digits[-1] is None  # of a reward that takes few values
    assert "chosen for differing" in text
    assert text.count("**Transition ") == len(found.mistakes)
    assert "digits right |" in text
    close = [d for m in found.mistakes for d in m.digits[:-1] if d is not None]
    assert 0 <= min(close) < max(close) <= 5


def test_where_only_a_match_counts_no_digits_are_told(sandbox: Sandbox) -> None:
    found, text = scored(sandbox, "hidden", "CliffWalking-v0")
    assert len(found.mistakes) > 1
    assert "digits right |" not in text


def test_without_data_to_learn_from_there_are_none_of_this(sandbox: Sandbox) -> None:
    found, text = scored(sandbox, "varied", "CartPole-v1")
    assert not any(m.digits for m in found.mistakes)
    assert "digits right |" not in text


@pytest.mark.parametrize("name", shipped("hidden").ids)
def test_generate_shows_recorded_transitions(name: str) -> None:
    spec = shipped("hidden").environment(name)
    train = transitions(spec, "train")
    task = Task(name, told(spec), "contract", *spaces(spec), train)
    shown = [
        line for line in prompts.generate(task).messages[0].content.splitlines() if line.startswith("- observation")
    ]
    assert len(shown) == 10
    if train.terminated.any():
        assert any(line.endswith("done True") for line in shown)
    for value in spec.reward_values or ():
        assert any(f"reward {value:.9g}," in line for line in shown)
    if spec.group == "discrete":
        assert len({line.split(" action ")[1].split()[0] for line in shown}) > 1
