"""A run's results as records of Every Eval Ever 0.3: one file for each configuration of strategy and model."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cwmb import __version__
from cwmb.benchmark.protocols import protocol
from cwmb.harness.files import write_whole
from cwmb.report.configuration import Configuration, configurations
from cwmb.report.frame import Run, frame, read_runs
from cwmb.report.statistics import RESAMPLES, bootstrap_interval, standard_error

VERSION = "0.3.0"

# What is told of each environment and of all together: name in the frame, what it is, least and greatest value.
UNBOUNDED = "-Infinity", "Infinity"
METRICS: tuple[tuple[str, str, tuple[float | str, float | str]], ...] = (
    ("accuracy", "Share of state, reward and done predicted right on held-out transitions.", (0.0, 1.0)),
    ("skill", "Accuracy between floor (0) and attainable ceiling (1).", UNBOUNDED),
    ("normalised_return", "Return of planning between random policy (0) and oracle (1).", UNBOUNDED),
)


def export(runs: Sequence[Path], folder: Path) -> list[Path]:
    """Write a file for each configuration of the runs, as ``<benchmark>/<developer>/<model>/<uuid>.json``.

    The uuid follows from what the file says, its time of writing excepted.

    Raises:
        CwmbError: a path holds no records, or the runs' figures are not comparable.
    """
    read, now = read_runs(runs), int(time.time())
    written = []
    for found in configurations(frame(read)):
        if found.flags["early"] or not found["scored"].any():
            continue
        content = record(found, read)
        name = uuid.UUID(bytes=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()[:16], version=4)
        developer, _, model = content["model_info"]["id"].rpartition("/")
        path = folder / f"cwmb_{found.first('suite')}" / _safe(developer) / _safe(model) / f"{name}.json"
        stamped = {
            "schema_version": VERSION,
            "evaluation_id": f"cwmb_{found.first('suite')}/{content['model_info']['id']}/{now}",
            "retrieved_timestamp": str(now),
            **content,
        }
        write_whole(path, json.dumps(stamped, indent=2, allow_nan=False) + "\n")
        written.append(path)
    return written


def record(found: Configuration, runs: Sequence[Run]) -> dict[str, Any]:
    """All that a file says but for when it was written. runs: where the sampling is recorded."""
    first = next(r for run in runs for r in run.records if r.strategy == found.first("strategy"))
    provider, _, name = found.model.partition(":")
    reported = [model for model in first.provenance.reported_models if model]
    return {
        "source_metadata": {
            "source_name": "cwmb run",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
        },
        "eval_library": {
            "name": "cwmb",
            "version": __version__,
            "additional_details": {"commit": first.provenance.commit or "unknown", "schema": str(first.schema)},
        },
        "model_info": {
            "name": name or found.model,
            "id": name if "/" in name else f"{provider}/{name or provider}",
            "additional_details": {
                "deployment_type": "unknown",
                "model_availability": "unknown",
                "reported_models": ", ".join(reported),
                "is_a_language_model": str(not found.flags["simulated"]).lower(),
            },
        },
        "evaluation_results": list(_results(found, first.provenance.sampling)),
    }


def _results(found: Configuration, sampling: dict[str, Any]) -> Iterator[dict[str, Any]]:
    rules = protocol(found.protocol)
    for key, says, (least, most) in METRICS:
        for name, cells in [("all environments", found), *_each(found)]:
            value = cells.mean(key)
            if value is None:
                continue
            whole = name == "all environments"
            yield {
                "evaluation_result_id": f"cwmb_{found.first('suite')}.{name.replace(' ', '_')}.{key}",
                "evaluation_name": f"cwmb {found.first('suite')}: {name}",
                "source_data": {
                    "dataset_name": f"cwmb {found.first('suite')} ({rules.scoring.split} split)",
                    "source_type": "other",
                    "additional_details": {"descriptions": found.descriptions},
                },
                "metric_config": {
                    "evaluation_description": says,
                    "metric_id": f"cwmb.{key}",
                    "metric_name": key.replace("_", " "),
                    "metric_kind": key,
                    "metric_unit": "proportion",
                    "lower_is_better": False,
                    "score_type": "continuous",
                    "min_score": least,
                    "max_score": most,
                },
                "score_details": {"score": value, "uncertainty": _uncertainty(cells, key, whole)},
                "generation_config": {
                    "generation_args": {
                        "temperature": sampling.get("temperature"),
                        "top_p": sampling.get("top_p"),
                        "top_k": sampling.get("top_k"),
                        "max_tokens": sampling.get("max_new_tokens"),
                        "eval_plan": {"name": found.label, "steps": []},
                        "sandbox": {"type": "cwmb", "config": "seccomp"},
                        "max_attempts": found.budget,
                    },
                    "additional_details": {"protocol": found.protocol, "strategy": found.label},
                },
            }


def _each(found: Configuration) -> Iterator[tuple[str, Configuration]]:
    return ((name, found.take(index)) for name, index in found.environments.items())


def _uncertainty(cells: Configuration, key: str, whole: bool) -> dict[str, Any]:
    values = cells.known(key)
    said: dict[str, Any] = {"num_samples": len(values)}
    error = standard_error(values)
    if error is not None and not whole:
        said["standard_error"] = {"value": error, "method": "analytic"}
    interval = bootstrap_interval(cells.strata(key)) if whole else None
    if interval is not None:
        how = f"percentile bootstrap over {interval.resampled}"
        said["confidence_interval"] = {
            "lower": interval.low, "upper": interval.high, "confidence_level": 0.95, "method": how,
        }  # fmt: skip
        said["num_bootstrap_samples"] = RESAMPLES
    return said


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name) or "unknown"
