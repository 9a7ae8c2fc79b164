"""What the sweep over simulated models says, as tables and a figure: a test of code, not a claim about strategies."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cwmb.benchmark.baselines import Bounds, baselines
from cwmb.errors import CwmbError
from cwmb.judging.scoring import skill
from cwmb.report.statistics import bootstrap_interval, interquartile_mean, mean
from cwmb.report.table import Column, Table, Value
from cwmb.studies.stored import read_frame
from cwmb.studies.sweep import CALLS, CONTENDERS, POINTS, PROTOCOL, TRAINING_ROWS, Outcome, Search

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("generate", "improve", "fix")
BUDGETS = (10, 50)
BASELINES = "quick"  # the same scoring rules on the same test sets, measured for all environments
LABEL = (
    "A test of code, not a claim about strategies: the model is simulated. It writes a program that it knows with some "
    "faults, and mends or makes some when it is shown one."
)
# Means of what generate wrote, below which a search falls into a bin.
BINS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01)


def to_csv(results: Iterable[tuple[Search, Outcome]], stored: pd.DataFrame | None = None) -> str:
    """One line for each search, sorted; scores with five decimals.

    stored: what an earlier sweep wrote, kept where its point is not among the results.
    """
    import pandas as pd

    rows = [
        {
            "point": search.point,
            "environment": search.environment,
            "strategy": search.contender,
            "seed": search.seed,
            "calls": outcome.calls,
            **{kind: outcome.kinds.get(kind, 0) for kind in KINDS},
            "generated": outcome.generated,
            "train": outcome.train[-1],
            **{f"test_{calls}": score for calls, score in zip(CALLS, outcome.test, strict=True)},
        }
        for search, outcome in results
    ]
    frame = pd.DataFrame(rows)
    if stored is not None:
        frame = pd.concat([frame, stored[~stored["point"].isin(frame["point"])]])
    order = ["point", "strategy", "environment", "seed"]
    text: str = frame.sort_values(order).round(5).to_csv(index=False, lineterminator="\n")
    return text


def read_csv(path: Path) -> pd.DataFrame:
    """The searches in a file written by to_csv, with the skill after each number of calls.

    Raises:
        CwmbError: there is no such file.
    """
    frame = read_frame(path, "make sweep")
    known = baselines(BASELINES)
    for calls in CALLS:
        pairs = zip(frame["environment"], frame[f"test_{calls}"], strict=True)
        frame[f"skill_{calls}"] = [_skill(known.of(name).test, score) for name, score in pairs]
    return frame


def _skill(bounds: Bounds | None, accuracy: float) -> float | None:
    return None if bounds is None else skill(accuracy, bounds.floor, bounds.ceiling)


def result_table(frame: pd.DataFrame) -> Table:
    """Accuracy and skill of every strategy at every point, after 10 and 50 calls, and what it asked."""
    columns = (
        Column("point", "model"),
        Column("strategy", "strategy"),
        *(Column(f"{what}_{calls}", f"{what}, {calls} calls") for calls in BUDGETS for what in ("accuracy", "skill")),
        Column("skill_iqm", f"skill IQM, {BUDGETS[-1]} calls"),
        Column("calls", "calls", digits=1),
        *(Column(kind, kind) for kind in KINDS),
    )
    rows: list[tuple[Value, ...]] = []
    for point in POINTS:
        for contender in CONTENDERS:
            own = frame[(frame["point"] == point) & (frame["strategy"] == contender)]
            if own.empty:
                continue
            scores = [_estimate(own, f"{what}_{calls}") for calls in BUDGETS for what in ("test", "skill")]
            shares = [float(own[kind].sum() / own["calls"].sum()) for kind in KINDS]
            robust = _estimate(own, f"skill_{BUDGETS[-1]}", robust=True)
            rows.append((point, contender, *scores, robust, float(own["calls"].mean()), *shares))
    rates = "; ".join(f"{name}: {rates}" for name, rates in POINTS.items())
    best = frame.groupby("environment")[[f"test_{CALLS[-1]}", f"skill_{CALLS[-1]}"]].max().mean()
    return Table(
        "sweep",
        f"{LABEL} Test accuracy and skill of the best program after {BUDGETS[0]} and {BUDGETS[1]} calls of the same "
        f"search, means over {frame['environment'].nunique()} environments with {frame['seed'].nunique()} seeds each "
        "[95 % bootstrap intervals, seeds resampled within environments]; IQM: interquartile mean of the environments; "
        "calls: until the budget, or a program as good as the one that the model knows; generate, improve, fix: shares "
        "of the calls.",
        columns,
        tuple(rows),
        (
            f"Rates of the simulated model: {rates}; slip=0.15, unusable=0.1.",
            f"The best program that any search found has a mean accuracy of {best.iloc[0]:.3f} and a mean skill of "
            f"{best.iloc[1]:.3f}.",
            f"Scoring: protocol {PROTOCOL}, whole test split, no audit. A search saw {TRAINING_ROWS} training "
            "transitions at most.",
        ),
    )


def _estimate(own: pd.DataFrame, column: str, robust: bool = False) -> str:
    strata = [group.dropna().to_numpy() for _, group in own.groupby("environment")[column]]
    strata = [values for values in strata if len(values)]
    statistic = interquartile_mean if robust else mean
    value = float(statistic(np.array([values.mean() for values in strata])))
    interval = bootstrap_interval(strata, statistic)
    return f"{value:.3f}" + (f" [{interval.low:.3f}, {interval.high:.3f}]" if interval else "")


def action_table(
    frame: pd.DataFrame, strategies: Iterable[str] = ("gif_mcts", "gif_mcts improve_by_gain=true")
) -> Table:
    """What GIF-MCTS chooses against how good the programs are that generate writes."""
    rows: list[tuple[Value, ...]] = []
    for strategy in strategies:
        own = frame[frame["strategy"] == strategy]
        low = 0.0
        for high in BINS:
            bin_ = own[(own["generated"] >= low) & (own["generated"] < high)]
            total = int(bin_["calls"].sum())
            if total:
                shares = [float(bin_[kind].sum() / total) for kind in KINDS]
                later = int(bin_["calls"].sub(1).sum())
                rows.append((strategy, f"{low:.1f}–{min(high, 1.0):.1f}", len(bin_), total / len(bin_), *shares, later))
            low = high
    return Table(
        "actions",
        f"{LABEL} What GIF-MCTS asks for, by the mean training score of the programs that generate wrote in a search "
        "(those that raised left out): shares of all calls.",
        (
            Column("strategy", "strategy"),
            Column("generated", "score of generate"),
            Column("searches", "searches"),
            Column("calls", "calls each", digits=1),
            *(Column(kind, kind) for kind in KINDS),
            Column("later", "calls after the first", detail=True),
        ),
        tuple(rows),
    )


def figure(frame: pd.DataFrame) -> str:
    """Mean test accuracy (above) and skill (below) against calls, one column of panels for each point, as SVG.

    Raises:
        CwmbError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CwmbError("the figure needs matplotlib: pip install 'cwmb[figures]'") from error
    points = [point for point in POINTS if (frame["point"] == point).any()]
    with mpl.rc_context({"svg.hashsalt": "cwmb", "svg.fonttype": "none", "font.size": 9}):
        chart = Figure(figsize=(4 * len(points), 6.5), layout="constrained")
        panels = chart.subplots(2, len(points), sharex=True, sharey="row", squeeze=False)
        for row, (what, title) in enumerate((("test", "test accuracy"), ("skill", "skill"))):
            panels[row, 0].set_ylabel(title)
            for column, point in enumerate(points):
                panel = panels[row, column]
                for contender in CONTENDERS:
                    own = frame[(frame["point"] == point) & (frame["strategy"] == contender)]
                    if own.empty:
                        continue
                    values = [own.groupby("environment")[f"{what}_{calls}"].mean().mean() for calls in CALLS]
                    bands = [
                        bootstrap_interval(
                            [g.dropna().to_numpy() for _, g in own.groupby("environment")[f"{what}_{c}"]]
                        )
                        for c in CALLS
                    ]
                    (line,) = panel.plot(CALLS, values, marker=".", label=contender)
                    low, high = ([getattr(b, side) if b else np.nan for b in bands] for side in ("low", "high"))
                    panel.fill_between(CALLS, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
                panel.set_xscale("log")
                panel.set_xticks(CALLS, [str(calls) for calls in CALLS])
                panel.minorticks_off()
                panel.grid(alpha=0.3)
                if row == 0:
                    panel.set_title(f"{point} model ({POINTS[point]})")
                else:
                    panel.set_xlabel("calls of the language model")
        panels[0, -1].legend(loc="lower right", fontsize=7)
        chart.suptitle("Search strategies on simulated models: a test of code, not a claim about strategies")
        file = io.StringIO()
        chart.savefig(file, format="svg", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
