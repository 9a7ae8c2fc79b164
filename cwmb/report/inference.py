"""The table of inference times."""

from __future__ import annotations

from collections.abc import Sequence

from cwmb.harness.inference import Inference
from cwmb.report.table import Column, Table

COLUMNS = (
    Column("environment", "environment"),
    Column("model", "model"),
    Column("rows", "steps"),
    Column("model_seconds", "model, s", digits=3),
    Column("program_seconds", "program, s", digits=6),
    Column("ratio", "times faster", digits=0),
    Column("model_accuracy", "model's accuracy"),
    Column("program_accuracy", "program's"),
    Column("answered", "answered", detail=True),
    Column("prompt_tokens", "tokens in", detail=True),
    Column("completion_tokens", "tokens out", detail=True),
    Column("dollars", "$", digits=4, detail=True),
)


def inference_table(found: Sequence[Inference]) -> Table:
    """One row an environment."""
    entries = (
        vars(i) | vars(i.usage) | {"ratio": i.model_seconds / i.program_seconds if i.program_seconds else None}
        for i in found
    )
    return Table.of(
        "inference",
        "One step predicted by the language model itself, and by a program.",
        COLUMNS,
        entries,
        (
            "Seconds of the model: wall time of a call, median; of the program: CPU time of a step in reference "
            "seconds, mean. Accuracies are on the same drawn test transitions, each weighing the same.",
        ),
    )
