"""``cwmb show``: a cell in text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from report_builder import a_record

from cwmb.errors import CwmbError
from cwmb.harness.records import write_record
from cwmb.report.cell import show_cell
from cwmb.types import Failure

PROGRAM = "a" * 64


def call(index: int, parent: int | None, kind: str = "generate", dollars: float | None = 0.01) -> dict[str, Any]:
    usage = {"calls": 1, "prompt_tokens": 100, "completion_tokens": 20, "dollars": dollars}
    value = {"text": "…", "usage": usage}
    return {"type": "call", "index": index, "key": "k", "kind": kind, "parent": parent, "note": {}, "value": value}


def evaluation(index: int, accuracy: float, exact: float = 0.0, **more: Any) -> dict[str, Any]:
    value = {"accuracy": accuracy, "exact": exact, "failure": None, "mistakes": [], **more}
    return {"type": "evaluation", "index": index, "key": PROGRAM, "value": value}


MISTAKE = {
    "index": 7,
    "next_observation": [1.0, 2.0, 3.0, 4.0],
    "predicted_observation": [1.5, 2.5, 3.5, 4.5],
    "wrong_elements": [0, 1, 2, 3],
    "reward": 1.0,
    "predicted_reward": 0.0,
    "reward_wrong": True,
    "done": True,
    "predicted_done": False,
    "done_wrong": True,
}
FAILURE = {"kind": "exception", "message": "ZeroDivisionError: \x1b[31mred", "line": 3, "code": "1 / 0"}


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    folder = tmp_path / "cells" / "CartPole-v1" / "seed-0"
    (folder / "programs").mkdir(parents=True)
    entries = [
        call(0, None),
        evaluation(0, 0.0, failure=FAILURE),
        call(1, 0, "fix"),
        call(2, 0, "fix"),
        evaluation(1, 0.75, mistakes=[MISTAKE]),
        call(3, 2, "improve"),
        evaluation(2, 1.0, 1.0),
    ]
    (folder / "ledger.jsonl").write_text("".join(json.dumps(e) + "\n" for e in entries))
    (folder / "timings.jsonl").write_text('{"type": "call", "index": 0, "seconds": 1.5}\n{"type": "ca')
    return folder


def test_a_running_cell_is_shown_as_far_as_it_is(cell: Path) -> None:
    shown = show_cell(cell)
    assert "CartPole-v1 seed-0: running, or stopped before its end" in shown
    assert "4 calls, 480 tokens, $0.0400; call 1.5 s" in shown
    assert "call 0: exception: ZeroDivisionError: \\x1b[31mred (line 3: 1 / 0)" in shown
    assert "transition 7: observation[0] 1.5 should be 1, observation[1] 2.5 should be 2" in shown
    assert "1 more elements, reward 0 should be 1, done False should be True" in shown
    assert "\x1b" not in shown


def test_the_tree_hangs_together(cell: Path) -> None:
    tree = show_cell(cell).partition("The search's tree:\n")[2].splitlines()
    assert tree == [
        "└─ 0 generate 0.0000 exception",
        "   ├─ 1 fix – not evaluated",
        "   └─ 2 fix 0.7500",
        "      └─ 3 improve 1.0000 perfect",
    ]


def test_a_finished_cell_has_its_result(cell: Path) -> None:
    write_record(cell / "record.json", a_record(accuracy=0.75, failure=Failure("infrastructure", "x")))
    nodes = [{"call": i, "failure": "no_code" if i == 1 else None} for i in range(4)]
    (cell / "tree.json").write_text(json.dumps(nodes))
    shown = show_cell(cell)
    assert "CartPole-v1 seed 0: gif_mcts with openai:m, protocol quick, at most 10 calls" in shown
    assert "test      accuracy 0.7500  exact 0.3750  skill 0.5000" in shown
    assert "return    15.000 ± 5.000 over 2 episodes, normalised 0.500" in shown
    assert "1 fix – no_code" in shown


def test_unknown_dollars_and_flat_searches(cell: Path) -> None:
    (cell / "ledger.jsonl").write_text(json.dumps(call(0, None, dollars=None)) + "\n")
    shown = show_cell(cell)
    assert "dollars unknown" in shown
    assert "tree" not in shown


def test_what_is_no_cell_is_refused(tmp_path: Path, cell: Path) -> None:
    with pytest.raises(CwmbError, match="is no cell: name a folder such as"):
        show_cell(tmp_path)
    (cell / "ledger.jsonl").write_text("no entry\n")
    with pytest.raises(CwmbError, match=r"ledger\.jsonl:1 is no ledger entry"):
        show_cell(cell)
