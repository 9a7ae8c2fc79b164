"""What a site is made of: entries of the leaderboard, bundles, and runs that nobody has submitted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cwmb.errors import CwmbError
from cwmb.harness.records import read_records
from cwmb.report.frame import Run
from cwmb.submission.__main__ import BUNDLE, VERIFICATION, check_report
from cwmb.submission.figures import Figure, Verdict
from cwmb.submission.opening import Bundle, BundleError, opened
from cwmb.submission.ranking import obstacles

# What an entry of results/leaderboard/ is called whose rows are no competitor's: the project's own programs.
REFERENCE = "reference-"


@dataclass(frozen=True)
class CellFound:
    """What a verification found of a cell."""

    run: int
    environment: str
    seed: int
    figures: list[Figure]


@dataclass(frozen=True)
class Verified:
    """What 'cwmb verify --json' printed, as far as it is shown. episodes: of each cell at most, None: all."""

    verdict: Verdict
    counts: dict[str, int]
    seed: int
    episodes: int | None
    versions: dict[str, str]
    cells: list[CellFound]


@dataclass(frozen=True)
class Source:
    """An entry, opened.

    slug: what its pages are called; kind: ``entry``, ``reference`` (the project's own programs) or ``run`` (nobody has
    submitted it); name, authors, url, statement, openness: see cwmb.submission.manifest.Manifest; verification: None
    where there is none; obstacles: why it is not ranked; runs: each with its
    cells' folders.
    """

    slug: str
    kind: str
    name: str
    authors: list[str]
    url: str | None
    statement: str
    openness: str
    identity: str | None
    verification: Verified | None
    obstacles: list[str]
    runs: list[Run]


def listed(paths: Iterable[Path]) -> dict[str, Path]:
    """The sources in these places, each with the slug of its pages: a bundle, an entry's folder, a run's folder, or
    a folder of entries.

    Raises:
        CwmbError: there is nothing of the kind in one of them.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.is_file() or (path / BUNDLE).is_file() or (path / "records.jsonl").is_file():
            places = [path]
        elif path.is_dir():
            places = sorted(p for p in path.iterdir() if (p / BUNDLE).is_file() or (p / "records.jsonl").is_file())
        else:
            raise CwmbError(f"{path} is not there: name a bundle, an entry's folder or a run's")
        if not places and not (path / "README.md").is_file():  # the leaderboard's own folder may be empty
            raise CwmbError(f"{path} holds no bundle and no run: name a bundle, an entry's folder or a run's")
        for place in places:
            found[_slug(place, found)] = place
    return found


@contextmanager
def source(slug: str, path: Path) -> Iterator[Source]:
    """Open a source. A bundle is checked as 'cwmb verify' checks it before anything is read from it.

    Raises:
        BundleError: a bundle is not one, or its verification is of another.
        CwmbError: a run's records cannot be read.
    """
    if path.is_file() or (path / BUNDLE).is_file():
        with opened(path if path.is_file() else path / BUNDLE) as bundle:
            report = path / VERIFICATION
            verification = None
            if path.is_dir() and report.is_file():
                verification = _verified(report, bundle)
            said = bundle.manifest
            yield Source(
                slug,
                "reference" if path.is_dir() and path.name.startswith(REFERENCE) else "entry",
                said.name,
                said.authors,
                said.url,
                said.statement,
                said.openness,
                bundle.sha256,
                verification,
                obstacles(bundle),
                [Run(run.folder, run.records) for run in bundle.runs],
            )
        return
    run = Run(path, read_records(path))
    yield Source(slug, "run", path.name, [], None, "", "unknown", None, None, ["it has not been submitted"], [run])


def _verified(report: Path, bundle: Bundle) -> Verified:
    data = report.read_bytes()
    check_report(bundle, data)
    try:
        return msgspec.json.decode(data, type=Verified)
    except msgspec.DecodeError as error:
        raise BundleError(f"{report} is no report of 'cwmb verify --json' ({error})") from error


def _slug(path: Path, taken: Iterable[str]) -> str:
    """A name for a source's pages that any file system and any address can hold."""
    plain = re.sub("[^a-z0-9]+", "-", path.stem.lower() if path.is_file() else path.name.lower()).strip("-")[:80]
    name, number = plain or "entry", 2
    while name in taken:
        name, number = f"{plain or 'entry'}-{number}", number + 1
    return name
