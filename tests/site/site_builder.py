"""Runs as a site reads them, made by hand."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import protocol
from cwmb.harness.files import dumps
from cwmb.harness.records import Planning, Provenance, Record, Score
from cwmb.journal import checked_line
from cwmb.types import Evaluation, Mistake, Program, Usage

HOSTILE = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>"


def score(accuracy: float) -> Score:
    skill = (accuracy - 0.4) / 0.6
    return Score(accuracy, accuracy, accuracy, 1.0, accuracy / 2, 1.0, 100, 0.4, 1.0, skill, None, precision=accuracy)


def planning(value: float) -> Planning:
    return Planning([value, value], value, 0.0, value, 0.1, 2, 200, 0, 1000, 0, 0, None, 2)


def provenance(name: str, protocol_name: str, **changes: Any) -> Provenance:
    data, rules = environment(name).dataset, protocol(protocol_name)
    made = Provenance(
        *("0.1.0", "c" * 40, False, "3.11.0", "2.1.0", "1.4.0", "3.3.5", "machine", [], ["seccomp"]),
        *(rules.checksum, data.train_sha256, data.test_sha256, "d" * 64, "p" * 64, "cwmb 0.1.0"),
        *(asdict(rules.sampling), [], ["gpt-test"]),
    )
    return replace(made, **changes)


def record(name: str, accuracy: float, seed: int = 0, **changes: Any) -> Record:
    """A record of a run of gif_mcts under protocol quick."""
    made = Record(
        schema=1,
        strategy="gif_mcts",
        options={},
        model="openai:gpt-test",
        simulated=False,
        environment=name,
        group=environment(name).group,
        seed=seed,
        protocol="quick",
        descriptions="default",
        state="done",
        budget=10,
        custom=False,
        stop="budget",
        program=Program("class Environment: pass").hash,
        program_call=0,
        train=score(accuracy),
        test=score(accuracy),
        anytime=[],
        planning=planning(accuracy),
        usage=Usage(3, 3000, 0, 900, 0, 0.05),
        prompts={"generate": 3},
        answers={"program": 3},
        failure=None,
        provenance=provenance(name, "quick"),
    )
    return replace(made, **changes)


def evaluation(accuracy: float, **changes: Any) -> Evaluation:
    mistake = Mistake(
        *(7, [0.1, 0.2, 0.3, 0.4], [1.0], [0.5, 0.6, 0.7, 0.8], 1.0, False),
        *([0.5, 0.9, 0.7, 0.8], 0.0, True, [1], True, True),
    )
    made = Evaluation(accuracy, accuracy, accuracy, 1.0, accuracy / 2, 1.0, 100, None, (mistake,), precision=accuracy)
    return replace(made, **changes)


def write_run(folder: Path, records: list[Record], programs: list[str], accuracies: list[float]) -> Path:
    """A run's folder as far as a site reads it: in each cell a chain of calls, each from the one before it."""
    folder.mkdir(parents=True)
    (folder / "records.jsonl").write_text("".join(dumps(r) + "\n" for r in records))
    for made in records:
        cell = folder / "cells" / made.environment / f"seed-{made.seed}"
        (cell / "programs").mkdir(parents=True)
        lines = []
        for i, (source, accuracy) in enumerate(zip(programs, accuracies, strict=True)):
            note = {
                "action": "improve",
                "path": [{"node": i - 1 if i else None, "choices": [{"action": "fix", "value": 0.5}]}],
            }
            usage = {"prompt_tokens": 1000, "completion_tokens": 300, "dollars": 0.01}
            call = {"kind": "improve" if i else "generate", "parent": i - 1 if i else None, "note": note}
            lines.append({"type": "call", "index": i, "key": "k", **call, "value": {"text": source, "usage": usage}})
            value = json.loads(dumps(evaluation(accuracy)))
            lines.append({"type": "evaluation", "index": i, "key": Program(source).hash, "value": value})
            (cell / "programs" / f"{i:04}.py").write_text(source)
        (cell / "ledger.jsonl").write_bytes(b"".join(map(checked_line, lines)))
    return folder


PROGRAMS = [
    "class Environment:\n    def step(self, action):\n        return 0, 0.0, False  # <b>not bold</b>\n",
    "class Environment:\n    def step(self, action):\n        return 1, 1.0, False  # </code><script>x()</script>\n",
    "class Environment: pass",
]
