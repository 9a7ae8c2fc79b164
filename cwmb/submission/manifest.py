"""What a bundle says of itself, and where its files lie."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from cwmb.errors import CwmbError
from cwmb.harness.records import Cell
from cwmb.harness.run import Configuration, Extent

FORMAT = 1
MANIFEST = "manifest.json"
OPENNESS = ("open", "closed", "unknown")

_NAME, _STATEMENT, _AUTHORS = 100, 2000, 100  # characters, characters, people


@dataclass(frozen=True)
class FileEntry:
    """A file of the bundle: SHA-256 of its bytes, in hex, and how many they are."""

    sha256: str
    size: int


@dataclass(frozen=True)
class RunEntry:
    """One of its runs: the configuration that all of its cells have in common, and which cells there are."""

    configuration: Configuration
    environments: list[str]
    seeds: int

    @property
    def extent(self) -> Extent:
        """The cells."""
        return Extent(self.environments, self.seeds)


@dataclass(frozen=True)
class Manifest:
    """The file manifest.json.

    name, authors, url, statement, openness: what people say of the entry (openness: of the model's weights; statement:
    reasoning effort, tools, access to data, whatever else a reader must know). versions: of the software that packed
    it. allowed: texts that look like secrets or paths and are declared harmless. files: all others of the bundle.
    """

    format: int
    name: str
    authors: list[str]
    url: str | None
    statement: str
    openness: Literal["open", "closed", "unknown"]
    versions: dict[str, str]
    runs: list[RunEntry]
    files: dict[str, FileEntry]
    allowed: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise CwmbError, naming it, where a text is not one that can be shown to people as it stands."""
        checked_text("the entry's name", self.name, _NAME)
        if not 1 <= len(self.authors) <= _AUTHORS:
            raise CwmbError(f"the entry has {len(self.authors)} authors: name 1 to {_AUTHORS}")
        for author in self.authors:
            checked_text("an author", author, _NAME)
        for line in self.statement.split("\n"):
            checked_text("the statement", line, _STATEMENT, empty=True)
        if len(self.statement) > _STATEMENT:
            raise CwmbError(f"the statement has {len(self.statement)} characters: at most {_STATEMENT}")
        if self.url is not None:
            checked_url(self.url)
        for name, version in self.versions.items():
            checked_text("a version", f"{name} {version}", _NAME)


def checked_text(what: str, text: str, longest: int, *, empty: bool = False) -> str:
    """The text if it is one line of visible characters that reads as what it is.

    Raises:
        CwmbError: it is empty or too long, or holds characters that control a terminal, are invisible, turn the
            direction of writing, are no characters, could be markup, or are composed in an unusual way.
    """
    shown = ascii(text if len(text) <= 60 else text[:60] + "…")
    if not (text.strip() or empty) or len(text) > longest:
        raise CwmbError(f"{what} {shown} has {len(text)} characters: it must have 1 to {longest}")
    if text != text.strip():
        raise CwmbError(f"{what} {shown} begins or ends with a space: remove it")
    odd = next((c for c in text if not c.isprintable() or c in "<>"), None)
    if odd is not None:
        raise CwmbError(f"{what} {shown} holds the character U+{ord(odd):04X}: write it without")
    if unicodedata.normalize("NFC", text) != text:
        raise CwmbError(f"{what} {shown} is not in Unicode's composed form (NFC): write it so")
    return text


def checked_url(url: str) -> str:
    """The address if it is a web page's. Raises CwmbError."""
    checked_text("the address", url, 300)
    try:
        parts = urlsplit(url)
        host, credentials = parts.hostname, parts.username or parts.password
    except ValueError:
        host, credentials = None, None
    if not host or parts.scheme not in ("https", "http") or credentials or not url.isascii() or " " in url:
        raise CwmbError(f"the address {url!a} is no web page's: write https://… without a name or a password")
    return url


# ------------------------------------------------------------------------------------------------------- layout

_IN_RUN = re.compile(r"runs/(0|[1-9][0-9]?)/(.+)")
_IN_CELL = re.compile(r"cells/([A-Za-z0-9][A-Za-z0-9._-]{0,60})/seed-(0|[1-9][0-9]{0,4})/(.+)")
_PROGRAM = re.compile(r"programs/[0-9]{4,6}\.py")
TIMINGS = "timings.jsonl"


@dataclass(frozen=True)
class Place:
    """Where a file belongs: to which run, and to which cell unless it is the run's records."""

    run: int
    cell: Cell | None
    file: str


def place(name: str) -> Place | None:
    """The place of a file in a bundle by its name, None where no such file belongs in one."""
    in_run = _IN_RUN.fullmatch(name)
    if in_run is None:
        return None
    run, rest = int(in_run[1]), in_run[2]
    if rest == "records.jsonl":
        return Place(run, None, rest)
    in_cell = _IN_CELL.fullmatch(rest)
    if in_cell is None or not (in_cell[3] in ("ledger.jsonl", TIMINGS) or _PROGRAM.fullmatch(in_cell[3])):
        return None
    return Place(run, Cell(in_cell[1], int(in_cell[2])), in_cell[3])
