"""Three Hugging Face data sets: transitions, descriptions, results. One config a suite, Parquet, a card for each.

They are written to folders, to be looked at and uploaded by whoever answers for them; nothing is sent anywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cwmb.benchmark.baselines import of_environment
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.descriptions import description_sets
from cwmb.benchmark.protocols import protocol_names
from cwmb.benchmark.suites import ORIGINAL, Worlds, shipped, suite_names
from cwmb.benchmark.tasks import task
from cwmb.benchmark.trajectories import transitions
from cwmb.errors import CwmbError
from cwmb.export.croissant import croissant
from cwmb.harness.files import write_whole
from cwmb.models import prompts
from cwmb.report.configuration import configurations
from cwmb.report.frame import Run, frame, read_runs
from cwmb.types import SPLITS, Split

if TYPE_CHECKING:
    import pyarrow as pa

TAGS = ["benchmark", "code-generation", "world-models", "reinforcement-learning", "planning"]
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True)
class Part:
    """A file of a data set: one split of one config. rows: how many it has."""

    config: str
    split: str
    path: str
    rows: int
    sha256: str


def export(folder: Path, runs: Sequence[Path] = (), owner: str = "cwmb", say: Callable[[str], None] = print) -> None:
    """Write transitions, descriptions and results below a folder that is new or empty.

    runs: whose records go into the results; those of a whole suite get entries for their models' pages, too. owner:
    the namespace on the Hub that the data sets will be in.

    Raises:
        CwmbError: the folder is not empty, or a run holds no records.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CwmbError(f"{folder} is not empty: name a new folder")
    read = read_runs(runs) if runs else []
    for name, write in (("transitions", _transitions), ("descriptions", _descriptions)):
        parts = write(folder / name)
        say(f"{folder / name}: {len(parts)} files, {sum(part.rows for part in parts):,} rows")
    parts = _results(folder / "results", read)
    say(f"{folder / 'results'}: {len(parts)} files, {sum(part.rows for part in parts):,} rows")
    for path in _model_pages(folder / "models", read, f"{owner}/descriptions"):
        say(f"{path}: entries for a model's page")


# ------------------------------------------------------------------------------------------------- transitions


def _transitions(folder: Path) -> list[Part]:
    parts = [
        _write(folder, suite, split, (_rows(spec, split) for spec in _specs(shipped(suite))))
        for suite in suite_names()
        for split in SPLITS
    ]
    text = (
        "Recorded transitions of the Code World Models Benchmark: what programs that language models write have to "
        "predict. `train` is what a search sees, `test` what its program is judged on. Rows are float64 whatever the "
        "space: a discrete value is a row of one number. `determined` says of each element of the next observation, "
        "of the reward and of the end whether it follows from observation and action alone. `cwmb18` are Gymnasium's "
        "environments; `varied` and `hidden` have constants that were drawn anew."
    )
    _card(folder, "Code World Models Benchmark: transitions", text, parts, ["reinforcement-learning"])
    write_whole(folder / "croissant.json", json.dumps(croissant(parts, text), indent=1) + "\n")
    return parts


def _rows(spec: EnvironmentSpec, split: Split) -> pa.Table:
    import pyarrow as pa

    data = transitions(spec, split)
    return pa.table(
        {
            "environment": pa.array([spec.id] * len(data)),
            "episode": data.episodes,
            "step": data.steps,
            "observation": _lists(data.observations),
            "action": _lists(data.actions),
            "reward": data.rewards,
            "next_observation": _lists(data.next_observations),
            "terminated": data.terminated,
            "truncated": data.truncated,
            "determined": _lists(data.determined),
        }
    )


def _lists(rows: Any) -> pa.Array:
    """Rows [N, D] as N lists: D differs from environment to environment."""
    import pyarrow as pa

    n, size = rows.shape
    return pa.ListArray.from_arrays(np.arange(n + 1, dtype=np.int32) * size, pa.array(rows.ravel()))


# ------------------------------------------------------------------------------------------------ descriptions


def _descriptions(folder: Path) -> list[Part]:
    import pyarrow as pa

    def rows(worlds: Worlds, set_name: str) -> Iterator[pa.Table]:
        for spec in _specs(worlds):
            about = task(spec, set_name)
            (message,) = prompts.generate(about).messages
            texts = {"description": about.description, "contract": about.contract, "prompt": message.content}
            yield pa.Table.from_pylist([{"environment": spec.id, "actions": spec.group, **texts}])

    sets = {ORIGINAL: description_sets()}
    parts = []
    for suite in suite_names():
        for set_name in sets.get(suite, ("default",)):
            config = suite if set_name == "default" else f"{suite}-{set_name}"
            parts.append(_write(folder, config, "test", rows(shipped(suite), set_name)))
    text = (
        "What a language model is told in the Code World Models Benchmark: the text about an environment, the contract "
        "of the class to write, and the first question made of both. The answer is a Python class, judged by running "
        "it in a sandbox on the transitions of the test set (`pip install cwmb`)."
    )
    _card(folder, "Code World Models Benchmark: descriptions", text, parts, ["text-generation"])
    tasks = [
        {
            "id": part.config,
            "config": part.config,
            "split": part.split,
            "field_spec": {"input": "prompt", "target": "environment"},
            "solvers": [{"name": "generate"}],
            "scorers": [{"name": "cwmb/accuracy"}],
        }
        for part in parts
    ]
    says = {"name": "Code World Models Benchmark", "description": text, "evaluation_framework": "inspect-ai"}
    write_whole(folder / "eval.yaml", _yaml({**says, "tasks": tasks}))
    return parts


# ----------------------------------------------------------------------------------------------------- results


def _results(folder: Path, runs: Sequence[Run]) -> list[Part]:
    import pyarrow as pa

    parts = []
    for suite in suite_names():
        measured = [row for name in protocol_names() for row in _baselines(shipped(suite), name)]
        if measured:
            parts.append(_write(folder, f"baselines-{suite}", "test", iter([pa.Table.from_pylist(measured)])))
    if runs:
        cells = frame(runs).drop(columns="run")
        parts.append(_write(folder, "records", "test", iter([pa.Table.from_pandas(cells, preserve_index=False)])))
    text = (
        "What is trivial and what is attainable in each environment of the Code World Models Benchmark, by protocol: "
        "accuracies of the program that says that nothing changes (floor) and of the best that is known (ceiling), "
        "returns of the random policy and of the planner on the true environment (oracle). `records`, where it is "
        "there, holds runs, a row for each cell and budget."
    )
    _card(folder, "Code World Models Benchmark: results", text, parts, [])
    return parts


def _baselines(worlds: Worlds, protocol_name: str) -> Iterator[dict[str, Any]]:
    for spec in _specs(worlds):
        known = of_environment(spec, protocol_name)
        if known.test is None:
            continue
        row: dict[str, Any] = {"environment": spec.id, "protocol": protocol_name}
        for split, bounds in (("train", known.train), ("test", known.test)):
            row[f"{split}_floor"] = bounds.floor if bounds else None
            row[f"{split}_ceiling"] = bounds.ceiling if bounds else None
        for name, returns in (("random", known.random), ("oracle", known.oracle)):
            row[f"{name}_return"] = returns.mean if returns else None
            row[f"{name}_error"] = returns.sem if returns else None
            row[f"{name}_episodes"] = returns.episodes if returns else None
        yield row


def _model_pages(folder: Path, runs: Sequence[Run], dataset: str) -> Iterator[Path]:
    """Entries of ``.eval_results`` of each model with a whole run: the mean accuracy over the suite's environments."""
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    for found in configurations(frame(runs)) if runs else ():
        suite = str(found.first("suite"))
        value = found.mean("accuracy")
        if found.flags["early"] or value is None or set(found.environments) != set(shipped(suite).ids):
            continue
        notes = f"{found.label}, {found.budget} calls, protocol {found.protocol}, descriptions {found.descriptions}"
        set_name = "" if found.descriptions == "default" else f"-{found.descriptions}"
        entry = EvalResultEntry(dataset_id=dataset, task_id=f"{suite}{set_name}", value=round(value, 4), notes=notes)
        name = "".join(c if c.isalnum() or c in "._-" else "_" for c in f"{found.model}-{found.label}")
        path = folder / name / ".eval_results" / f"cwmb-{found.protocol}-{found.budget}.yaml"
        write_whole(path, _yaml(eval_result_entries_to_yaml([entry])))
        yield path


# ------------------------------------------------------------------------------------------------------- files


def _specs(worlds: Worlds) -> Iterator[EnvironmentSpec]:
    return (worlds.environment(name) for name in worlds.ids)


def _write(folder: Path, config: str, split: str, tables: Iterator[pa.Table]) -> Part:
    import pyarrow.parquet as pq

    path = folder / "data" / config / f"{split}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    first = next(tables)
    rows = first.num_rows
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)
            rows += table.num_rows
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Part(config, split, str(path.relative_to(folder)), rows, digest)


def _card(folder: Path, title: str, text: str, parts: Sequence[Part], categories: Sequence[str]) -> None:
    from huggingface_hub import DatasetCardData

    configs: dict[str, list[Mapping[str, str]]] = {}
    for part in parts:
        configs.setdefault(part.config, []).append({"split": part.split, "path": part.path})
    total = sum(part.rows for part in parts)
    data = DatasetCardData(
        license="apache-2.0",
        language=["en"],
        pretty_name=title,
        tags=TAGS,
        task_categories=list(categories),
        size_categories=[next((name for most, name in SIZES if total < most), "1M<n<10M")],
        configs=[{"config_name": name, "data_files": files} for name, files in configs.items()],
    )
    head = f"---\n{data.to_yaml().strip()}\n---\n\n# {title}\n\n{text}"
    rows = "\n".join(f"| `{part.config}` | {part.split} | {part.rows:,} |" for part in parts)
    write_whole(folder / "README.md", f"{head}\n\n| config | split | rows |\n|---|---|---|\n{rows}\n")


def _yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100))
