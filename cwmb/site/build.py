"""Building the site: every source's pages in processes of their own, then the board."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from cwmb.benchmark.catalog import environment_ids
from cwmb.benchmark.suites import suite_names
from cwmb.errors import CwmbError
from cwmb.harness.files import storage_error
from cwmb.machine import cores, processes
from cwmb.report.frame import Run
from cwmb.report.results import LEGEND
from cwmb.site import board, charts, sources
from cwmb.site.board import GROUPS, METRICS, Row
from cwmb.site.entries import write_cells, write_entry
from cwmb.site.episodes import Shown
from cwmb.site.gaps import Group, gaps, group_of
from cwmb.site.pages import SHADES, page
from cwmb.site.sources import Source
from cwmb.submission.opening import OtherVersion

BOARD = "board.json"  # by which a folder is known to be a site
COLUMNS = {
    "rank": "rank",
    "entry": "entry",
    "strategy": "strategy",
    "model": "model",
    "calls": "calls",
    **METRICS,
    "tokens": "tokens",
    "dollars": "dollars",
    "speed": "steps/s",
    "protocol": "protocol",
    "verified": "verified",
}
_SORTED = METRICS | {key: label for key, label in COLUMNS.items() if key not in ("protocol", "verified")}
SORTS = _SORTED | {"speed": "steps a second"}
NUMERIC = ("rank", "calls", *METRICS, "tokens", "dollars", "speed")
FILTERS = ("strategy", "model", "openness", "calls", "protocol", "kind", "descriptions")


@dataclass(frozen=True)
class Built:
    """What the board needs to know of a source whose pages are written. kept: why it was not read, if it is of
    another version of the data or of a protocol; accuracies: for recall gaps.
    """

    source: Source | None
    rows: list[Row]
    cells: list[dict[str, Any]]
    accuracies: list[tuple[Group, str, str, float]]
    simulated: int = 0
    kept: str = ""


@dataclass(frozen=True)
class Site:
    """What was built."""

    pages: int
    rows: int
    simulated: int


def build(
    paths: Sequence[Path],
    out: Path,
    *,
    simulated: bool = False,
    episodes: int = 0,
    jobs: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Site:
    """Build the site of these places (see sources.listed) in a folder, whole or not at all.

    simulated: whether to show rows for which no language model was asked; episodes: of how many steps at most an
    episode of each cell is planned and shown, 0 for none; progress: told of each source that is done.

    Raises:
        BundleError: a bundle or its verification is not as it must be.
        CwmbError: there is nothing to read, or the folder holds something else than a site.
        StorageError: it cannot be written.
    """
    if out.exists() and not (out / BOARD).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise CwmbError(f"{out} is there and is no site: name another folder with --out, or remove it")
    places = sources.listed(paths)
    with _beside(out) as folder:
        built = list(_built(places, folder, out, simulated, episodes, jobs, progress))
        written = _write_board(built, folder, simulated)
    return written


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A folder beside another one, in whose place it is put if nothing goes wrong."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise storage_error(out, error) from error
    try:
        yield folder
        folder.chmod(0o755)
        old = folder.with_name(f"{folder.name}.old")
        if out.exists():
            out.replace(old)
        folder.replace(out)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise storage_error(out, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _built(
    places: dict[str, Path],
    folder: Path,
    out: Path,
    simulated: bool,
    episodes: int,
    jobs: int | None,
    progress: Callable[[str], None],
) -> Iterator[Built]:
    shown = Shown(folder, out, episodes)
    if len(places) < 4 or jobs == 1:
        for slug, path in places.items():
            progress(slug)
            yield _source(slug, path, folder, simulated, shown)
        return
    with processes(jobs or cores()) as pool:
        waiting = [pool.submit(_source, slug, path, folder, simulated, shown) for slug, path in places.items()]
        for slug, future in zip(places, waiting, strict=True):
            yield future.result()
            progress(slug)


def _source(slug: str, path: Path, folder: Path, simulated: bool, episodes: Shown) -> Built:
    """Write the pages of a source's searches."""
    try:
        with sources.source(slug, path) as found:
            asked = [
                replace(run, records=[r for r in run.records if simulated or not r.simulated]) for run in found.runs
            ]
            left_out = sum(len(run.records) for run in found.runs) - sum(len(run.records) for run in asked)
            found = replace(found, runs=[run for run in asked if run.records])
            rows = list(board.rows(found))
            cells = write_cells(found, folder / "entries" / slug, episodes) if rows else []
            accuracies = [
                (group_of(r), r.suite, r.environment, r.test.accuracy)
                for run in found.runs
                for r in run.records
                if r.test
            ]
            bare = replace(found, runs=[Run(Path(), []) for _ in found.runs])  # its folder is gone after this
            return Built(bare, rows, cells, accuracies, left_out)
    except OtherVersion as error:
        return Built(None, [], [], [], kept=str(error))


def _write_board(built: Sequence[Built], folder: Path, simulated: bool) -> Site:
    rows = board.ranked([row for part in built for row in part.rows])
    every = [accuracy for part in built for accuracy in part.accuracies]
    several = {accuracy[1] for accuracy in every}
    for part in built:
        if part.source is not None and part.rows:
            own = [group for group, *_ in part.accuracies] if len(several) > 1 else []
            mine = [row for row in rows if row.slug == part.source.slug]
            write_entry(part.source, mine, part.cells, list(gaps(own, every)), folder / "entries" / part.source.slug)
    everything = [*rows, *board.published()]
    left_out = sum(part.simulated for part in built)
    remarks = [f"Kept from another version, not shown: {part.kept}." for part in built if part.kept]
    if left_out:
        remarks.append(
            f"{left_out} searches of simulated models are left out: they test the software. "
            "cwmb leaderboard --simulated shows them."
        )
    marks = {mark for row in rows for mark in row.marks}
    text = page(
        "board.html",
        root="",
        suites=[_suite(name, everything) for name in suite_names() if any(row.suite == name for row in everything)],
        groups=GROUPS,
        metrics=METRICS,
        all=len(environment_ids()),
        numeric=NUMERIC,
        sorts=SORTS,
        shades=SHADES,
        whisker=charts.whisker,
        legend=[LEGEND[mark] for mark in LEGEND if mark in marks],
        remarks=remarks,
    )
    (folder / "index.html").write_text(text, encoding="utf-8")
    (folder / "board.csv").write_text(board.as_csv(everything), encoding="utf-8")
    content = {"rows": board.as_json(everything), "remarks": remarks}
    (folder / BOARD).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return Site(sum(1 for _ in folder.rglob("*.html")), len(everything), 0 if simulated else left_out)


def _suite(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """What the board shows of a suite, by skill; rows without a skill by accuracy, after the others."""

    def merit(row: Row) -> tuple[bool, float, str]:
        skill, accuracy = row.metric("skill"), row.metric("accuracy")
        shown = skill or accuracy
        return skill is None, -(shown.value if shown else 0.0), row.name

    own = sorted((row for row in rows if row.suite == name), key=merit)
    scored = [row for row in own if row.kind != "published" and not row.early and row.protocol != "paper"]
    numbered = [
        {**_fields(row), "anchor": f"row-{name}-{place}-{row.slug or 'published'}"} for place, row in _placed(own)
    ]
    return {
        "name": name,
        "rows": numbered,
        "columns": {
            k: v for k, v in COLUMNS.items() if k not in ("dollars", "speed") or any(getattr(r, k) for r in own)
        },
        "filters": {key: sorted({str(getattr(row, key)) for row in own}, key=_natural) for key in FILTERS},
        "charts": list(_charts(scored)),
        "heat": [row for row in scored if row.skills],
        "environments": [e for e in environment_ids() if any(e in row.skills for row in scored)],
    }


def _placed(rows: Sequence[Row]) -> Iterator[tuple[str, Row]]:
    """Rows with what tells those of one entry apart, whatever else is on the board."""
    seen: dict[str, int] = {}
    for row in rows:
        seen[row.slug] = seen.get(row.slug, 0) + 1
        yield str(seen[row.slug]), row


def _fields(row: Row) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in row.__dataclass_fields__},
        "metric": row.metric,
        "environments": len(row.skills),
    }


def _natural(text: str) -> tuple[bool, int, str]:
    return (False, int(text), "") if text.isdigit() else (True, 0, text)


def _charts(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    drawn = (
        (
            "Cost against skill",
            charts.cost_and_skill(rows, "tokens", "tokens of a search"),
            "The dashed line joins the entries that none is both cheaper and better than. A point is a link.",
        ),
        ("Dollars against skill", charts.cost_and_skill(rows, "dollars", "dollars of a search"), ""),
        (
            "Skill as the search goes: calls",
            charts.anytime(rows, "calls"),
            f"The best program so far, on training transitions; the {charts.CURVES} best configurations at most.",
        ),
        (
            "Skill as the search goes: tokens",
            charts.anytime(rows, "tokens"),
            "The same against what was spent by then.",
        ),
    )
    for title, svg, caption in drawn:
        if svg is not None:
            yield {"title": title, "svg": svg, "caption": caption}
