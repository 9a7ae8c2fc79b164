"""What one search did: its calls as a tree, each with its program, the difference from its parent, and what was wrong.

Read from a cell's ledger and programs, which strangers may have written: whatever does not have the expected form is
left out or shown as it stands.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from cwmb.conversion import convert
from cwmb.journal import entries
from cwmb.text import line, printable
from cwmb.types import Evaluation, Mistake, Program

MOST_CALLS = 200  # of a cell's that are shown: a page must open at once
LONGEST_PROGRAM = 1 << 16  # characters, as the protocols allow
MOST_FIELDS = 24  # of a mistake that are shown


@dataclass(frozen=True)
class Choice:
    """One step of a search down its tree. options: what it chose from, each with its figures, the best first."""

    at: str
    options: list[dict[str, str]]


@dataclass(frozen=True)
class Field:
    """One field of a transition. wrong: whether the prediction counts as wrong."""

    name: str
    before: str
    predicted: str
    truth: str
    wrong: bool


@dataclass(frozen=True)
class Wrong:
    """A wrongly predicted training transition, field by field. left_out: fields that are not shown."""

    index: int
    action: str
    fields: list[Field]
    left_out: int
    malformed: str


@dataclass(frozen=True)
class Call:
    """A call of the model, or a program that no call wrote (index None).

    depth: in the tree; program: its source; patch: the unified difference from its parent's program; outcome: what went
    wrong, in a word; judged: whether the scores are this program's.
    """

    index: int | None
    parent: int | None
    depth: int
    kind: str
    tokens: int
    program: str | None
    patch: str | None
    accuracy: float | None
    exact: float | None
    precision: float | None
    outcome: str
    failure: str
    judged: bool
    choices: list[Choice] = field(default_factory=list)
    note: str = ""
    wrong: list[Wrong] = field(default_factory=list)


@dataclass(frozen=True)
class Search:
    """The calls in the order of a walk through the tree; more: how many are not shown."""

    calls: list[Call]
    more: int


def search(folder: Path, judged: str | None) -> Search:
    """The search in a cell's folder. judged: the hash of the program that its scores are of."""
    found = list(entries(folder / "ledger.jsonl"))
    asked = [entry for entry in found if entry["type"] == "call"]
    programs = dict(_programs(folder / "programs"))
    evaluations = {entry["key"]: entry for entry in reversed(found) if entry["type"] == "evaluation"}
    calls = {entry["index"]: entry for entry in asked[:MOST_CALLS]}
    made: dict[int, Call] = {}
    for index, entry in calls.items():
        parent = entry.get("parent")
        parent = parent if isinstance(parent, int) and parent in made else None
        made[index] = _call(entry, parent, made, programs.get(index), evaluations, judged)
    walked = list(_walk(made))
    if judged in evaluations and judged is not None and not any(call.judged for call in walked):
        walked.append(_unasked(folder, judged, evaluations[judged]))
    return Search(walked, len(asked) - len(calls))


def _programs(folder: Path) -> Iterator[tuple[int, Program]]:
    for path in sorted(folder.glob("[0-9]*.py"))[: MOST_CALLS + 1]:
        yield int(path.stem), Program(path.read_bytes().decode("utf-8", "surrogatepass"))


def _call(
    entry: Mapping[str, Any],
    parent: int | None,
    before: Mapping[int, Call],
    program: Program | None,
    evaluations: Mapping[str, Mapping[str, Any]],
    judged: str | None,
) -> Call:
    usage = _mapping(_mapping(entry["value"]).get("usage"))
    note = _mapping(entry.get("note"))
    source = printable(program.source)[:LONGEST_PROGRAM] if program else None
    origin = before[parent].program if parent is not None else None
    choices = list(_choices(note))
    return Call(
        index=entry["index"],
        parent=parent,
        depth=0 if parent is None else before[parent].depth + 1,
        kind=line(str(entry.get("kind", "")), 40),
        tokens=sum(n for n in (usage.get("prompt_tokens"), usage.get("completion_tokens")) if isinstance(n, int)),
        program=source,
        patch=patch(origin, source) if origin and source else None,
        judged=program is not None and program.hash == judged,
        choices=choices,
        note="" if choices or not note else printable(json.dumps(note, indent=1))[:4000],
        **_evaluated(evaluations.get(program.hash) if program else None, answered=program is not None),
    )


def _unasked(folder: Path, judged: str, entry: Mapping[str, Any]) -> Call:
    """The judged program where no call wrote it: a strategy's own, such as persistence."""
    program = judged_program(folder, judged)
    shown = printable(program.source)[:LONGEST_PROGRAM] if program else None
    return Call(None, None, 0, "written by no call", 0, shown, None, judged=True, **_evaluated(entry, answered=True))


def judged_program(folder: Path, judged: str) -> Program | None:
    """The program of this hash in a cell's folder, None where it is not there."""
    paths = [folder / "program.py", *sorted((folder / "programs").glob("*.py"))]
    found = (Program(p.read_bytes().decode("utf-8", "surrogatepass")) for p in paths if p.is_file())
    return next((program for program in found if program.hash == judged), None)


def _evaluated(entry: Mapping[str, Any] | None, *, answered: bool) -> dict[str, Any]:
    """What is said of a program's training score."""
    try:
        evaluation = convert(entry["value"], Evaluation) if entry else None
    except (msgspec.ValidationError, ValueError, KeyError):
        evaluation = None
    if evaluation is None:
        none = {"accuracy": None, "exact": None, "precision": None, "failure": ""}
        return {**none, "outcome": "not evaluated" if answered else "no program"}
    failure = evaluation.failure
    said = f"{failure.kind}: {failure.message}" if failure else ""
    if failure and failure.line is not None:
        said += f" (line {failure.line}: {failure.code or ''})"
    return {
        "accuracy": evaluation.accuracy,
        "exact": evaluation.exact,
        "precision": evaluation.precision,
        "outcome": failure.kind if failure else "perfect" if evaluation.perfect else "",
        "failure": printable(said)[:2000],
        "wrong": [_wrong(mistake) for mistake in evaluation.mistakes[:5]],
    }


def _walk(calls: Mapping[int, Call]) -> Iterator[Call]:
    """Depth first, children in the order in which they were asked for, without recursion."""
    children: dict[int | None, list[int]] = {}
    for index, call in calls.items():
        children.setdefault(call.parent, []).append(index)
    waiting = children.get(None, [])[::-1]
    while waiting:
        index = waiting.pop()
        yield calls[index]
        waiting += children.get(index, [])[::-1]


def patch(before: str, after: str) -> str:
    """The unified difference of two programs, without the lines that name them."""
    return "\n".join([*difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)][2:])


def _choices(note: Mapping[str, Any]) -> Iterator[Choice]:
    """What a tree search chose from, step by step, where its note has the form that GIF-MCTS writes."""
    path = note.get("path")
    for step in path if isinstance(path, list) else []:
        offered = _mapping(step).get("choices")
        options = [
            {line(str(key), 40): _figure(value) for key, value in option.items()}
            for option in (offered if isinstance(offered, list) else [])
            if isinstance(option, dict)
        ]
        node = _mapping(step).get("node")
        yield Choice("the root" if node is None else f"call {line(str(node), 20)}", options[:40])


# --------------------------------------------------------------------------------------------------------- mistakes


def _wrong(mistake: Mistake) -> Wrong:
    wrong = set(mistake.wrong_elements)
    size = min(len(mistake.observation), len(mistake.next_observation), len(mistake.predicted_observation))
    order = sorted(range(size), key=lambda i: (i not in wrong, i))  # what is wrong is always shown
    chosen = sorted(order[:MOST_FIELDS])
    fields = [
        Field(
            f"observation[{i}]",
            _figure(mistake.observation[i]),
            _figure(mistake.predicted_observation[i]),
            _figure(mistake.next_observation[i]),
            i in wrong,
        )
        for i in chosen
    ]
    fields.append(Field("reward", "", _figure(mistake.predicted_reward), _figure(mistake.reward), mistake.reward_wrong))
    fields.append(Field("done", "", _figure(mistake.predicted_done), _figure(mistake.done), mistake.done_wrong))
    action = ", ".join(map(_figure, mistake.action[:20]))
    return Wrong(mistake.index, action, fields, max(0, size - len(chosen)), line(mistake.malformed, 300))


def _figure(value: Any) -> str:
    """A value of a stranger's as a short text."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, (int, float)):
        return f"{value:.6g}"
    return line(str(value), 60)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
