"""Files of JSON lines that are only ever appended to.

A killed writer leaves a torn last line, a bad disk a wrong one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zlib import crc32

from cwmb.errors import LedgerError

REMEDY = "restore the file, or remove the cell's folder to begin it anew"

_CHECK = b', "check": '


def read_whole(path: Path, *, repair: bool = False) -> bytes:
    """The lines of a journal, if it exists. A torn last one is left out, and cut off on repair."""
    if not path.exists():
        return b""
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if repair and end < len(data):
        os.truncate(path, end)
    return data[:end]


def whole_lines(path: Path, *, repair: bool = False) -> Iterator[bytes]:
    """The same line by line."""
    return (line[:-1] for line in BytesIO(read_whole(path, repair=repair)))


def checked_line(entry: Mapping[str, Any]) -> bytes:
    """An entry as a line that ends with a check of what precedes it."""
    content = json.dumps(entry).encode().removesuffix(b"}")
    return content + _CHECK + b'"%08x"}\n' % crc32(content)


def entries(path: Path, *, repair: bool = False) -> Iterator[dict[str, Any]]:
    """The entries of a ledger one by one. A line without a check is taken as it is.

    Raises:
        LedgerError: a line, but for a torn last one, is no entry.
    """
    for number, line in enumerate(whole_lines(path, repair=repair), start=1):
        try:
            entry = json.loads(line)
            names = isinstance(entry["type"], str) and isinstance(entry["key"], str)
            whole = names and isinstance(entry["index"], int) and "value" in entry and _is_sound(line)
        except (ValueError, KeyError, TypeError, RecursionError):
            whole = False
        if not whole:
            raise LedgerError(f"{path}:{number} is no ledger entry: {REMEDY}")
        yield entry


def _is_sound(line: bytes) -> bool:
    content, found, check = line.rpartition(_CHECK)
    return not found or check == b'"%08x"}' % crc32(content)
