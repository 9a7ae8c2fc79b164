"""The programs at hand as tables: the reference programs, and what predicts how well a program can be planned with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cwmb.benchmark.catalog import environment_ids
from cwmb.judging.horizon import LEVELS
from cwmb.report.table import Column, Table, Value, estimate, number
from cwmb.studies.programs import ALSO, PROTOCOL, Measured
from cwmb.studies.stored import read_frame

if TYPE_CHECKING:
    import pandas as pd

PREDICTORS = ("accuracy", "precision", "skill", *(f"relative_{level}" for level in LEVELS))
_RESAMPLES = 1000


def to_csv(measured: Iterable[Measured], source: str = ALSO) -> str:
    """One line for each program. source: what to call the programs of a folder.

    A program for whose episodes the protocol's time was too short has no returns here: they would be those of fewer.
    """
    import pandas as pd

    rows = []
    for m in sorted(measured, key=lambda one: environment_ids().index(one.environment)):
        known, plan = m.scored, m.planned
        whole = plan if plan is not None and plan.episodes == plan.wanted else None
        rows.append(
            {
                "environment": m.environment,
                "program": source if m.name == ALSO else m.name,
                "accuracy": known.accuracy,
                "precision": known.precision,
                "skill": known.skill,
                **{f"horizon_{level}": steps for level, steps in zip(LEVELS, known.horizon.steps, strict=True)},
                **{f"simulator_{level}": steps for level, steps in zip(LEVELS, known.simulator.steps, strict=True)},
                "length": known.horizon.length,
                "microseconds": round(known.microseconds, 1),
                "return_mean": whole and whole.return_mean,
                "return_sem": whole and whole.return_sem,
                "normalised_return": whole and whole.normalised_return,
                "normalised_sem": whole and whole.normalised_sem,
                "planned_episodes": plan and plan.episodes,
                "planned_microseconds": plan and round(plan.microseconds, 1),
                "step_many": (plan and plan.step_many) == "used",
            }
        )
    text: str = pd.DataFrame(rows).round(6).to_csv(index=False, lineterminator="\n")
    return text


def read_csv(path: Path) -> pd.DataFrame:
    """The programs in a file written by to_csv, with their horizons relative to the true simulator's.

    Raises:
        CwmbError: there is no such file.
    """
    frame = read_frame(path, "make programs")
    for level in LEVELS:
        best = frame[f"simulator_{level}"]
        frame[f"relative_{level}"] = (frame[f"horizon_{level}"] / best).where(best > 0)
    return frame


def reference_table(frame: pd.DataFrame) -> Table:
    """The reference program of every environment."""
    own = frame[frame["program"] == "reference"].set_index("environment")
    rows: list[tuple[Value, ...]] = []
    for name in environment_ids():
        if name not in own.index:
            continue
        r: Any = own.loc[name]
        horizons = "–" if not r["simulator_1"] else f"{r['horizon_1']:g} of {r['simulator_1']:g}"
        rows.append(
            (
                name,
                float(r["accuracy"]),
                number(r["precision"]),
                number(r["skill"]),
                horizons,
                number(r["microseconds"]),
                number(r["planned_microseconds"]),
                estimate(r["return_mean"], r["return_sem"]),
                estimate(r["normalised_return"], r["normalised_sem"]),
            )
        )
    return Table(
        "reference",
        "The reference programs. Accuracy, precision and skill: standard's rules on the test set. Horizon: steps that "
        "the program stays within the tolerance when rolled along recorded actions, of those of the true simulator "
        "(medians of ten trajectories). µs: of reference time a step while it is scored, and a step of the model while "
        "it is planned with, by step_many where it has one. Return, normalised return: planned with under protocol "
        f"{PROTOCOL}, ± one standard error; – where there was no time for all its episodes, where it was not planned "
        "with, and where its oracle does not clearly beat the random policy.",
        (
            Column("environment", "environment"),
            Column("accuracy", "accuracy", digits=4),
            Column("precision", "precision", digits=3),
            Column("skill", "skill", digits=3),
            Column("horizon", "horizon"),
            Column("microseconds", "µs a step", digits=1),
            Column("planned_microseconds", "µs, planning", digits=1),
            Column("return", "return"),
            Column("normalised", "normalised return"),
        ),
        tuple(rows),
    )


def correlation_table(frame: pd.DataFrame) -> Table:
    """Spearman's rank correlation of the normalised return with what is known without planning."""
    known = frame.dropna(subset=["normalised_return", *PREDICTORS])
    known = known.groupby("environment").filter(lambda one: len(one) > 1)  # a reference alone is right and plans well
    rows: list[tuple[Value, ...]] = []
    for predictor in PREDICTORS:
        pooled = spearman(known[predictor], known["normalised_return"])
        groups = [g for _, g in known.groupby("environment") if g[predictor].nunique() > 1]
        each = [spearman(g[predictor], g["normalised_return"]) for g in groups]
        within = [correlation for correlation in each if correlation is not None]
        title = predictor if not predictor.startswith("relative") else f"horizon, {predictor.split('_')[1]} × tolerance"
        rows.append(
            (title, pooled, *_interval(known, predictor), float(np.mean(within)) if within else None, len(within))
        )
    return Table(
        "horizon",
        f"What predicts planning: Spearman's rank correlation of the normalised return under protocol {PROTOCOL} with "
        f"accuracy, precision, skill and the open-loop horizon relative to the true simulator's, over {len(known)} "
        f"programs of {known['environment'].nunique()} environments ({_kinds(known)}). "
        "Interval: 95 %, environments resampled. Within: mean of the environments' own correlations.",
        (
            Column("predictor", "predictor"),
            Column("pooled", "correlation"),
            Column("low", "from"),
            Column("high", "to"),
            Column("within", "within"),
            Column("environments", "environments"),
        ),
        tuple(rows),
    )


def _kinds(known: pd.DataFrame) -> str:
    """How many programs of each kind: reference, persistence, with faults, of a folder."""
    kinds = known["program"].where(~known["program"].str.endswith(" faults"), "with faults").value_counts(sort=False)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def spearman(a: pd.Series, b: pd.Series) -> float | None:
    """Spearman's rank correlation, ties sharing their mean rank; None where one of the two is constant."""
    if a.nunique() < 2 or b.nunique() < 2:
        return None
    return float(np.corrcoef(a.rank(), b.rank())[0, 1])


def _interval(known: pd.DataFrame, predictor: str) -> tuple[float, float]:
    import pandas as pd

    rng = np.random.default_rng(0)
    groups = [g[[predictor, "normalised_return"]] for _, g in known.groupby("environment")]
    drawn = []
    for _ in range(_RESAMPLES):
        sample = pd.concat([groups[i] for i in rng.integers(len(groups), size=len(groups))])
        value = spearman(sample[predictor], sample["normalised_return"])
        if value is not None:
            drawn.append(value)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)
