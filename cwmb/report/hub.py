"""The benchmark's transitions and the answers of a run as Hugging Face datasets, for those who train on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cwmb.benchmark.catalog import environment
from cwmb.benchmark.trajectories import transitions
from cwmb.errors import CwmbError
from cwmb.journal import entries
from cwmb.types import Split

if TYPE_CHECKING:
    from datasets import Dataset


def transitions_dataset(name: str, split: Split = "train") -> Dataset:
    """The transitions of an environment, one per row: the fields of cwmb.types.Transitions.

    Raises:
        CwmbError: there is no such environment, or its data are missing or damaged.
    """
    from datasets import Dataset

    data = transitions(environment(name), split)
    return Dataset.from_dict({field: list(getattr(data, field)) for field in data.__dataclass_fields__})


def answers_dataset(run: Path) -> Dataset:
    """Every call of a run, one per row: environment, seed, call, kind, prompt (messages as JSON), answer, and the
    training accuracy of the program that was found in it (None where there is none).

    Raises:
        CwmbError: the folder holds no ledgers.
    """
    from datasets import Dataset

    rows = [row for ledger in sorted(run.glob("cells/*/seed-*/ledger.jsonl")) for row in _answers(ledger)]
    if not rows:
        raise CwmbError(f"{run} holds no ledgers (cells/*/seed-*/ledger.jsonl): name a run's folder")
    return Dataset.from_list(rows)


def _answers(ledger: Path) -> Iterator[dict[str, Any]]:
    nodes = json.loads((ledger.parent / "tree.json").read_text()) if (ledger.parent / "tree.json").exists() else []
    accuracy = {node["call"]: node["accuracy"] for node in nodes}
    for entry in entries(ledger):
        if entry["type"] == "call":
            yield {
                "environment": ledger.parts[-3],
                "seed": int(ledger.parts[-2].removeprefix("seed-")),
                "call": entry["index"],
                "kind": entry["kind"],
                "prompt": json.dumps(entry["request"]["messages"]),
                "answer": entry["value"]["text"],
                "accuracy": accuracy.get(entry["index"]),
            }
