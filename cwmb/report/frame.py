"""Records as a pandas DataFrame: one row per cell and budget."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cwmb.benchmark.catalog import environment_ids
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import ORIGINAL, suite
from cwmb.errors import CwmbError
from cwmb.harness.records import Anytime, Record, Score, read_records
from cwmb.judging.scoring import skill
from cwmb.text import line

if TYPE_CHECKING:
    import pandas as pd

# What makes two cells comparable: the same search under the same budget. budget is what the row tells about, run_budget
# what the search was allowed: smaller budgets are read off a larger run.
KEY = ["strategy", "options", "model", "run_budget", "budget"]

TEXT = {
    "run": "the folder or file that the record was read from",
    "strategy": "its name",
    "options": "all its options, canonical JSON",
    "label": "the strategy with those options that are not its defaults",
    "model": "provider:name",
    "environment": "the benchmark's name",
    "group": "discrete or continuous (actions)",
    "protocol": "its name",
    "protocol_sha256": "its file's checksum",
    "descriptions": "the description set",
    "suite": "the suite of environments",
    "state": "done, failed or infrastructure",
    "stop": "why the search ended",
    "limit": "which budget ended the search",
    "program": "SHA-256 of the judged program",
    "failure": "the kind of the failure to show: of the search, else of the score, else of planning",
    "commit": "git commit of cwmb",
    "dropped": "parameters that an endpoint refused",
}
FLAGS = {
    "simulated": "no language model was asked",
    "custom": "budget or number of seeds are not the protocol's",
    "unsandboxed": "programs ran without a sandbox",
    "guessed": "tokens that an endpoint did not count are estimated from the characters",
    "dirty": "cwmb was changed since its commit",
    "scored": "whether there is a score: an infrastructure failure or a failed strategy has none",
}
WHOLE = {"seed": "from 0", "budget": "LLM calls that the row tells about", "run_budget": "LLM calls that were allowed"}
# The score is measured on the split that the protocol reports: test, but train under protocol paper.
NUMBERS = {
    "world_seed": "of the suite's drawn worlds; missing in cwmb18",
    "accuracy": "the score",
    "train_accuracy": "the same on the training transitions",
    "state_part": "share of right observation elements",
    "reward_part": "share of right rewards",
    "done_part": "share of right dones",
    "exact": "share of transitions with all parts right",
    "ran": "share of transitions that ran",
    "floor": "accuracy of the persistence program",
    "ceiling": "reference ceiling",
    "skill": "(accuracy - floor) / (ceiling - floor)",
    "unseen_accuracy": "accuracy on test pairs absent from train",
    "precision": "share of right decimal digits",
    "valid_part": "share of transitions with right valid actions",
    "return_mean": "mean return of the planned episodes",
    "return_sem": "its standard error over episodes",
    "normalised_return": "(R - R_random) / (R_oracle - R_random)",
    "normalised_sem": "its standard error, both baselines' included",
    "won": "share of the planned episodes with a positive return",
    "episodes": "that were planned in time",
    "wanted": "that were to be planned",
    "random_actions": "taken because no plan was to be had",
    "model_steps": "of the program while planning",
    "failed_steps": "of these, those that failed",
    "limited": "episodes that ran into the planning limit",
    "calls": "LLM calls of the whole search",
    "exceeded_calls": "those whose prompt did not fit into the model's context window",
    "refused_calls": "those that a content filter or the model itself refused to answer",
    "reduced_calls": "those for which an endpoint granted fewer new tokens than the protocol asks for",
    "thought_calls": "those whose program stood in the model's thoughts and nowhere else",
    "prompt_tokens": "of the whole search",
    "cached_tokens": "of these, from the endpoint's cache",
    "written_tokens": "of these, written to the endpoint's cache",
    "completion_tokens": "of the whole search",
    "reasoning_tokens": "of these, hidden",
    "dollars": "of the whole search; missing where a price is unknown",
    "steps_per_second": "steps of the program in a reference second of CPU time, while it is scored",
    "planned_per_second": "steps of the model in a reference second, while it is planned with",
    "at_once_per_second": "the same where they were taken by step_many",
    "reference_seconds": "that planning took",
    "fit_seconds": "reference seconds that the program learned for",
    "call_seconds": "waiting for the model",
    "score_seconds": "running programs on transitions",
    "episode_seconds": "planning and acting",
}
COLUMNS = [*TEXT, *FLAGS, *WHOLE, *NUMBERS]

_SECONDS = {
    "call": "call_seconds",
    "evaluation": "score_seconds",
    "score": "score_seconds",
    "episode": "episode_seconds",
}


@dataclass(frozen=True)
class Run:
    """Records that were read from one place. folder: where its cells lie, if they do."""

    path: Path
    records: list[Record]

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.path if self.path.is_dir() else self.path.parent

    @cached_property
    def has_cells(self) -> bool:
        """Whether the cells' folders are at hand, or the records only."""
        return (self.folder / "cells").is_dir()

    def cell_file(self, record: Record, name: str) -> bytes:
        """A file of a cell's folder: its ledger or its timings; empty where it is not at hand."""
        if not self.has_cells:
            return b""
        try:
            return (self.folder / record.cell.path / name).read_bytes()
        except OSError:
            return b""


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """The runs in these folders or records files, refused where their figures cannot stand in one table.

    Raises:
        CwmbError: no path is given, one holds no records, or runs differ in suite, protocol, data or descriptions, or
            hold the same cell twice.
    """
    if not paths:
        raise CwmbError("no run is named: name a run's folder, such as runs/gif_mcts-simulated-quick")
    runs = [Run(path, read_records(path)) for path in paths]
    empty = next((run.path for run in runs if not run.records), None)
    if empty is not None:
        raise CwmbError(f"{empty} holds no record yet: wait for the run's first cell, or resume it")
    _refuse_mixtures(runs)
    return runs


def frame(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per cell and budget, with the columns of COLUMNS; missing numbers are NaN.

    A cell has a row for its run's budget and one for each smaller budget that the protocol reads off it; the latter
    have a score, but no planning result.
    """
    import pandas as pd

    rows = [row for run in runs for record in run.records for row in _rows(run, record)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    kinds = {**dict.fromkeys(TEXT, "object"), **dict.fromkeys(FLAGS, "bool")}
    return table.astype({**kinds, **dict.fromkeys(WHOLE, "int64"), **dict.fromkeys(NUMBERS, "float64")})


def expected_cells(protocol_name: str, group: str | None = None, suite_name: str = ORIGINAL) -> int:
    """How many cells a protocol asks for, of one group of a suite's environments or of all."""
    every = environment_ids() if suite_name == ORIGINAL else suite(suite_name).ids
    ids = every if group is None else [name for name in every if group_of(name) == group]
    return len(ids) * protocol(protocol_name).seeds


@cache
def group_of(environment_id: str) -> str:
    """``discrete`` or ``continuous``."""
    from cwmb.benchmark.catalog import environment

    return environment(environment_id).group


# ---------------------------------------------------------------------------------------------------- mixtures


def _refuse_mixtures(runs: Sequence[Run]) -> None:
    """Raise where two records differ in what must be the same, naming both places."""
    seen: dict[tuple[str, ...], tuple[Any, Path]] = {}
    cells: dict[tuple[Any, ...], Path] = {}
    for run in runs:
        for record in run.records:
            for what, name, value in _comparable(record):
                known, where = seen.setdefault((what, name), (value, run.path))
                if known != value:
                    of = f" of {name}" if name else ""
                    raise CwmbError(
                        f"{what}{of} differs: {_brief(known)} in {where}, {_brief(value)} in {run.path}; figures that "
                        "are not comparable do not go into one table: make their tables apart"
                    )
            name, seed = record.environment, record.seed
            cell = (record.strategy, canonical(record.options), record.model, record.budget, name, seed)
            if cell in cells:
                raise CwmbError(
                    f"{name} seed {seed} of {record.strategy} with {record.model} is there twice, in {cells[cell]} and "
                    f"in {run.path}: name only one of them"
                )
            cells[cell] = run.path


def _comparable(record: Record) -> Iterator[tuple[str, str, str]]:
    p = record.provenance
    yield "suite", "", record.suite
    yield "seed of the worlds", "", "" if record.world_seed is None else str(record.world_seed)
    yield "protocol", "", record.protocol
    yield "description set", "", record.descriptions
    yield "checksum of protocol", record.protocol, p.protocol_sha256
    yield "training data", record.environment, p.train_sha256
    yield "test data", record.environment, p.test_sha256
    yield "description", record.environment, p.description_sha256


def _brief(value: str) -> str:
    return f"{value[:12]}…" if len(value) == 64 else repr(value)


# -------------------------------------------------------------------------------------------------------- rows


def _rows(run: Run, record: Record) -> Iterator[dict[str, Any]]:
    common = _common(run, record)
    on_train = protocol(record.protocol).scoring.split == "train"
    yield {
        **common,
        **_score(record.train if on_train else record.test, record),
        **_planning(record),
        "budget": record.budget,
        "train_accuracy": record.train.accuracy if record.train else None,
    }
    for early in record.anytime:
        yield {
            **common,
            **(_early_train_score(early, record) if on_train else _score(early.test, record)),
            "budget": early.calls,
            "train_accuracy": early.train_accuracy,
            "program": early.program,
            "failure": early.test.failure.kind if early.test and early.test.failure else None,
        }


def _common(run: Run, record: Record) -> dict[str, Any]:
    p, usage = record.provenance, record.usage
    timings = run.cell_file(record, "timings.jsonl")
    options = canonical(record.options)
    return {
        "run": line(str(run.path)),
        "strategy": record.strategy,
        "options": options,
        "label": label(record.strategy, options),
        "model": record.model,
        "environment": record.environment,
        "group": record.group,
        "protocol": record.protocol,
        "protocol_sha256": p.protocol_sha256,
        "descriptions": record.descriptions,
        "suite": record.suite,
        "world_seed": record.world_seed,
        "state": record.state,
        "stop": record.stop,
        "limit": record.limit,
        "program": record.program,
        "failure": _failure(record),
        "commit": p.commit,
        "dropped": ", ".join(p.dropped_parameters) or None,
        "simulated": record.simulated,
        "custom": record.custom,
        "unsandboxed": not p.sandbox,
        "guessed": usage.estimated_calls > 0,
        "dirty": bool(p.dirty),
        "scored": False,
        "seed": record.seed,
        "run_budget": record.budget,
        "calls": usage.calls,
        "exceeded_calls": record.answers.get("context_exceeded", 0),
        "refused_calls": record.answers.get("refused", 0),
        "reduced_calls": p.reduced_limits,
        "thought_calls": p.programs_in_thoughts,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "written_tokens": usage.written_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "dollars": usage.dollars,
        **_seconds(timings),
        **_speeds(timings, record.program),
    }


def _score(score: Score | None, record: Record) -> dict[str, Any]:
    if score is None or record.state != "done":
        return {}
    return {
        "scored": True,
        "accuracy": score.accuracy,
        "state_part": score.state,
        "reward_part": score.reward,
        "done_part": score.done,
        "exact": score.exact,
        "ran": score.ran,
        "floor": score.floor,
        "ceiling": score.ceiling,
        "skill": score.skill,
        "unseen_accuracy": score.unseen_accuracy,
        "precision": score.precision,
        "valid_part": score.valid,
    }


def _early_train_score(early: Anytime, record: Record) -> dict[str, Any]:
    """Of a protocol that reports the training score, which an early program has no more of than its accuracy."""
    if record.state != "done" or record.train is None:
        return {}
    floor, ceiling = record.train.floor, record.train.ceiling
    value = None if ceiling is None else skill(early.train_accuracy, floor, ceiling)
    return {"scored": True, "accuracy": early.train_accuracy, "floor": floor, "ceiling": ceiling, "skill": value}


def _planning(record: Record) -> dict[str, Any]:
    planning = record.planning
    if planning is None:
        return {}
    names = ("return_mean", "return_sem", "normalised_return", "normalised_sem", "episodes", "wanted", "random_actions")
    found = {name: getattr(planning, name) for name in (*names, "model_steps", "failed_steps", "limited")}
    if planning.returns:
        found["won"] = sum(r > 0 for r in planning.returns) / len(planning.returns)
    return found


def _failure(record: Record) -> str | None:
    score = record.train if protocol(record.protocol).scoring.split == "train" else record.test
    found = (record.failure, score.failure if score else None, record.planning.failure if record.planning else None)
    return next((failure.kind for failure in found if failure), None)


def _seconds(timings: bytes) -> dict[str, float]:
    """What a cell's entries took, by kind; nothing where it was not noted."""
    seconds: dict[str, float] = {}
    for timing in timings.splitlines():
        try:
            entry = json.loads(timing)
            name = _SECONDS[entry["type"]]
            seconds[name] = seconds.get(name, 0.0) + float(entry["seconds"])
        except (ValueError, KeyError, TypeError):
            continue  # a killed writer's torn line; times are no result
    return seconds


def _speeds(timings: bytes, program: str | None) -> dict[str, float]:
    """How fast the judged program was; nothing where that was not noted. Times are no part of records."""
    taken: dict[str, tuple[float, float]] = {}
    for text in timings.splitlines():
        try:
            entry = json.loads(text)
            if entry["type"] == "score" and entry["program"] == program:
                names = ["steps"]
                taken["fit"] = float(entry.get("fit", 0.0)), 1.0
            elif entry["type"] == "episode":
                names = ["planned", "at_once"] if entry["at_once"] else ["planned"]
            else:
                continue
            for name in names:
                steps, seconds = taken.get(name, (0.0, 0.0))
                taken[name] = steps + float(entry["steps"]), seconds + float(entry["reference"])
        except (ValueError, KeyError, TypeError):
            continue
    fit = taken.pop("fit", None)
    speeds = {f"{name}_per_second": steps / seconds for name, (steps, seconds) in taken.items() if seconds}
    if "planned" in taken:
        speeds["reference_seconds"] = taken["planned"][1]
    return {**speeds, "fit_seconds": fit[0]} if fit else speeds


# ------------------------------------------------------------------------------------------------------ labels


def canonical(options: Mapping[str, Any]) -> str:
    """Options as text, equal where they are equal."""
    return json.dumps(options, sort_keys=True)


@cache
def label(strategy: str, options: str) -> str:
    """A strategy's name with those of its options (canonical JSON) that are not its defaults today.

    All of them if it is not installed.
    """
    known = _defaults(strategy)
    own = {name: value for name, value in json.loads(options).items() if name not in known or known[name] != value}
    return " ".join([strategy, *(f"{name}={_word(value)}" for name, value in own.items())])


@cache
def _defaults(strategy: str) -> dict[str, Any]:
    """The defaults of an installed strategy's options; none of one that is not installed or cannot be imported."""
    from cwmb import plugins

    try:
        cls = plugins.load(plugins.find(plugins.STRATEGIES, "strategy", strategy), "strategy")
        return {field.name: field.default for field in dataclasses.fields(cls)}
    except Exception:
        return {}


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
