"""Files that survive whatever ends the process or the machine: whole, or as they were before."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec

from cwmb.errors import StorageError


def write_whole(path: Path, text: str) -> None:
    """Write to a temporary file beside it, flush to disk, rename into place.

    Raises:
        StorageError: the folder is read-only, the disk is full, ...
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        make_folder(path.parent)
        _write(temporary, os.O_CREAT | os.O_TRUNC, text.encode("utf-8", "surrogatepass"))
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise storage_error(path, error) from error
    _sync_folder(path.parent)


class Append(Protocol):
    """Appends to a file, as append() does."""

    def __call__(self, path: Path, data: bytes, *, flush: bool = True) -> None:
        """See append()."""
        ...


def append(path: Path, data: bytes, *, flush: bool = True) -> None:
    """Append to a file in an existing folder and flush it to disk. If that fails, nothing of data stays in the file.

    Raises:
        StorageError: the file is read-only, the disk is full, ...
    """
    try:
        size = path.stat().st_size if path.exists() else None
        try:
            _write(path, os.O_CREAT | os.O_APPEND, data, flush=flush)
        except OSError:
            with suppress(OSError):
                os.truncate(path, size or 0)
            raise
    except OSError as error:
        raise storage_error(path, error) from error
    if size is None:
        _sync_folder(path.parent)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone among the processes that ask for this folder, after waiting for those that came before."""
    with ExitStack() as stack:
        descriptor = os.open(folder, os.O_RDONLY)
        stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def make_folder(path: Path) -> None:
    """Make a folder and those above it, so that they survive a power failure.

    Raises:
        OSError: that cannot be done.
    """
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        _sync_folder(path.parent)


def remove_temporary(folder: Path) -> None:
    """Remove what killed writers left behind. Nobody else may be writing there."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def storage_error(path: Path, error: OSError) -> StorageError:
    """The error to raise where a file or folder cannot be written."""
    return StorageError(f"cannot write {path}: {error.strerror}")


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Canonical JSON of a value made of dataclasses: sorted keys, shortest floats, strict (no NaN)."""
    return json.dumps(msgspec.to_builtins(value), sort_keys=True, allow_nan=False, indent=indent)


def _write(path: Path, flags: int, data: bytes, *, flush: bool = True) -> None:
    descriptor = os.open(path, os.O_WRONLY | flags, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if flush:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    """Make a new name survive a power failure, where the file system can."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
