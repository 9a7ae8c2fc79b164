"""Figures of runs that print well: ``cwmb figures``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from cwmb.errors import CwmbError, unknown
from cwmb.harness.files import storage_error
from cwmb.report.anytime import Curve, curves
from cwmb.report.configuration import Configuration, configurations
from cwmb.report.frame import Run, canonical, frame, label, read_runs
from cwmb.text import line
from cwmb.types import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("pdf", "svg", "png")
# Okabe and Ito's colours, which everybody can tell apart, each with a dash of its own for print in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))
MARKERS = "osD^vP*"
STYLE: Any = {  # the names of matplotlib's parameters are its own affair
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # letters stay letters, as publishers ask
    "svg.fonttype": "none",
    "svg.hashsalt": "cwmb",  # the same runs give the same bytes
    "figure.constrained_layout.use": True,
    "savefig.dpi": 300,
}
COLUMN, WIDE = 3.4, 7.0  # inches: one column of two, and both


def draw(paths: Sequence[Path], out: Path, formats: Sequence[str] = ("pdf",)) -> list[Path]:
    """Draw what can be drawn of some runs: ``anytime`` (accuracy and skill against calls and tokens), ``environments``
    (between floor and ceiling), ``returns`` (accuracy and precision against the normalised return) and ``actions``
    (kinds of prompts over a search). Returns the files, in that order.

    Raises:
        CwmbError: matplotlib is not installed, there is no such format, or the runs' figures cannot stand together.
        StorageError: a file cannot be written.
    """
    for name in formats:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise CwmbError("figures need matplotlib: pip install 'cwmb[figures]'") from error
    runs = read_runs(paths)
    whole = [c for c in configurations(frame(runs)) if not c.flags["early"]]
    found = curves(runs)
    drawings: dict[str, Callable[[], Figure | None]] = {
        "anytime": lambda: _anytime(found),
        "environments": lambda: _environments(whole),
        "returns": lambda: _returns(whole),
        "actions": lambda: _actions(runs),
    }
    written = []
    with mpl.rc_context(STYLE):
        for name, make in drawings.items():
            figure = make()
            if figure is not None:
                written += [_write(figure, out / f"{name}.{kind}", kind) for kind in dict.fromkeys(formats)]
    return written


def _write(figure: Figure, path: Path, kind: str) -> Path:
    """Write a figure whole or not at all, without the time at which it was made."""
    buffer = BytesIO()
    nothing = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[kind]
    figure.savefig(buffer, format=kind, metadata=nothing)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error
    return path


def _figure(rows: int, columns: int, width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(rows, columns, squeeze=False)


def _legend(figure: Figure, ax: Any) -> None:
    """What the marks of an axis mean, below the figure, where they cover nothing: in as many columns as fit."""
    marks, names = ax.get_legend_handles_labels()
    room = figure.get_figwidth() / 0.06  # characters of the legend's size
    columns = max(1, min(len(names), int(room / (max(map(len, names), default=0) + 8))))
    figure.legend(marks, names, loc="outside lower center", ncols=columns)


def _look(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}


# ---------------------------------------------------------------------------------------------------------- anytime


def _anytime(found: Sequence[Curve]) -> Figure | None:
    """Accuracy and skill on training transitions against calls and tokens: averages over cells, ± a standard error."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    groups: dict[str, list[Curve]] = {}
    for curve in found:
        if len(curve.points) > 1 and curve.record.train is not None:
            groups.setdefault(_named(curve), []).append(curve)
    if not groups:
        return None
    figure, axes = _figure(2, 2, WIDE, 4.4)
    for number, (name, own) in enumerate(groups.items()):
        most = max(len(c.points) for c in own) - 1
        calls = np.arange(1, most + 1)
        tokens = np.array([np.mean([_tokens(c, int(n)) for c in own]) for n in calls])
        for row, metric in enumerate((_accuracy, _skill)):
            values = _values(own, calls, metric)
            if not values.size:
                continue
            mean = values.mean(axis=0)
            error = values.std(axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.zeros(len(mean))
            for column, x in enumerate((calls, tokens)):
                ax = axes[row][column]
                look = _look(number) if most > 1 else {**_look(number), "linestyle": "none", "marker": "o", "ms": 4}
                ax.plot(x, mean, label=line(name, 60), **look)
                ax.fill_between(x, mean - error, mean + error, color=COLOURS[number % len(COLOURS)], alpha=0.15, lw=0)
    for row, what in enumerate(("accuracy", "skill")):
        for column, against in enumerate(("calls", "tokens")):
            ax = axes[row][column]
            ax.set(xlabel=against, ylabel=f"{what}, training", xscale="log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
    _legend(figure, axes[0][0])
    return figure


def _values(own: Sequence[Curve], calls: Any, metric: Callable[[Curve, float], float | None]) -> Floats:
    rows = [[metric(c, c.after(int(n)).train_accuracy) for n in calls] for c in own]
    return np.array([row for row in rows if None not in row], dtype=np.float64)


def _accuracy(_: Curve, accuracy: float) -> float:
    return accuracy


def _skill(curve: Curve, accuracy: float) -> float | None:
    train = curve.record.train
    if train is None or train.ceiling is None or train.ceiling <= train.floor:
        return None
    return (accuracy - train.floor) / (train.ceiling - train.floor)


def _tokens(curve: Curve, calls: int) -> int:
    usage = curve.after(calls).usage
    return usage.prompt_tokens + usage.completion_tokens


def _named(curve: Curve) -> str:
    record = curve.record
    return f"{label(record.strategy, canonical(record.options))}, {record.model}"


# ----------------------------------------------------------------------------------------------------- environments


def _environments(found: Sequence[Configuration]) -> Figure | None:
    """Each environment's accuracy on the line from its floor to its ceiling."""
    able = [c for c in found if len(c.known("accuracy"))]
    names = list(dict.fromkeys(name for c in able for name in c.environments))
    if not names:
        return None
    figure, ((ax,),) = _figure(1, 1, COLUMN, 0.6 + 0.2 * len(names) + 0.15 * len(able))
    for place, name in enumerate(names):
        part = next(c.take(c.environments[name]) for c in able if name in c.environments)
        floor, ceiling = part.mean("floor"), part.mean("ceiling")
        if floor is not None:
            top = floor if ceiling is None else ceiling
            ax.plot([floor, top], [place, place], color="#bbbbbb", lw=4, solid_capstyle="butt", zorder=1)
    for number, c in enumerate(able):
        points = [(c.take(i).mean("accuracy"), names.index(name)) for name, i in c.environments.items()]
        x, y = zip(*((v, p) for v, p in points if v is not None), strict=True)
        shift = 0.0 if len(able) == 1 else 0.5 * (number / (len(able) - 1) - 0.5)
        ax.scatter(
            x,
            [p + shift for p in y],
            s=14,
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            label=line(f"{c.label}, {c.model}", 60),
            zorder=3,
            clip_on=False,
        )
    ax.set(yticks=range(len(names)), yticklabels=names, xlabel="accuracy (grey: floor to ceiling)", xlim=(0, 1.02))
    ax.set_ylim(len(names) - 0.4, -0.6)
    _legend(figure, ax)
    return figure


# ---------------------------------------------------------------------------------------------------------- returns


def _returns(found: Sequence[Configuration]) -> Figure | None:
    """Accuracy and precision of each cell against the normalised return of planning with its program."""
    if not any(len(c.known("normalised_return")) for c in found):
        return None
    figure, axes = _figure(1, 2, WIDE, 2.8)
    for column, name in enumerate(("accuracy", "precision")):
        ax, every = axes[0][column], []
        for number, c in enumerate(found):
            x, y = c[name].astype(float), c["normalised_return"].astype(float)
            known = ~(np.isnan(x) | np.isnan(y))
            every.append((x[known], y[known]))
            if not known.any():
                continue
            ax.scatter(
                x[known],
                y[known],
                s=14,
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                label=line(f"{c.label}, {c.model}", 60),
            )
        x, y = (np.concatenate(part) for part in zip(*every, strict=True))
        title = f"{len(x)} cells"
        if len(x) > 2 and x.std() > 0 and y.std() > 0:
            title += f", correlation {np.corrcoef(x, y)[0, 1]:.2f}"
        ax.set(xlabel=name, ylabel="normalised return", title=title)
    _legend(figure, axes[0][0])
    return figure


# ---------------------------------------------------------------------------------------------------------- actions


def _actions(runs: Sequence[Run]) -> Figure | None:
    """Which kinds of prompts a search asks, call by call: shares over its cells, one panel a configuration."""
    from matplotlib.ticker import MaxNLocator

    kinds: dict[str, list[list[str]]] = {}
    for run in runs:
        for record in run.records:
            asked = list(_asked(run.cell_file(record, "ledger.jsonl")))
            if asked:
                name = f"{label(record.strategy, canonical(record.options))}, {record.model}"
                kinds.setdefault(name, []).append(asked)
    kinds = {name: cells for name, cells in kinds.items() if len({k for cell in cells for k in cell}) > 1}
    if not kinds:
        return None
    names = sorted({k for cells in kinds.values() for cell in cells for k in cell})
    figure, axes = _figure(1, len(kinds), min(WIDE, COLUMN * len(kinds)), 2.4)
    for ax, (title, cells) in zip(axes[0], kinds.items(), strict=True):
        most = max(map(len, cells))
        shares = np.array(
            [[np.mean([cell[i] == kind for cell in cells if len(cell) > i]) for i in range(most)] for kind in names]
        )
        x = np.arange(1, most + 1)
        bottom = np.zeros(most)
        for number, kind in enumerate(names):
            ax.bar(
                x,
                shares[number],
                width=1.0,
                bottom=bottom,
                color=COLOURS[number % len(COLOURS)],
                hatch=("", "///", "...", "xxx", "---", "+++", "ooo")[number % 7],
                edgecolor="white",
                linewidth=0.3,
                label=line(kind, 30),
            )
            bottom += shares[number]
        ax.set(xlabel="call", ylabel="share of running searches", title=line(title, 60))
        ax.set(xlim=(0.5, most + 0.5), ylim=(0, 1))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(visible=False)
    _legend(figure, axes[0][0])
    return figure


class _Kind(msgspec.Struct):
    type: str
    kind: str = ""


def _asked(ledger: bytes) -> Iterator[str]:
    for text in ledger[: ledger.rfind(b"\n") + 1].splitlines():
        try:
            entry = msgspec.json.decode(text, type=_Kind)
        except msgspec.DecodeError as error:
            raise CwmbError(f"a ledger holds a line that is no entry: {error}") from error
        if entry.type == "call":
            yield entry.kind
