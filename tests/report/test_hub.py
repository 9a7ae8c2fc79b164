from pathlib import Path

import numpy as np
import pytest

from cwmb.benchmark.catalog import environment
from cwmb.benchmark.trajectories import transitions
from cwmb.errors import CwmbError
from cwmb.harness.ledger import Ledger
from cwmb.report.hub import answers_dataset, transitions_dataset
from cwmb.types import Reply, Usage


def test_transitions_come_as_they_are() -> None:
    data = transitions(environment("Pendulum-v1"), "test")
    rows = transitions_dataset("Pendulum-v1", "test")
    for field in data.__dataclass_fields__:
        np.testing.assert_array_equal(np.array(rows[field][:]), getattr(data, field))


def test_answers_come_with_their_prompts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "cells" / "Taxi-v3" / "seed-4")
    request = {"messages": [{"role": "user", "content": "write"}], "seed": 1}
    ledger.entry(
        "call", 0, "a", Reply, lambda: Reply("class Environment", Usage()), {"kind": "generate", "request": request}
    )
    (row,) = answers_dataset(tmp_path)
    assert (row["environment"], row["seed"], row["kind"], row["answer"], row["accuracy"]) == (
        "Taxi-v3", 4, "generate", "class Environment", None,
    )  # fmt: skip


def test_a_folder_without_ledgers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CwmbError, match="holds no ledgers"):
        answers_dataset(tmp_path)
