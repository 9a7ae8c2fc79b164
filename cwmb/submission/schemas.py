"""What records, manifests and ledgers look like to other programs: JSON Schema, made from the types that write them.

``docs/schemas/`` holds them as ``cwmb schema`` prints them; a test keeps the two alike.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import msgspec

from cwmb.errors import unknown
from cwmb.harness.episodes import Episode
from cwmb.harness.records import SCHEMA, Record, Score
from cwmb.submission.manifest import FORMAT, Manifest
from cwmb.types import Analysis, Evaluation, Message, Reply

LEDGER = 1  # raised when old readers would misread a line


class Question(msgspec.Struct):
    """What was asked, but for the sampling, which is the run's."""

    messages: list[Message]
    seed: int


class Entry(msgspec.Struct, tag_field="type"):
    """What all lines of a ledger have: which of its kind it is, a hash of what was asked, CRC-32 of what precedes."""

    index: int
    key: str


class CallEntry(Entry, tag="call"):
    """An answer of the language model. parent, note: the decision that led to the question."""

    kind: str
    parent: int | None
    note: dict[str, Any]
    request: Question
    value: Reply
    prefix: str = ""
    check: str | None = None


class EvaluationEntry(Entry, tag="evaluation"):
    """A training score. source: of a program that no call wrote."""

    value: Evaluation
    source: str | None = None
    check: str | None = None


class AnalysisEntry(Entry, tag="analysis"):
    """What a script on the training data printed. program: hash of the one that it could use."""

    script: str
    program: str | None
    value: Analysis
    check: str | None = None


class ScoreEntry(Entry, tag="score"):
    """A score of a judged program."""

    value: Score
    source: str | None = None
    check: str | None = None


class EpisodeEntry(Entry, tag="episode"):
    """A planned episode."""

    value: Episode
    check: str | None = None


KINDS: dict[str, tuple[Any, int, str]] = {
    "record": (Record, SCHEMA, "A line of records.jsonl, or a cell's record.json."),
    "manifest": (Manifest, FORMAT, "The manifest.json of a bundle."),
    "ledger": (
        CallEntry | EvaluationEntry | AnalysisEntry | ScoreEntry | EpisodeEntry,
        LEDGER,
        "A line of a cell's ledger.jsonl.",
    ),
}


def file_name(kind: str) -> str:
    """What the schema's file is called: its version is part of the name."""
    return f"{kind}-{KINDS[kind][1]}.schema.json"


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a kind of file. Raises CwmbError: there is none of that name."""
    if kind not in KINDS:
        raise unknown("schema", kind, KINDS)
    made, version, says = KINDS[kind]
    found = msgspec.json.schema(made)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": file_name(kind), "version": version}
    return {name: _tidy(value) for name, value in {**head, "description": says, **found}.items()}


def _tidy(value: Any) -> Any:
    """Docstrings as they read, without the indentation that they have in code."""
    if isinstance(value, dict):
        return {
            key: _text(item) if key == "description" and isinstance(item, str) else _tidy(item)
            for key, item in value.items()
        }
    return [_tidy(item) for item in value] if isinstance(value, list) else value


def _text(text: str) -> str:
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(text)).strip()
