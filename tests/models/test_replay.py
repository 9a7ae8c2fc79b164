from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from cwmb.errors import ContextExceeded, CwmbError, InfrastructureError
from cwmb.models import load
from cwmb.models.requests import request_hash
from cwmb.types import Message, Reply, Request, Sampling, Usage

REQUEST = Request((Message("user", "Write the program, please."),), Sampling(), seed=1)
REPLY = Reply("```python\n```", Usage(1, 10, 2, 3, 1, 0.25), "length", "gpt", ("seed",))


def entry(request: Request, reply: Reply) -> dict[str, Any]:
    return {"type": "call", "index": 0, "key": request_hash(request), "kind": "generate", "value": asdict(reply)}


def write(run: Path, entries: list[dict[str, Any]], cell: str = "cells/CartPole-v1/seed-0", tail: str = "") -> None:
    folder = run / cell
    folder.mkdir(parents=True)
    text = "".join(json.dumps(e) + "\n" for e in entries) + tail
    (folder / "ledger.jsonl").write_text(text)


def test_recorded_replies_come_back_whole_from_every_cell(tmp_path: Path) -> None:
    other = replace(REQUEST, seed=2)
    evaluation = {"type": "evaluation", "index": 0, "key": request_hash(REQUEST), "value": {"accuracy": 1.0}}
    write(tmp_path, [entry(REQUEST, REPLY), evaluation])
    write(tmp_path, [entry(other, replace(REPLY, text="other"))], "cells/Taxi-v3/seed-2")
    model = load(f"replay:{tmp_path}")
    assert model.complete(REQUEST) == REPLY
    assert model.complete(other).text == "other"


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, [entry(REQUEST, REPLY)], tail='{"type": "call", "ind')
    assert load(f"replay:{tmp_path}").complete(REQUEST) == REPLY


def test_an_unknown_request_is_named_and_never_asked(tmp_path: Path) -> None:
    write(tmp_path, [entry(REQUEST, REPLY)])
    other = replace(REQUEST, seed=2)
    with pytest.raises(InfrastructureError, match=f"{request_hash(other)[:16]} .Write the program, please"):
        load(f"replay:{tmp_path}").complete(other)


def test_an_exceeded_context_is_replayed_as_one(tmp_path: Path) -> None:
    write(tmp_path, [entry(REQUEST, replace(REPLY, text="too long", finish_reason="context_exceeded"))])
    with pytest.raises(ContextExceeded, match="too long"):
        load(f"replay:{tmp_path}").complete(REQUEST)


@pytest.mark.parametrize("line", ["no json", "[]", "{}", '{"type": "call", "key": "x", "value": {"text": 3}}'])
def test_a_damaged_ledger_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    write(tmp_path, [entry(REQUEST, REPLY)], tail=f"{line}\n")
    with pytest.raises(CwmbError, match=r"ledger\.jsonl:2 is no ledger entry"):
        load(f"replay:{tmp_path}")


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    for folder in ("", str(tmp_path), str(tmp_path / "absent")):
        with pytest.raises(CwmbError, match="replay:"):
            load(f"replay:{folder}")
