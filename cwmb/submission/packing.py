"""Packing runs into a bundle."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import msgspec

from cwmb.errors import CwmbError
from cwmb.harness.files import dumps, storage_error
from cwmb.harness.provenance import versions
from cwmb.harness.records import Cell, Record, read_records
from cwmb.harness.run import read_run
from cwmb.submission.manifest import FORMAT, MANIFEST, TIMINGS, FileEntry, Manifest, RunEntry
from cwmb.submission.opening import TIMED, Timing, opened
from cwmb.submission.secrets import SHAPES, find, this_machine

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the only time that a bundle tells
_REGULAR = 0o100644 << 16


@dataclass(frozen=True)
class Entry:
    """What people say of an entry. See Manifest."""

    name: str
    authors: list[str]
    url: str | None = None
    statement: str = ""
    openness: str = "unknown"
    allowed: Sequence[str] = ()


def pack(folders: Sequence[Path], entry: Entry, out: Path) -> Manifest:
    """Write the bundle of some finished runs to ``out``, whole or not at all. The same runs give the same bytes.

    Raises:
        CwmbError: a run is not finished, a file holds what must not be published, the bundle is there already, or it
            would not be accepted.
        StorageError: it cannot be written.
    """
    if out.exists():
        raise CwmbError(f"{out} is there already: name another file with --out, or remove it")
    files: dict[str, bytes] = {}
    runs = []
    for number, folder in enumerate(folders):
        configuration, extent = read_run(folder / "run.json")
        runs.append(RunEntry(configuration, sorted(extent.environments), extent.seeds))
        files |= {f"runs/{number}/{name}": data for name, data in _run_files(folder, extent.cells()).items()}
    _refuse_secrets(files, entry, folders)
    manifest = Manifest(
        format=FORMAT,
        name=entry.name,
        authors=list(entry.authors),
        url=entry.url,
        statement=entry.statement,
        openness=entry.openness,  # type: ignore[arg-type] # the command line offers no other
        versions=versions(),
        runs=runs,
        files={name: FileEntry(hashlib.sha256(files[name]).hexdigest(), len(files[name])) for name in sorted(files)},
        allowed=sorted(entry.allowed),
    )
    manifest.check()
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        temporary.write_bytes(archived({MANIFEST: (dumps(manifest, indent=1) + "\n").encode(), **files}))
        with opened(temporary):  # as whoever receives it will
            temporary.replace(out)
    except OSError as error:
        raise storage_error(out, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return manifest


def archived(files: Mapping[str, bytes]) -> bytes:
    """A zip archive of these files: no times, no owners, sorted by name after the manifest."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files, key=lambda name: (name != MANIFEST, name)):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, _REGULAR, 3
            archive.writestr(info, files[name])
    return buffer.getvalue()


def _run_files(folder: Path, cells: Sequence[Cell]) -> dict[str, bytes]:
    """What of a run's folder goes into a bundle."""
    records = {record.cell: record for record in read_records(folder)}
    missing = [c for c in cells if c not in records or _lacks(records[c])]
    if missing or set(records) - set(cells):
        first = missing[0] if missing else min(set(records) - set(cells))
        raise CwmbError(
            f"{folder} is not finished: {len(missing)} of {len(cells)} cells have no result ({first.environment} seed "
            f"{first.seed}); run the same 'cwmb eval' again"
        )
    names = [Path("records.jsonl")]
    for cell in cells:
        place = Path(cell.path)
        programs = sorted((folder / place / "programs").glob("[0-9]*.py"))
        names += [place / "ledger.jsonl", *(path.relative_to(folder) for path in programs)]
    try:
        files = {name.as_posix(): (folder / name).read_bytes() for name in names}
        timed = {f"{c.path}/{TIMINGS}": _timings(folder / c.path / TIMINGS, records[c]) for c in cells}
        return files | {name: data for name, data in timed.items() if data}
    except OSError as error:
        raise CwmbError(
            f"{error.filename} cannot be read ({error.strerror}): restore it, or run the cell anew"
        ) from None


def _timings(path: Path, record: Record) -> bytes:
    """Of a cell's times those of scoring the judged program, in reference seconds: how fast it is. May be none."""
    kept = []
    for text in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            timing = msgspec.json.decode(text, type=Timing)
        except msgspec.DecodeError:
            continue  # another kind of entry, or a killed writer's torn line; times are no result
        if timing.program == record.program:
            kept.append(msgspec.json.encode(timing) + b"\n")
    return b"".join(kept[-TIMED:])


def _lacks(record: Record) -> bool:
    """Whether a cell was searched in vain, or has not been planned."""
    return record.state == "infrastructure" or (record.state == "done" and record.planning is None)


def _refuse_secrets(files: Mapping[str, bytes], entry: Entry, folders: Sequence[Path]) -> None:
    shapes = {**this_machine(), **SHAPES}
    said = "\n".join([entry.name, *entry.authors, entry.url or "", entry.statement])
    for name, data in {MANIFEST: said.encode(), **files}.items():
        for finding in find(name, data, shapes, entry.allowed):
            _, number, *rest = [*name.split("/", 2), ""]
            where = folders[int(number)] / rest[0] if name.startswith("runs/") else "what is said of the entry"
            raise CwmbError(
                f"{where}:{finding.line} holds {finding.what}: {finding.shown}. Nothing was written; if it is harmless "
                f"(a model made it up), add --allow with that text"
            )
