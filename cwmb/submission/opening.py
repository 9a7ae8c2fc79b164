"""Reading a bundle that a stranger made: every step is bounded, and the first thing that is wrong is one clear line.

Nothing is decompressed before the archive's table of contents is known to be small and to describe the archive to the
byte, nothing is written under a name that does not belong, and nothing in a bundle is ever run here.
"""

from __future__ import annotations

import hashlib
import json
import math
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, NoReturn

import msgspec

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import BenchmarkProtocol, protocol
from cwmb.benchmark.suites import SHIPPED_SEED, shipped, suite_names
from cwmb.conversion import convert
from cwmb.errors import CwmbError, LedgerError
from cwmb.harness.episodes import Episode
from cwmb.harness.records import LARGEST, Cell, Record, Score, read_records
from cwmb.harness.run import is_custom
from cwmb.journal import entries
from cwmb.models.requests import request_hash
from cwmb.seeds import Purpose, number
from cwmb.submission.manifest import FORMAT, MANIFEST, TIMINGS, Manifest, RunEntry, place
from cwmb.submission.secrets import SHAPES, find, walked
from cwmb.types import Analysis, Evaluation, Message, Program, Reply, Request

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Bounds:
    """How large a bundle may be.

    archive, total, file: bytes of the archive, of all contents and of one file; files: how many; ratio: of contents
    to archive, in any file of more than a mebibyte.
    """

    archive: int = 256 * MEBIBYTE
    total: int = 1024 * MEBIBYTE
    file: int = 128 * MEBIBYTE
    files: int = 20_000
    ratio: int = 400


BOUNDS = Bounds()
_LONGEST_NAME = 200
_LOCAL, _CENTRAL, _END = 30, 46, 22  # bytes of the fixed parts of a zip archive's headers
LONGEST_ANSWER = MEBIBYTE  # characters: what looks for a program in it takes more than linear time
_DEEPEST = 64  # levels of JSON; what runs write has a dozen


class BundleError(CwmbError):
    """A bundle is not one, or disagrees with itself."""


class OtherVersion(BundleError):
    """A bundle was made with another protocol or other data than this version has."""


@dataclass(frozen=True)
class BundleRun:
    """One run of an opened bundle: a folder that can be read like a run's own."""

    folder: Path
    entry: RunEntry
    protocol: BenchmarkProtocol
    records: list[Record]

    def environment(self, name: str) -> EnvironmentSpec:
        """One of the environments of its suite. Raises CwmbError: there is none of that name."""
        return shipped(self.entry.configuration.suite).environment(name)

    def cell_folder(self, cell: Cell) -> Path:
        """Where its ledger and programs are."""
        return self.folder / cell.path

    def programs(self, cell: Cell) -> dict[str, Program]:
        """The programs in its folder, by their hash."""
        files = sorted((self.cell_folder(cell) / "programs").glob("*.py"))
        found = (Program(path.read_bytes().decode("utf-8", "surrogatepass")) for path in files)
        return {program.hash: program for program in found}


@dataclass(frozen=True)
class Bundle:
    """An opened bundle. sha256: of its manifest, which names the checksums of everything else: its identity."""

    manifest: Manifest
    sha256: str
    runs: list[BundleRun]


@contextmanager
def opened(path: Path, bounds: Bounds = BOUNDS) -> Iterator[Bundle]:
    """A bundle, checked and unpacked into a folder that is removed afterwards.

    Raises:
        BundleError: it cannot be read, is too large, holds what does not belong, or disagrees with itself.
    """
    with tempfile.TemporaryDirectory(prefix="cwmb-bundle-") as folder:
        root = Path(folder)
        try:
            digests = _unpacked(path, root, bounds)
            bundle = _read(root, digests)
        except LedgerError as error:  # names the file in our folder
            raise BundleError(f"{path.name}: {str(error).replace(f'{root}/', '').partition(': restore')[0]}") from error
        except CwmbError as error:
            kind = OtherVersion if isinstance(error, OtherVersion) else BundleError
            raise kind(f"{path.name}: {str(error).replace(f'{root}/', '')}") from error
        yield bundle


# ------------------------------------------------------------------------------------------------------ archive


def _unpacked(path: Path, root: Path, bounds: Bounds) -> dict[str, str]:
    """Write the archive's files below root. Returns the SHA-256 of each."""
    try:
        with path.open("rb") as file:
            _check_end(file, bounds)
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                _check_members(file, archive, members, bounds)
                return {member.filename: _write(archive, member, root) for member in members}
    except OSError as error:
        _refuse(f"cannot be read ({error.strerror or error})")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, ValueError) as error:
        _refuse(f"is damaged ({error})")


def _check_end(file: BinaryIO, bounds: Bounds) -> None:
    """Check the archive's last bytes, before anything reads what they point to."""
    size = file.seek(0, 2)
    if size > bounds.archive:
        _refuse(f"has {size} bytes; a bundle has at most {bounds.archive}")
    file.seek(0)
    begins = file.read(4) == b"PK\x03\x04"
    file.seek(max(0, size - _END))
    end = file.read(_END)
    if not begins or len(end) < _END or end[:4] != b"PK\x05\x06":
        _refuse("is no zip archive, or holds more than one: a bundle is what 'cwmb submit' writes")
    disk, first, here, count, length, offset, comment = struct.unpack("<4H2LH", end[4:])
    if count > bounds.files or length > bounds.files * (_CENTRAL + _LONGEST_NAME):
        _refuse(f"holds {count if count < 0xFFFF else '65535 or more'} files; a bundle has at most {bounds.files}")
    if disk or first or here != count or comment or offset + length + _END != size:
        _refuse("is not an archive as 'cwmb submit' writes it: something stands before, behind or between its parts")


def _check_members(file: BinaryIO, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], bounds: Bounds) -> None:
    """Check names, kinds and sizes, and that the files fill the archive without gap or overlap."""
    if len(members) > bounds.files:
        _refuse(f"holds {len(members)} files; a bundle has at most {bounds.files}")
    seen: dict[str, str] = {}
    for member in members:
        _check_name(member.orig_filename)
        if (other := seen.setdefault(member.filename.casefold(), member.filename)) != member.filename:
            _refuse(f"holds {_shown(other)} and {_shown(member.filename)}, which differ in case only")
    if len(seen) < len(members):
        names = [member.filename for member in members]
        _refuse(f"holds {_shown(next(n for n in names if names.count(n) > 1))} twice")
    total, position = 0, 0
    for member in sorted(members, key=lambda m: m.header_offset):
        name = _shown(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or member.is_dir():
            _refuse(f"{name} is a {_KINDS.get(kind, 'special file')}; a bundle holds files only")
        if member.flag_bits & 1:
            _refuse(f"{name} is encrypted")
        if member.compress_type != zipfile.ZIP_DEFLATED or member.flag_bits or member.extra or member.comment:
            _refuse(f"{name} is not stored as 'cwmb submit' stores it (compression, flags, comment or extra fields)")
        if member.file_size > bounds.file:
            _refuse(f"{name} has {member.file_size} bytes; a file has at most {bounds.file}")
        if member.file_size > max(MEBIBYTE, bounds.ratio * member.compress_size):
            _refuse(f"{name} is {member.file_size // max(1, member.compress_size)} times as large as in the archive")
        total += member.file_size
        if total > bounds.total:
            _refuse(f"holds more than {bounds.total} bytes")
        file.seek(member.header_offset)
        local = file.read(_LOCAL)
        if member.header_offset != position or len(local) < _LOCAL:
            _refuse(f"{name} overlaps another file, or bytes stand before it that belong to none")
        named, extra = struct.unpack("<2H", local[26:])
        if extra:
            _refuse(f"{name} is not stored as 'cwmb submit' stores it (extra fields before its contents)")
        position += _LOCAL + named + extra + member.compress_size
    if position != archive.start_dir:
        _refuse("holds bytes that belong to no file")


_KINDS = {
    stat.S_IFLNK: "symbolic link",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFDIR: "folder",
    0: "folder",
}


def _check_name(name: str) -> None:
    """Refuse a file's name that does not belong in a bundle, saying why."""
    parts = name.split("/")
    if name.startswith("/") or name[1:2] == ":":
        reason = "an absolute path"
    elif "\\" in name:
        reason = "a backslash"
    elif ".." in parts or "." in parts:
        reason = "a step to another folder"
    elif not name.isascii() or not name.isprintable():
        reason = "a character that is no visible ASCII"
    elif len(name) > _LONGEST_NAME:
        reason = f"more than {_LONGEST_NAME} characters"
    elif name != MANIFEST and place(name) is None:
        reason = "a name that no file of a bundle has"
    else:
        return
    _refuse(f"holds {_shown(name)}: {reason}")


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, root: Path) -> str:
    """Write a file of at most its declared size; zipfile compares the CRC-32. Returns its SHA-256."""
    target = root / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with archive.open(member) as source, target.open("xb") as file:
        while chunk := source.read(MEBIBYTE):
            size += len(chunk)
            digest.update(chunk)
            file.write(chunk)
    if size != member.file_size:
        _refuse(f"{_shown(member.filename)} has {size} bytes, not {member.file_size}")
    return digest.hexdigest()


# ----------------------------------------------------------------------------------------------------- contents


def _read(root: Path, digests: Mapping[str, str]) -> Bundle:
    if MANIFEST not in digests:
        _refuse(f"holds no {MANIFEST}")
    data = (root / MANIFEST).read_bytes()
    manifest = read_manifest(data)
    _check_files(root, manifest, digests)
    said = "\n".join([manifest.name, *manifest.authors, manifest.url or "", manifest.statement])
    _refuse_secrets(MANIFEST, said.encode(), manifest.allowed)
    for name in manifest.files:
        _check_text(name, (root / name).read_bytes(), manifest.allowed)
    runs = [_run(root, number, entry) for number, entry in enumerate(manifest.runs)]
    expected = {f"runs/{i}/{r.cell.path}" for i, run in enumerate(runs) for r in run.records}
    for name in manifest.files:
        where = place(name)
        if where and where.run >= len(runs):
            _refuse(f"{_shown(name)} belongs to a run that the manifest does not name")
        if where and where.cell and f"runs/{where.run}/{where.cell.path}" not in expected:
            _refuse(f"{_shown(name)} belongs to a cell that has no record")
    return Bundle(manifest, hashlib.sha256(data).hexdigest(), runs)


def read_manifest(data: bytes) -> Manifest:
    """The manifest of these bytes. Raises CwmbError."""
    content = _json(MANIFEST, data)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        said = content.get("format") if isinstance(content, dict) else None
        _refuse(f"{MANIFEST} has format {_shown(said)}, this version reads {FORMAT}")
    for key in content:
        if key not in Manifest.__dataclass_fields__:
            _refuse(f"{MANIFEST} has a field {_shown(key)} that manifests do not have")
    try:
        manifest = convert(content, Manifest)
    except msgspec.ValidationError as error:
        _refuse(f"{MANIFEST} is no manifest: {error}")
    manifest.check()
    if not manifest.runs:
        _refuse(f"{MANIFEST} names no run")
    return manifest


def _check_files(root: Path, manifest: Manifest, digests: Mapping[str, str]) -> None:
    for name in manifest.files:
        if name not in digests:
            _refuse(f"holds no {_shown(name)}, which its manifest names")
    for name, digest in digests.items():
        if name == MANIFEST:
            continue
        said = manifest.files.get(name)
        if said is None:
            _refuse(f"holds {_shown(name)}, which its manifest does not name")
        if (said.sha256, said.size) != (digest, (root / name).stat().st_size):
            _refuse(f"{_shown(name)} is not what the manifest says: its checksum or its size differs")


def _check_text(name: str, data: bytes, allowed: list[str]) -> None:
    """Refuse what is no text, or is one that says what must not be published."""
    if name.endswith(".py"):
        try:
            text = data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            _refuse(f"{_shown(name)} is no text")
    else:
        _check_lines(name, data)
    _refuse_secrets(name, data, allowed)


def _refuse_secrets(name: str, data: bytes, allowed: list[str]) -> None:
    for finding in find(name, data, SHAPES, allowed):
        _refuse(f"{name}:{finding.line} holds {finding.what}: {finding.shown}")


def _check_lines(name: str, data: bytes) -> None:
    if not data.endswith(b"\n"):
        _refuse(f"{_shown(name)} is cut off: its last line has no end")
    for count, line in enumerate(data[:-1].split(b"\n"), start=1):
        if not isinstance(_json(f"{name}:{count}", line), dict):
            _refuse(f"{name}:{count} is no JSON object")


def _run(root: Path, number: int, entry: RunEntry) -> BundleRun:
    """Read a run and check that its records are those of its configuration and of this version's data."""
    where, chosen = f"run {number}", entry.configuration
    if chosen.suite not in suite_names():
        _refuse(f"{where} is on suite {_shown(chosen.suite)}, which this version has not")
    if chosen.world_seed not in (None, SHIPPED_SEED):
        _refuse(f"{where} is on worlds of seed {chosen.world_seed}: only those that come with cwmb can be verified")
    rules = protocol(chosen.protocol)
    if chosen.protocol_sha256 != rules.checksum:
        raise OtherVersion(
            f"{where} followed protocol {chosen.protocol} with checksum {chosen.protocol_sha256[:12]}…, here it has "
            f"{rules.checksum[:12]}…: verify it with the version that made it"
        )
    for name in entry.environments:
        shipped(chosen.suite).environment(name)
    file = f"runs/{number}/records.jsonl"
    if not (root / file).is_file():
        _refuse(f"holds no {file}")
    if not 1 <= entry.seeds <= 100_000:
        _refuse(f"{where} has {entry.seeds} seeds")
    if not entry.environments or entry.environments != sorted(set(entry.environments)):
        _refuse(f"{where} has no environment, or they are not sorted, or one is named twice")
    run = BundleRun(root / f"runs/{number}", entry, rules, read_records(root / file))
    cells = [record.cell for record in run.records]
    if cells != sorted(set(cells)):
        _refuse(f"{file} has a cell twice, or is not sorted")
    expected = {Cell(name, seed) for name in entry.environments for seed in range(entry.seeds)}
    if set(cells) != expected:
        odd = sorted(set(cells) ^ expected)[0]
        what = "which the manifest does not name" if odd in cells else "which the manifest names"
        verb = "has a record" if odd in cells else "has no record"
        _refuse(f"{file} {verb} of {odd.environment} seed {odd.seed}, {what}")
    for line, record in enumerate(run.records, start=1):
        _check_record(f"{file}:{line}", run, record)
        _check_ledger(run, record)
        _check_timings(run, record)
    return run


def _check_record(where: str, run: BundleRun, record: Record) -> None:
    """Refuse a record that is not of its run, or was measured on other data than this version has."""
    chosen, spec = run.entry.configuration, run.environment(record.environment)
    said = {
        "strategy": (record.strategy, chosen.strategy),
        "options": (record.options, chosen.options),
        "model": (record.model, chosen.model),
        "protocol": (record.protocol, chosen.protocol),
        "suite": (record.suite, chosen.suite),
        "world seed": (record.world_seed, chosen.world_seed),
        "description set": (record.descriptions, chosen.descriptions),
        "budget": (record.budget, chosen.budget.calls),
        "custom": (record.custom, is_custom(chosen, run.entry.extent, run.protocol)),
        "group": (record.group, spec.group),
        "protocol's checksum": (record.provenance.protocol_sha256, chosen.protocol_sha256),
        "sampling": (record.provenance.sampling, asdict(run.protocol.with_answers_of(chosen.max_new_tokens).sampling)),
    }
    for what, (here, there) in said.items():
        if here != there:
            _refuse(f"{where}: {what} is {_shown(here)}, but its run's is {_shown(there)}")
    data = {"train": spec.dataset.train_sha256, "test": spec.dataset.test_sha256}
    for split, here in data.items():
        there = getattr(record.provenance, f"{split}_sha256")
        if there != here:
            raise OtherVersion(
                f"{where}: measured on {split} data {_shown(there[:12])}…, this version has {here[:12]}…: verify it "
                "with the version that made it, or run it anew"
            )
    if record.state == "infrastructure":
        _refuse(f"{where}: an infrastructure failure, which is no result: complete the run first")


@dataclass(frozen=True)
class _Question:
    messages: list[Message]
    seed: int


@dataclass(frozen=True)
class _Asked:
    """What a ledger says of a call besides the answer."""

    kind: str
    parent: int | None
    note: dict[str, Any]
    request: _Question
    prefix: str = ""


def _check_question(where: str, run: BundleRun, record: Record, key: str, index: int, asked: _Question) -> None:
    """Refuse a question whose hash or seed is another's."""
    rules = run.protocol.with_answers_of(run.entry.configuration.max_new_tokens)
    if asked.seed != number(record.seed, record.environment, Purpose.REQUEST, index):
        _refuse(f"{where} has the seed {asked.seed}, which is not that of call {index}")
    if request_hash(Request(tuple(asked.messages), rules.sampling, asked.seed)) != key:
        _refuse(f"{where} holds another question than the one of its hash {_shown(key[:12])}")


def _check_range(value: Any) -> None:
    """Raise ValueError where an evaluation is no share, a usage negative, an answer longer than any model's."""
    shares = ("accuracy", "state", "reward", "done", "exact", "ran") if isinstance(value, Evaluation) else ()
    amounts = asdict(value.usage) if isinstance(value, Reply) else {}
    if isinstance(value, Reply) and len(value.text) > LONGEST_ANSWER:
        raise ValueError(f"its text has {len(value.text)} characters")
    for name in shares:
        if not 0 <= getattr(value, name) <= 1:
            raise ValueError(f"{name} is {getattr(value, name)}")
    for name, amount in amounts.items():
        if amount is not None and not 0 <= amount <= LARGEST:
            raise ValueError(f"{name} is {amount}")


class Timing(msgspec.Struct, frozen=True):
    """How long the judged program took to be scored, as the submitter measured it.

    reference: seconds of the reference machine; steps: of the program in them; fit: seconds that its fit took.
    """

    type: Literal["score"]
    reference: Annotated[float, msgspec.Meta(ge=0, le=1e6)]
    steps: Annotated[int, msgspec.Meta(ge=0, le=10**9)]
    program: str
    fit: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 0.0


QUICKEST = 1e-9  # seconds that a step of a program takes at least
TIMED = 2  # such entries of a cell: its score on the training set and on the test set


def _check_timings(run: BundleRun, record: Record) -> None:
    """Refuse times that are another program's, absurd, or more than there can be."""
    file = run.cell_folder(record.cell) / TIMINGS
    lines = file.read_bytes().splitlines() if file.is_file() else []
    if len(lines) > TIMED:
        _refuse(f"{file} holds {len(lines)} times; a program is scored {TIMED} times at most")
    for at, text in enumerate(lines, start=1):
        try:
            timing = msgspec.json.decode(text, type=Timing)
        except msgspec.DecodeError as error:
            _refuse(f"{file}:{at} is no time of a score: {error}")
        if timing.program != record.program:
            _refuse(f"{file}:{at} is of program {_shown(timing.program[:12])}, which was not judged")
        if timing.reference < timing.steps * QUICKEST:
            _refuse(f"{file}:{at} is of {timing.steps} steps in {timing.reference} s, which no program can do")


_VALUES: dict[str, type] = {
    "call": Reply,
    "evaluation": Evaluation,
    "analysis": Analysis,
    "score": Score,
    "episode": Episode,
}


def _check_ledger(run: BundleRun, record: Record) -> None:
    file = run.cell_folder(record.cell) / "ledger.jsonl"
    if not file.is_file():
        _refuse(f"{file} is missing")
    following = dict.fromkeys(_VALUES, 0)
    seen: set[tuple[str, int]] = set()
    cut = False  # there was no time for the last episode, which does not count
    for line, entry in enumerate(entries(file), start=1):
        kind, index = entry["type"], entry["index"]
        if kind not in _VALUES:
            _refuse(f"{file}:{line} is of an unknown type {_shown(kind)}")
        if (kind, index) in seen or (kind != "score" and index != following[kind]):
            _refuse(f"{file}:{line} is {kind} {index}, where {following[kind]} should follow")
        seen.add((kind, index))
        following[kind] += 1
        try:
            value: Any = convert(entry["value"], _VALUES[kind])
            _check_range(value)
            if cut:
                _refuse(f"{file}:{line} follows an episode for which there was no time")
            cut = isinstance(value, Episode) and value.cut
            if kind == "call":
                _check_question(f"{file}:{line}", run, record, entry["key"], index, convert(entry, _Asked).request)
        except ValueError as error:
            _refuse(f"{file}:{line} is no {kind}: {error}")
    if following["call"] != record.usage.calls:
        _refuse(f"{file} holds {following['call']} calls, its record {record.usage.calls}: cut off, or another's")
    planned = record.planning.episodes if record.planning else 0
    if following["episode"] - cut != planned:
        _refuse(f"{file} holds {following['episode'] - cut} episodes, its record {planned}: cut off, or another's")


# ------------------------------------------------------------------------------------------------------- helpers


def _json(where: str, data: bytes) -> Any:
    """Strict JSON: no NaN or infinity, no key twice, not nested beyond what any of our readers can follow."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) < len(found):
            raise ValueError("a key stands there twice")
        return made

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is no number")

    def finite(text: str) -> float:
        if not math.isfinite(value := float(text)):
            constant(text)
        return value

    try:
        content = json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant, parse_float=finite)
        if any(depth > _DEEPEST for depth, _ in walked(content)):
            raise RecursionError
        return content
    except UnicodeDecodeError:
        _refuse(f"{where} is no UTF-8 text")
    except RecursionError:
        _refuse(f"{where} is nested more than {_DEEPEST} levels deep")
    except ValueError as error:
        _refuse(f"{where} is no JSON ({error})")


def _shown(value: Any) -> str:
    """Whatever a stranger wrote, as visible ASCII on one line, cut to a readable length."""
    text = ascii(value)
    return text if len(text) <= 80 else text[:79] + "…'"


def _refuse(message: str) -> NoReturn:
    raise BundleError(message)
