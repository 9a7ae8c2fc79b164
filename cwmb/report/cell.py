"""One cell, as text: what was tried, what went wrong and where, what it cost, and the tree of the search."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cwmb.errors import CwmbError
from cwmb.harness.records import Record, Score, read_records
from cwmb.journal import entries as entries_of
from cwmb.report.render import text
from cwmb.report.table import Column, Table
from cwmb.text import line


def show_cell(folder: Path) -> str:
    """A cell's folder (``runs/…/cells/ENVIRONMENT/seed-K``) as text for a terminal of 120 columns.

    A cell that is still running is shown as far as it is.

    Raises:
        CwmbError: it is no cell's folder, or its ledger is damaged.
    """
    ledger = folder / "ledger.jsonl"
    if not ledger.is_file():
        raise CwmbError(f"{folder} is no cell: name a folder such as runs/NAME/cells/CartPole-v1/seed-0")
    record = read_records(folder / "record.json")[0] if (folder / "record.json").is_file() else None
    tries = list(_tries(list(entries_of(ledger)), _unusable(folder / "tree.json")))
    parts = [
        "\n".join(_head(folder, record, tries)),
        text([_table(tries)]) if tries else "No call was made.",
        "\n".join(_wrong(tries)),
        "\n".join(["The search's tree:", *_tree(tries)]) if any(t.parent is not None for t in tries) else "",
    ]
    return "\n\n".join(part for part in parts if part)


@dataclass(frozen=True)
class _Try:
    """A call and what became of its answer.

    unusable: the failure of an answer that could not be used; evaluation: the ledger's, of the program that followed.
    """

    call: int
    parent: int | None
    kind: str
    tokens: int
    dollars: float | None
    unusable: str | None
    evaluation: dict[str, Any] | None

    @property
    def accuracy(self) -> float | None:
        """The training score."""
        return self.evaluation["accuracy"] if self.evaluation else None

    @property
    def outcome(self) -> str:
        """What went wrong, in a word."""
        if self.evaluation is None:
            return self.unusable or "not evaluated"
        failure = self.evaluation.get("failure")
        return str(failure["kind"]) if failure else "perfect" if self.evaluation["exact"] == 1.0 else ""


def _unusable(tree: Path) -> dict[int, str]:
    """The failures of answers by their call, which the tree has once the search is over."""
    nodes = json.loads(tree.read_bytes()) if tree.is_file() else []
    return {node["call"]: node["failure"] for node in nodes if node["failure"]}


def _tries(entries: Sequence[dict[str, Any]], unusable: Mapping[int, str]) -> Iterator[_Try]:
    """The calls in order, each with the evaluation right after it."""
    for place, entry in enumerate(entries):
        if entry["type"] != "call":
            continue
        following = entries[place + 1] if place + 1 < len(entries) else {}
        evaluation: Any = following["value"] if following.get("type") == "evaluation" else None
        usage = entry["value"]["usage"]
        yield _Try(
            call=entry["index"],
            parent=entry.get("parent"),
            kind=str(entry.get("kind", "")),
            tokens=usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0),
            dollars=usage.get("dollars", 0.0),
            unusable=unusable.get(entry["index"]),
            evaluation=evaluation,
        )


def _head(folder: Path, record: Record | None, tries: Sequence[_Try]) -> Iterator[str]:
    cost = _cost(folder, tries)
    if record is None:
        yield f"{folder.parent.name} {folder.name}: running, or stopped before its end"
        yield f"  cost      {cost}"
        return
    yield (
        f"{record.environment} seed {record.seed}: {line(record.strategy)} with {line(record.model)}, protocol "
        f"{record.protocol}, at most {record.budget} calls"
    )
    why = f" ({record.limit})" if record.limit else ""
    yield f"  ended     {record.state}: {record.stop}{why}"
    if record.failure:
        yield f"  failure   {line(record.failure.message)}"
    for split, score in (("test", record.test), ("train", record.train)):
        if score is not None:
            yield f"  {split:9} {_score(score)}"
    if record.program:
        by = "no call" if record.program_call is None else f"call {record.program_call}"
        yield f"  program   {record.program[:16]} of {by}"
    if record.planning is not None:
        p = record.planning
        normalised = "" if p.normalised_return is None else f", normalised {p.normalised_return:.3f}"
        yield f"  return    {p.return_mean:.3f} ± {p.return_sem:.3f} over {p.episodes} episodes{normalised}"
    yield f"  cost      {cost}"


def _score(score: Score) -> str:
    skill = "" if score.skill is None else f"  skill {score.skill:.4f}"
    failure = f"  {score.failure.kind}: {line(score.failure.message)}" if score.failure else ""
    return f"accuracy {score.accuracy:.4f}  exact {score.exact:.4f}{skill}{failure}"


def _cost(folder: Path, tries: Sequence[_Try]) -> str:
    tokens = sum(t.tokens for t in tries)
    known = [t.dollars for t in tries if t.dollars is not None]
    dollars = f"${sum(known):.4f}" if len(known) == len(tries) else "dollars unknown"
    seconds: dict[str, float] = {}
    timings = folder / "timings.jsonl"
    for entry_line in timings.read_text().splitlines() if timings.is_file() else []:
        try:
            entry = json.loads(entry_line)
            seconds[entry["type"]] = seconds.get(entry["type"], 0.0) + entry["seconds"]
        except (ValueError, KeyError, TypeError):
            continue  # a torn line: times are no result
    times = ", ".join(f"{kind} {value:.1f} s" for kind, value in seconds.items())
    return f"{len(tries)} calls, {tokens:,} tokens, {dollars}" + (f"; {times}" if times else "")


def _table(tries: Sequence[_Try]) -> Table:
    columns = (
        Column("call", "call"),
        Column("parent", "from"),
        Column("kind", "kind"),
        Column("accuracy", "accuracy", digits=4),
        Column("exact", "exact", digits=4),
        Column("tokens", "tokens"),
        Column("outcome", "outcome"),
    )
    entries = (
        vars(t)
        | {"kind": line(t.kind), "accuracy": t.accuracy, "outcome": t.outcome or None}
        | {"exact": t.evaluation["exact"] if t.evaluation else None}
        for t in tries
    )
    return Table.of("calls", "What was tried (scores on the training set):", columns, entries)


def _wrong(tries: Sequence[_Try]) -> Iterator[str]:
    """What went wrong with each program and where: its failure, or the transition that was shown to the model."""
    for t in tries:
        failure = t.evaluation.get("failure") if t.evaluation else None
        if failure:
            where = f" (line {failure['line']}: {line(str(failure.get('code') or ''))})" if failure.get("line") else ""
            yield f"call {t.call}: {failure['kind']}: {line(str(failure['message']))}{where}"
        elif t.evaluation and t.evaluation["mistakes"]:
            yield f"call {t.call}: {_mistake(t.evaluation['mistakes'][0])}"


def _mistake(mistake: dict[str, Any]) -> str:
    parts = [
        f"observation[{i}] {mistake['predicted_observation'][i]:.6g} should be {mistake['next_observation'][i]:.6g}"
        for i in mistake["wrong_elements"][:3]
    ]
    if len(mistake["wrong_elements"]) > 3:
        parts.append(f"{len(mistake['wrong_elements']) - 3} more elements")
    if mistake["reward_wrong"]:
        parts.append(f"reward {mistake['predicted_reward']:.6g} should be {mistake['reward']:.6g}")
    if mistake["done_wrong"]:
        parts.append(f"done {mistake['predicted_done']} should be {mistake['done']}")
    return f"transition {mistake['index']}: {', '.join(parts) or 'an observation of the wrong shape or kind'}"


def _tree(tries: Sequence[_Try], parent: int | None = None, indent: str = "") -> Iterator[str]:
    """A line for each call below its parent's."""
    children = [t for t in tries if t.parent == parent]
    for t in children:
        last = t is children[-1]
        score = "–" if t.accuracy is None else f"{t.accuracy:.4f}"
        yield f"{indent}{'└─' if last else '├─'} {t.call} {line(t.kind)} {score} {t.outcome}".rstrip()
        yield from _tree([u for u in tries if u.call > t.call], t.call, indent + ("   " if last else "│  "))
