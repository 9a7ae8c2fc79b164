"""Asking a language model for one step of an environment, instead of for a program that predicts it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Template

import numpy as np

from cwmb.types import NOT_RUN, OK, Floats, Message, Predictions, Prompt, Space, Task

_TEMPLATE = Path(__file__).parent / "step" / "predict.md"
_OBJECT = re.compile(r"\{[^{}]*\}")


def predict(task: Task, observation: Floats, action: Floats) -> Prompt:
    """The question for one step from an observation [D] with an action [A]."""
    size = task.observation_space.size
    form = "integer" if task.observation_space.kind == "discrete" else f"[a list of {size} numbers]"
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        description=task.description.strip(),
        observation=_written(observation, task.observation_space),
        action=_written(action, task.action_space),
        form=form,
    )
    return Prompt("predict", (Message("user", text),))


def predicted(answer: str, space: Space) -> tuple[Floats, float, bool] | None:
    """(observation [D], reward, done) as the last JSON object of an answer says, None if it does not."""
    for found in reversed(_OBJECT.findall(answer)):
        try:
            said = json.loads(found)
            row = np.atleast_1d(np.asarray(said["observation"], dtype=np.float64))
            reward, done = float(said["reward"]), said["done"]
        except (ValueError, KeyError, TypeError):
            continue
        if row.shape == (space.size,) and isinstance(done, bool):
            return row, reward, done
    return None


def predictions(answers: list[str], space: Space) -> Predictions:
    """What a language model says about N transitions. An answer without a step counts as none."""
    said = Predictions(
        np.full((len(answers), space.size), np.nan),
        np.full(len(answers), np.nan),
        np.zeros(len(answers), np.bool_),
        np.full(len(answers), NOT_RUN, np.uint8),
    )
    for i, answer in enumerate(answers):
        step = predicted(answer, space)
        if step is not None:
            said.observations[i], said.rewards[i], said.done[i] = step
            said.status[i] = OK
    return said


def _written(row: Floats, space: Space) -> str:
    if space.kind == "box":
        return json.dumps([float(x) for x in row])
    return str(int(row[0])) if space.kind == "discrete" else json.dumps([int(x) for x in row])
