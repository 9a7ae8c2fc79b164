"""Small hand-made records and run folders."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import protocol
from cwmb.harness.files import dumps
from cwmb.harness.records import SCHEMA, Anytime, Planning, Provenance, Record, Score
from cwmb.judging.scoring import skill
from cwmb.types import Failure, Usage

PROVENANCE = Provenance(
    cwmb="0.1.0",
    commit="0123456789abcdef0123456789abcdef01234567",
    dirty=False,
    python="3.11.7",
    numpy="2.4.0",
    gymnasium="1.4.0",
    mujoco="3.3.5",
    machine="x86_64-Linux",
    cpu_features=["AVX2"],
    sandbox=["seccomp"],
    protocol_sha256="",
    train_sha256="1" * 64,
    test_sha256="2" * 64,
    description_sha256="3" * 64,
    prompts_sha256="4" * 64,
    strategy_package="cwmb 0.1.0",
    sampling={"temperature": 1.0},
    dropped_parameters=[],
    reported_models=["m"],
)


def a_score(accuracy: float, floor: float = 0.5, ceiling: float | None = 1.0, **changes: Any) -> Score:
    score = Score(
        accuracy=accuracy,
        state=accuracy,
        reward=accuracy,
        done=accuracy,
        exact=accuracy / 2,
        ran=1.0,
        n=100,
        floor=floor,
        ceiling=ceiling,
        skill=None if ceiling is None else skill(accuracy, floor, ceiling),
        failure=None,
    )
    return replace(score, **changes)


def a_planning(normalised: float | None = 0.5, sem: float | None = 0.1, **changes: Any) -> Planning:
    normalised = None if normalised is None else float(normalised)
    planning = Planning(
        returns=[10.0, 20.0],
        return_mean=15.0,
        return_sem=5.0,
        normalised_return=normalised,
        normalised_sem=sem if normalised is not None else None,
        episodes=2,
        steps=20,
        random_actions=0,
        model_steps=1000,
        failed_steps=0,
        limited=0,
        failure=None,
    )
    return replace(planning, **changes)


def a_record(
    environment_id: str = "CartPole-v1",
    seed: int = 0,
    accuracy: float = 0.75,
    normalised: float | None = 0.5,
    *,
    protocol_name: str = "quick",
    provenance: Provenance = PROVENANCE,
    **changes: Any,
) -> Record:
    rules = protocol(protocol_name)
    record = Record(
        schema=SCHEMA,
        strategy="gif_mcts",
        options={},
        model="openai:m",
        simulated=False,
        environment=environment_id,
        group=environment(environment_id).group,
        seed=seed,
        protocol=protocol_name,
        descriptions="default",
        state="done",
        budget=rules.calls,
        custom=False,
        stop="budget",
        program="a" * 64,
        program_call=0,
        train=a_score(min(1.0, float(accuracy) + 0.05)),
        test=a_score(float(accuracy)),
        anytime=[
            Anytime(calls, "b" * 64, max(float(accuracy) - 0.1, 0.0), a_score(max(float(accuracy) - 0.2, 0.0)))
            for calls in rules.report_calls
        ],
        planning=a_planning(normalised),
        usage=Usage(rules.calls, 1000, 100, 500, 50, 0.25),
        prompts={"generate": rules.calls},
        answers={"program": rules.calls},
        failure=None,
        provenance=replace(provenance, protocol_sha256=rules.checksum),
    )
    return replace(record, **changes)


def lost(record: Record, kind: str = "infrastructure") -> Record:
    """The record as it is where an endpoint failed, or the strategy raised."""
    state = "infrastructure" if kind == "infrastructure" else "failed"
    failure = Failure(kind, "it did not work")
    return replace(record, state=state, stop="error", failure=failure, train=None, test=None, planning=None, anytime=[])


def a_run(folder: Path, records: Sequence[Record]) -> Path:
    """A run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "records.jsonl").write_text("".join(dumps(record) + "\n" for record in records))
    return folder


def a_ledger(folder: Path, record: Record, entries: Sequence[dict[str, Any]], seconds: float = 1.0) -> None:
    """The ledger and the timings of a cell."""
    cell = folder / "cells" / record.environment / f"seed-{record.seed}"
    cell.mkdir(parents=True)
    (cell / "ledger.jsonl").write_text("".join(json.dumps(e) + "\n" for e in entries))
    times = [{"type": e["type"], "index": e["index"], "seconds": seconds} for e in entries]
    (cell / "timings.jsonl").write_text("".join(json.dumps(t) + "\n" for t in times))


def call(index: int, tokens: int = 100, dollars: float | None = 0.01) -> dict[str, Any]:
    usage = {"calls": 1, "prompt_tokens": tokens, "completion_tokens": tokens, "dollars": dollars}
    return {"type": "call", "index": index, "key": f"request {index}", "value": {"text": "…", "usage": usage}}


def evaluation(index: int, program: str, accuracy: float, exact: float = 0.0) -> dict[str, Any]:
    return {"type": "evaluation", "index": index, "key": program, "value": {"accuracy": accuracy, "exact": exact}}


def scored(index: int, program: str, accuracy: float) -> dict[str, Any]:
    return {"type": "score", "index": index, "key": f"test:{program}", "value": {"accuracy": accuracy}}
