"""Problems of programming in the schema of APPS (Hendrycks et al. 2021): a question, and tests of input and output.

From a file (JSON lines or Parquet), or from the Hugging Face hub. The benchmark's own few lie in
``environments/problems/``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cwmb.benchmark.data import data_path
from cwmb.errors import CwmbError

HUB = "hub"  # the name of the source that is no file
_DATASET, _REVISION, _DIFFICULTY = "codeparrot/apps", "refs/convert/parquet", "competition"


@dataclass(frozen=True)
class Test:
    """A standard input, and the standard output that belongs to it."""

    __test__ = False  # of ours, says pytest's collection

    given: str
    expected: str


@dataclass(frozen=True)
class Problem:
    """A problem. id: a name that can be a folder's; solutions: programs that solve it, if known."""

    id: str
    question: str
    tests: tuple[Test, ...]
    solutions: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[Test, ...]:
        """The first half of the tests: all that a search learns of."""
        return self.tests[: (len(self.tests) + 1) // 2]

    @property
    def sha256(self) -> str:
        """What identifies question and tests, in hex."""
        content = [self.question, [[t.given, t.expected] for t in self.tests]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True)
class Problems:
    """Problems of one source. skipped: how many had no tests of input and output, and are left out."""

    source: str
    problems: tuple[Problem, ...]
    skipped: int = 0


def read(source: str | None = None) -> Problems:
    """The problems of a file, of the hub (``hub``), or the benchmark's own.

    Raises:
        CwmbError: there is no such file, or it holds no problems in the schema of APPS.
    """
    if source is None:
        return own()
    rows = _hub() if source == HUB else _file(Path(source))
    return _problems(source, rows)


@cache
def own() -> Problems:
    """The benchmark's own problems, for tests and a first look."""
    return _problems("own", _file(data_path("environments", "problems", "own.jsonl")))


def _file(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        if path.suffix == ".parquet":
            import pandas

            yield from ({str(k): v for k, v in row.items()} for row in pandas.read_parquet(path).to_dict("records"))
            return
        with path.open(encoding="utf-8") as lines:
            for line in filter(str.strip, lines):
                yield json.loads(line)
    except (OSError, ValueError) as error:
        raise CwmbError(
            f"problems {path} cannot be read ({error}): give Parquet or JSON lines as APPS has them"
        ) from error


def _hub() -> Iterator[Mapping[str, Any]]:
    from datasets import load_dataset

    try:
        rows = load_dataset(_DATASET, "all", split="test", revision=_REVISION)
    except Exception as error:  # whatever the hub's client makes of a missing network
        raise CwmbError(f"{_DATASET} cannot be had from the hub ({error}): give a file with --apps") from error
    yield from (row for row in rows if row["difficulty"] == _DIFFICULTY)


def _problems(source: str, rows: Iterable[Mapping[str, Any]]) -> Problems:
    found: dict[str, Problem] = {}
    skipped = 0
    for number, row in enumerate(rows, start=1):
        try:
            problem = _problem(row)
        except (KeyError, TypeError, ValueError) as error:
            raise CwmbError(
                f"problems {source}: row {number} is no problem of APPS ({type(error).__name__}: {error}); it needs "
                "problem_id, question and input_output"
            ) from error
        if problem is None:
            skipped += 1
        elif problem.id in found:
            raise CwmbError(f"problems {source}: problem_id {problem.id} is there twice")
        else:
            found[problem.id] = problem
    if not found:
        raise CwmbError(f"problems {source}: there is none with tests of input and output")
    return Problems(source, tuple(found[name] for name in sorted(found)), skipped)


def _problem(row: Mapping[str, Any]) -> Problem | None:
    """The problem of a row; None where it asks for a function or has no tests."""
    number, question = row["problem_id"], row["question"]
    if not isinstance(question, str):
        raise TypeError(f"question is {question!r}")
    name = f"apps-{number:04d}" if isinstance(number, int) else str(number)
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"problem_id {number!r} is no name")
    told = row["input_output"]
    content = json.loads(told) if isinstance(told, str) and told.strip() else told or {}
    pairs = list(zip(content.get("inputs", ()), content.get("outputs", ()), strict=True))
    if content.get("fn_name") or not pairs:
        return None
    solutions = row.get("solutions") or "[]"
    known = json.loads(solutions) if isinstance(solutions, str) else solutions
    return Problem(name, question, tuple(Test(_text(i), _text(o)) for i, o in pairs), tuple(known))


def _text(value: Any) -> str:
    """A test's text, which APPS has as one, or as a list of lines."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    raise TypeError(f"a test holds {value!r}")
