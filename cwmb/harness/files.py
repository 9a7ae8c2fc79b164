"""Files that are whole or absent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from cwmb.errors import InfrastructureError


def write_whole(path: Path, text: str) -> None:
    """Write to a temporary file beside it, flush to disk, rename into place.

    Raises:
        InfrastructureError: the folder is read-only, the disk is full, ...
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InfrastructureError(f"cannot write {path}: {error.strerror}") from error


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Canonical JSON of a value made of dataclasses: sorted keys, shortest floats, strict (no NaN)."""
    return json.dumps(msgspec.to_builtins(value), sort_keys=True, allow_nan=False, indent=indent)
