"""What the strategy ``agent`` tells a model: the task, what a script printed, how a program did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np

from cwmb.models.prompts.rendering import SHOWN_WHOLE, evidence, failure_text, number
from cwmb.types import Analysis, Evaluation, Floats, Task, Tool

_FOLDER = Path(__file__).parent
TOOLS = (
    Tool(
        "run_script",
        "Look at the data: run a Python script, the same as a fenced block marked `analysis`. What it prints comes "
        "back.",
        argument="script",
        fence="analysis",
    ),
    Tool(
        "try_program",
        "Try a whole program with the class Environment, the same as a fenced block marked `python`. Its score on all "
        "transitions and one of its mistakes come back. One in each turn.",
        argument="program",
        fence="python",
    ),
    Tool(
        "submit",
        "End: the best program tried counts. The same as DONE in a line of its own. Call it alone, when you cannot "
        "make the program better.",
        words="DONE",
    ),
)


def task(task: Task) -> str:
    """The first message: the environment, the contract, the data in figures, and the rules of the conversation."""
    texts = {
        "description": task.description.strip(),
        "contract": task.contract.strip(),
        "statistics": statistics(task),
    }
    parts = ((_FOLDER / f"{name}.md").read_text(encoding="utf-8") for name in ("task", "agent"))
    return "\n\n".join(Template(part).substitute(texts).strip() for part in parts) + "\n"


def statistics(task: Task) -> str:
    """The training transitions in figures: how many, their rewards and ends, and what each element does."""
    train = task.train
    change = train.next_observations - train.observations
    values, counts = np.unique(train.rewards, return_counts=True)
    lines = [
        f"{len(train)} transitions of {len(np.unique(train.episodes))} episodes; {int(train.terminated.sum())} of them "
        "end their episode."
    ]
    if len(values) <= 10:
        said = ", ".join(f"{number(v)} ({n} times)" for v, n in zip(values, counts, strict=True))
        lines.append(f"Rewards: {said}.")
    else:
        lines.append(f"Rewards: {_range(train.rewards)}.")
    if task.observation_space.size <= SHOWN_WHOLE:
        lines += ["", "| element | least | mean | greatest | mean size of its change |", "|---|---|---|---|---|"]
        lines += [
            f"| {i} | {_figure(x.min())} | {_figure(x.mean())} | {_figure(x.max())} | {_figure(np.abs(d).mean())} |"
            for i, (x, d) in enumerate(zip(train.observations.T, change.T, strict=True))
        ]
    return "\n".join(lines)


def printed(analysis: Analysis) -> str:
    """What a script printed."""
    parts = ["# What the script printed", _quoted(analysis.output) if analysis.output.strip() else "(nothing)"]
    if analysis.failure is not None:
        parts += ["It failed:", failure_text(analysis.failure)]
    return "\n\n".join(parts)


def judged(task: Task, evaluation: Evaluation) -> str:
    """How a program did on the training transitions."""
    parts = ["# How the program did on the training transitions"]
    if evaluation.raised and evaluation.failure is not None:
        parts += ["It fails:", failure_text(evaluation.failure)]
    else:
        parts += [
            f"Score {evaluation.accuracy:.4f}. Share predicted right: observation {evaluation.state:.4f}, reward "
            f"{evaluation.reward:.4f}, done {evaluation.done:.4f}; everything at once {evaluation.exact:.4f}.",
            evidence(evaluation, task.observation_space, task.action_space),
        ]
    return "\n\n".join(parts)


def reply(parts: Sequence[str], failed: Sequence[str] = ()) -> str:
    """What comes back for an answer. failed: why calls in it asked for nothing."""
    parts = [*parts, *failed]
    if parts:
        return "\n\n".join(parts) + "\n"
    return (
        "There was neither a script nor a whole program in the answer. Give one, or write DONE in a line of its own.\n"
    )


def _range(values: Floats) -> str:
    return f"from {_figure(values.min())} to {_figure(values.max())}, mean {_figure(values.mean())}"


def _figure(value: float) -> str:
    return f"{float(value):.4g}"


def _quoted(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines())
