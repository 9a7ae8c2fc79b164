"""An entry's pages: what was run, how it was verified, and each search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cwmb.harness.records import Record, Score
from cwmb.report.frame import Run, canonical, label
from cwmb.site.board import METRICS, Row
from cwmb.site.calls import search
from cwmb.site.gaps import Gap
from cwmb.site.pages import page
from cwmb.site.sources import Source, Verified
from cwmb.submission.figures import Figure
from cwmb.text import line

WORDS = {"confirmed": "same", "consistent": "near", "different": "differs", "not checkable": "–"}

# Of the cell of a run of an entry: an episode to show, where there is one.
Episodes = Callable[[Run, Record], Mapping[str, Any] | None]


def write_cells(source: Source, folder: Path, episodes: Episodes) -> list[dict[str, Any]]:
    """Write a page for each search of an entry. Returns what the entry's own page says of each."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for number, run in enumerate(source.runs):
        for record in run.records:
            cell = _cell(number, record)
            listed.append(cell)
            place = run.folder / record.cell.path
            if not (place / "ledger.jsonl").is_file():
                cell["page"] = "index.html"  # records alone are at hand
                continue
            text = page(
                "cell.html",
                root="../../",
                entry=source,
                cell=cell,
                search=search(place, record.program),
                episode=episodes(run, record),
            )
            (folder / cell["page"]).write_text(text, encoding="utf-8")
    return listed


def write_entry(
    source: Source, rows: Sequence[Row], cells: Sequence[dict[str, Any]], gaps: Sequence[Gap], folder: Path
) -> None:
    """Write an entry's own page."""
    names = list(dict.fromkeys(f.name for c in _found(source.verification) for f in c.figures))
    text = page(
        "entry.html",
        root="../../",
        entry=source,
        rows=rows,
        cells=cells,
        gaps=gaps,
        metrics=METRICS,
        figures=names,
        verified=list(_verified(source.verification, names)),
        noted=list(_noted(source.verification)),
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(text, encoding="utf-8")


def _cell(number: int, record: Record) -> dict[str, Any]:
    score: Score | None = record.train if record.test is None else record.test
    planning = record.planning
    failures = (record.failure, score.failure if score else None, planning.failure if planning else None)
    failure = next((f for f in failures if f), None)
    names = ("accuracy", "floor", "ceiling", "skill", "exact", "precision")
    suite = "" if record.suite == "cwmb18" else f"-{record.suite}"
    return {
        "page": f"{number}{suite}-{record.environment}-{record.seed}.html",
        "environment": record.environment,
        "seed": record.seed,
        "suite": record.suite,
        "strategy": label(record.strategy, canonical(record.options)),
        **{name: getattr(score, name) if score else None for name in names},
        "return": planning.return_mean if planning else None,
        "normalised": planning.normalised_return if planning else None,
        "calls": record.usage.calls,
        "tokens": record.usage.prompt_tokens + record.usage.completion_tokens,
        "failure": failure.kind if failure else None,
        "said": line(failure.message, 400) if failure else "",
    }


def _found(verification: Verified | None) -> Sequence[Any]:
    return verification.cells if verification else ()


def _verified(verification: Verified | None, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of the report's table: one figure a column."""
    for cell in _found(verification):
        found = {figure.name: figure for figure in cell.figures}
        figures = [_figure(found.get(name)) for name in names]
        yield {"environment": cell.environment, "seed": cell.seed, "figures": figures}


def _figure(figure: Figure | None) -> dict[str, str]:
    word = WORDS[figure.verdict] if figure else ""
    return {"word": word, "mark": "" if word == "–" else word, "note": line(figure.note, 300) if figure else ""}


def _noted(verification: Verified | None) -> Iterator[str]:
    for cell in _found(verification):
        for figure in cell.figures:
            if figure.verdict != "confirmed" and figure.name != "model":
                note = f": {line(figure.note, 300)}" if figure.note else ""
                yield f"{cell.environment} seed {cell.seed}: {figure.name} is {figure.verdict}{note}"
