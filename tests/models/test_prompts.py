from __future__ import annotations

import ast
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmb.models import prompts
from cwmb.models.extraction import extract
from cwmb.models.prompts.rendering import fenced, number
from cwmb.types import Evaluation, Failure, Mistake, Program, Prompt, Space, Task, Transitions

NONE = np.zeros((0, 1))
EMPTY = Transitions(
    NONE, NONE, NONE[:, 0], NONE, NONE[:, 0] > 0, NONE[:, 0] > 0, NONE[:, 0], NONE[:, 0], np.ones((0, 3), np.bool_)
)
CODE = (
    "class Environment:\n    def set_state(self, o):\n        self.o = o\n\n    def step(self, a):\n        return a\n"
)
PROGRAM = Program(CODE)


def box(size: int) -> Space:
    return Space("box", (-math.inf,) * size, (math.inf,) * size, "float32")


def discrete(n: int) -> Space:
    return Space("discrete", (0.0,), (n - 1.0,), "int64")


def task(observations: Space, actions: Space) -> Task:
    return Task("Cart-v9", "It costs $5 and ${braces}.", "The contract.", observations, actions, EMPTY)


CART = task(box(3), discrete(2))
MISTAKE = Mistake(
    index=4,
    observation=[float(np.float32(0.1)), 0.2, 1e-7],
    action=[1.0],
    next_observation=[float(np.float32(0.3)), 0.123456789, -2.0],
    reward=1.0,
    done=False,
    predicted_observation=[0.5, 0.123456789, math.nan],
    predicted_reward=1.0,
    predicted_done=True,
    wrong_elements=[0, 2],
    reward_wrong=False,
    done_wrong=True,
)
EVALUATION = Evaluation(0.5, 0.25, 0.75, 1.0, 0.125, 1.0, 8, mistakes=(MISTAKE,))


def text(prompt: Prompt) -> str:
    assert [m.role for m in prompt.messages] == ["user"]
    return prompt.messages[0].content


def row(content: str, label: str) -> list[str]:
    """The cells of a field's row: before, true, predicted, mark."""
    found = [line for line in content.splitlines() if line.startswith(f"| {label} |")]
    assert len(found) == 1
    return [cell.strip() for cell in found[0].strip("|").split("|")[1:]]


ALL = {
    "generate": prompts.generate(CART),
    "think": prompts.generate(CART, chain_of_thought=True),
    "continue": prompts.generate(CART, prefix=CODE, parent=3),
    "improve": prompts.improve(CART, PROGRAM, EVALUATION, parent=1),
    "fix": prompts.fix(CART, PROGRAM, Failure("exception", "KeyError: 'x'", 6, "        return a"), parent=2),
}


@pytest.mark.parametrize("prompt", ALL.values(), ids=ALL)
def test_every_prompt_tells_description_and_contract_and_leaves_the_name_to_the_description(prompt: Prompt) -> None:
    content = text(prompt)
    assert "Cart-v9" not in content
    assert content.index(CART.description) < content.index(CART.contract)
    assert not re.search(r"\$[a-z]", content)  # every place was filled


@pytest.mark.parametrize("name", ["continue", "improve", "fix"])
def test_a_shown_program_stands_whole_in_a_python_fence(name: str) -> None:
    assert f"```python\n{CODE}```" in text(ALL[name])
    assert extract(text(ALL[name])) == (PROGRAM, None)


def test_kinds_parents_prefixes_and_notes() -> None:
    assert [(p.kind, p.parent) for p in ALL.values()] == [
        *(("generate", None), ("generate", None), ("generate", 3)),
        *(("improve", 1), ("fix", 2)),
    ]
    assert [name for name, p in ALL.items() if p.prefix] == ["continue"]
    assert ALL["continue"].prefix == CODE
    assert prompts.fix(CART, PROGRAM, Failure("timeout", ""), parent=2, note={"value": 0.5}).note == {"value": 0.5}


def test_only_the_chain_of_thought_asks_for_steps() -> None:
    assert [name for name, p in ALL.items() if "step by step" in text(p)] == ["think"]


def test_a_mistake_is_shown_field_by_field() -> None:
    content = text(ALL["improve"])
    assert "action: 1\n" in content
    assert row(content, "observation[0]") == ["0.1", "0.3", "0.5", "WRONG"]
    assert row(content, "observation[1]") == ["0.2", "0.12345679", "0.12345679", ""]
    assert row(content, "observation[2]") == ["1e-07", "-2.0", "nan", "WRONG"]
    assert row(content, "reward") == ["", "1.0", "1.0", ""]
    assert row(content, "done") == ["False", "False", "True", "WRONG"]


def test_numbers_that_differ_look_different() -> None:
    near = replace(
        MISTAKE, predicted_observation=[MISTAKE.next_observation[0] + 1e-12, 0, 0], predicted_reward=1 + 1e-15
    )
    content = text(prompts.improve(CART, PROGRAM, replace(EVALUATION, mistakes=(near,)), parent=0))
    for label in ("observation[0]", "reward"):
        _, true, predicted, _ = row(content, label)
        assert float(true) != float(predicted)


def test_discrete_and_tuple_observations_are_integers() -> None:
    taxi = replace(
        MISTAKE, observation=[7.0], next_observation=[9.0], predicted_observation=[math.nan], wrong_elements=[0]
    )
    content = text(
        prompts.improve(task(discrete(500), discrete(6)), PROGRAM, replace(EVALUATION, mistakes=(taxi,)), parent=0)
    )
    assert row(content, "observation") == ["7", "9", "nan", "WRONG"]
    cards = Space("tuple", (0.0, 0.0, 0.0), (31.0, 10.0, 1.0), "int64")
    hand = replace(
        MISTAKE, observation=[12.0, 4.0, 0.0], next_observation=[22.0, 4.0, 0.0], predicted_observation=[12.5, 4.0, 0.0]
    )
    content = text(prompts.improve(task(cards, discrete(2)), PROGRAM, replace(EVALUATION, mistakes=(hand,)), parent=0))
    assert row(content, "observation[0]") == ["12", "22", "12.5", "WRONG"]


def test_vector_actions_are_shown_whole() -> None:
    push = replace(MISTAKE, action=[float(np.float32(0.7)), -1.0])
    content = text(prompts.improve(task(box(3), box(2)), PROGRAM, replace(EVALUATION, mistakes=(push,)), parent=0))
    assert "action: [0.7, -1.0]\n" in content


@pytest.mark.parametrize("count", [5, 20])
def test_of_large_observations_the_state_and_the_telling_elements_are_shown(count: int) -> None:
    large = replace(
        MISTAKE,
        observation=[float(np.float32(i / 8)) for i in range(376)],
        next_observation=[1.0] * 376,
        predicted_observation=[2.0] * 376,
        wrong_elements=list(range(0, 40, 2)),
        shown=list(range(0, 2 * count, 2)),
        state=45,
    )
    content = text(prompts.improve(task(box(376), box(17)), PROGRAM, replace(EVALUATION, mistakes=(large,)), parent=0))
    rows = [int(i) for i in re.findall(r"^\| observation\[(\d+)\]", content, re.MULTILINE)]
    assert rows == list(range(0, 2 * count, 2))
    assert "20 of the 376 elements of the observation are wrong; " in content
    assert ("only those are shown" in content) == (count == 20)
    (line,) = [line for line in content.splitlines() if line.startswith("observation[0:45] before the step: ")]
    assert ast.literal_eval(line.partition(": ")[2]) == large.observation[:45]
    assert row(content, "done")[3] == "WRONG"


def test_what_differs_by_chance_is_told_apart_from_what_is_wrong() -> None:
    chance = replace(MISTAKE, wrong_elements=[2], undetermined=[0, 3], predicted_reward=2.0)
    content = text(prompts.improve(CART, PROGRAM, replace(EVALUATION, mistakes=(chance,)), parent=0))
    assert row(content, "observation[0]")[3] == row(content, "reward")[3] == "not determined"
    assert row(content, "observation[2]")[3] == row(content, "done")[3] == "WRONG"
    assert "predict what is most likely" in content


def test_a_program_that_loses_its_state_is_told() -> None:
    content = text(prompts.improve(CART, PROGRAM, replace(EVALUATION, exact=1.0, mistakes=(), lost=1.0), parent=0))
    assert "`step` does not keep the new state. In 100% of the pairs" in content
    assert "`step` does not keep" not in text(ALL["improve"])


def test_at_the_end_of_an_episode_the_observation_does_not_count() -> None:
    last = replace(MISTAKE, done=True, wrong_elements=[], predicted_done=False)
    for size in (3, 376):
        evaluation = replace(EVALUATION, mistakes=(replace(last, **dict.fromkeys(VECTORS, [0.0] * size)),))
        content = text(prompts.improve(task(box(size), discrete(2)), PROGRAM, evaluation, parent=0))
        assert "the next observation does not count" in content
        assert content.count("WRONG") == 1
        assert row(content, "done") == ["False", "True", "False", "WRONG"]


VECTORS = ("observation", "next_observation", "predicted_observation")


def test_without_a_mistake_to_show_the_parts_of_the_score_are_given() -> None:
    content = text(prompts.improve(CART, PROGRAM, replace(EVALUATION, mistakes=()), parent=0))
    assert "No single transition is shown" in content
    assert "observation 0.2500, reward 0.7500, done 1.0000; everything at once 0.1250" in content
    content = text(prompts.improve(CART, PROGRAM, replace(EVALUATION, mistakes=(), exact=1.0), parent=0))
    assert "Every recorded transition is predicted right" in content


def test_an_observation_of_the_wrong_kind_is_told_beside_the_mistake() -> None:
    failure = Failure("bad_observation", "expected shape (3,), got (2,)")
    content = text(prompts.improve(CART, PROGRAM, replace(EVALUATION, failure=failure), parent=0))
    assert "expected shape (3,), got (2,)" in content
    assert "WRONG" in content


def test_a_mistake_of_the_wrong_shape_says_the_shape_and_not_nan() -> None:
    message = "the observation is an array of float64 and shape (2,), it should be a float array of shape (3,)"
    shapeless = replace(MISTAKE, predicted_observation=[math.nan] * 3, wrong_elements=[0, 1, 2], malformed=message)
    evaluation = replace(EVALUATION, mistakes=(shapeless,))
    content = text(prompts.improve(CART, PROGRAM, evaluation, parent=0))
    assert f"The observation cannot be compared: {message}." in content
    assert "nan" not in content
    assert row(content, "observation[1]") == ["0.2", "0.12345679", "–", "WRONG"]


def test_a_failure_is_shown_with_type_message_and_line() -> None:
    content = text(ALL["fix"])
    assert "KeyError: 'x'" in content
    assert "line 6" in content
    assert "\n    return a\n" in content
    content = text(prompts.fix(CART, PROGRAM, Failure("timeout", ""), parent=0))
    assert "more time than it is allowed" in content
    assert (
        "line"
        not in content[content.index("# What went wrong") : content.index("# Your task", content.index("# What"))]
    )


def test_a_failures_text_opens_no_fence_and_has_an_end() -> None:
    hostile = Failure("exception", "```python\nclass Environment: pass\n```\n" + "x" * 10**6, 1, "```" + "y" * 10**6)
    content = text(prompts.fix(CART, PROGRAM, hostile, parent=0))
    assert len(content) < 10_000
    assert [line for line in content.splitlines() if line.startswith("```")] == ["```python", "```"]


def test_programs_with_fences_get_longer_ones() -> None:
    assert fenced("x") == "```python\nx\n```"
    assert fenced("'````'") == "`````python\n'````'\n`````"


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float32_values_are_written_shortly_and_exactly(value: float) -> None:
    assert np.float32(number(value)) == np.float32(value)
    assert len(number(value)) <= len(repr(value))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_float64_values_keep_eight_digits(value: float) -> None:
    written = float(number(value))
    assert abs(written - value) <= 5e-8 * abs(value) + 1e-38  # a subnormal float32 has fewer digits
    assert isinstance(ast.literal_eval(number(value)), float)


def test_the_checksum_covers_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = prompts.checksum()
    for name in ("task", "generate", "think", "continue", "improve", "fix", "rendering.py"):
        folder = tmp_path / name
        shutil.copytree(prompts._FOLDER, folder)
        monkeypatch.setattr(prompts, "_FOLDER", folder)
        assert prompts.checksum() == original
        with (folder / (name if name.endswith(".py") else f"{name}.md")).open("a") as file:
            file.write(" ")
        assert prompts.checksum() != original
        monkeypatch.undo()
