"""Bundles as a forger makes them: a good one, changed, with checksums that fit again."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from zlib import crc32

from cwmb.submission.manifest import MANIFEST
from cwmb.submission.packing import archived

Files = dict[str, bytes]
Change = Callable[[Files], None]
Forge = Callable[[Files], bytes]

RECORDS = "runs/0/records.jsonl"
CELL = "runs/0/cells/CliffWalking-v0/seed-0"
LEDGER = f"{CELL}/ledger.jsonl"


def files_of(bundle: Path) -> Files:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sealed(files: Files) -> Files:
    """With a manifest that names the files as they are."""
    manifest = json.loads(files[MANIFEST])
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in files.items()
        if name != MANIFEST
    }
    return {**files, MANIFEST: json.dumps(manifest).encode()}


def forged(change: Change) -> Forge:
    """Change the files, then make the checksums fit."""

    def forge(files: Files) -> bytes:
        change(files)
        return archived(sealed(files))

    return forge


def unsealed(change: Change) -> Forge:
    """Change the files and leave the manifest as it was."""

    def forge(files: Files) -> bytes:
        change(files)
        return archived(files)

    return forge


def manifest(change: Callable[[dict[str, Any]], Any]) -> Forge:
    """Change the manifest."""

    def forge(files: Files) -> bytes:
        content = json.loads(files[MANIFEST])
        change(content)
        return archived({**files, MANIFEST: json.dumps(content).encode()})

    return forge


def record(change: Callable[[dict[str, Any]], Any], line: int = 0) -> Change:
    """Change a record."""

    def forge(files: Files) -> None:
        lines = [json.loads(x) for x in files[RECORDS].splitlines()]
        change(lines[line])
        files[RECORDS] = "".join(json.dumps(x) + "\n" for x in lines).encode()

    return forge


def ledger(change: Callable[[list[dict[str, Any]]], Any], name: str = LEDGER) -> Change:
    """Change a ledger's entries; their checks fit again."""

    def forge(files: Files) -> None:
        entries = [json.loads(x) for x in files[name].splitlines()]
        change(entries)
        files[name] = b"".join(checked(e) for e in entries)

    return forge


def checked(entry: dict[str, Any]) -> bytes:
    content = json.dumps({k: v for k, v in entry.items() if k != "check"})[:-1].encode()
    return content + b', "check": "%08x"}\n' % crc32(content)


def both(*changes: Change) -> Change:
    def forge(files: Files) -> None:
        for change in changes:
            change(files)

    return forge


def member(name: str, data: bytes = b"x", **settings: Any) -> Forge:
    """A further member, whatever its name and kind."""

    def forge(files: Files) -> bytes:
        buffer = BytesIO(archived(files))
        with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
            info = zipfile.ZipInfo(name.replace("\0", "\x01"), (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o100644 << 16
            for key, value in settings.items():
                setattr(info, key, value)
            archive.writestr(info, data)
        return buffer.getvalue()

    return forge


def patched(old: bytes, new: bytes) -> Forge:
    """The archive's bytes, one part of them exchanged everywhere."""

    def forge(files: Files) -> bytes:
        data = archived(files)
        assert old in data
        return data.replace(old, new)

    return forge


def counted(count: int) -> Forge:
    """An archive whose last bytes promise so many files."""

    def forge(files: Files) -> bytes:
        data = bytearray(archived(files))
        struct.pack_into("<2H", data, len(data) - 14, count, count)
        return bytes(data)

    return forge


def many(count: int) -> Forge:
    """An archive that does hold so many (empty) files."""

    def forge(files: Files) -> bytes:
        name, parts, table = b"runs/0/cells/Taxi-v3/seed-0/programs/%06d.py", [], []
        offset = 0
        for number in range(count):
            this = name % number
            fixed = struct.pack("<5H3L2H", 20, 0, 8, 0, 33, 0, 2, 0, len(this), 0)
            local = b"PK\x03\x04" + fixed + this + b"\x03\x00"
            table.append(
                b"PK\x01\x02"
                + struct.pack("<H", 20)
                + fixed
                + struct.pack("<3H2L", 0, 0, 0, 0o100644 << 16, offset)
                + this
            )
            parts.append(local)
            offset += len(local)
        directory = b"".join(table)
        short = min(count, 0xFFFF)
        end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, short, short, len(directory), offset, 0)
        return b"".join(parts) + directory + end

    return forge
