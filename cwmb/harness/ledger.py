"""The ledger: a cell's journal of everything that cost something, written before it is used.

Each line is an entry ``{"type", "index", "key", "value", ...}``: type and index say which call, evaluation or episode
it is, key fingerprints what was asked (a hash). A cell that runs again asks in the same order and gets the recorded
values; the first entry whose key differs is an error, never a silent new call.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cwmb.errors import CwmbError, InfrastructureError

T = TypeVar("T")


class Ledger:
    """The journal in ``folder/ledger.jsonl``; how long entries took stands in ``folder/timings.jsonl``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._entries = {(e["type"], e["index"]): e for e in read_entries(self.path, repair=True)}
            self._timings = folder / "timings.jsonl"
        except OSError as error:
            raise InfrastructureError(f"cannot open the ledger {self.path}: {error.strerror}") from error

    def entry(
        self,
        kind: str,
        index: int,
        key: str,
        value_type: type[T],
        compute: Callable[[], T],
        extra: Mapping[str, Any] | None = None,
    ) -> T:
        """The recorded value of an entry, or that of compute(), journaled before it is returned.

        extra: further fields for readers of the ledger; they are no part of the entry's identity.

        Raises:
            CwmbError: the entry was recorded for something else.
            InfrastructureError: the ledger cannot be written.
        """
        recorded = self._entries.get((kind, index))
        if recorded is not None:
            if recorded["key"] != key:
                raise CwmbError(
                    f"{self.path}: {kind} {index} was recorded for {recorded['key'][:20]}, but {key[:20]} is asked; "
                    "this is not the run that wrote it: use that version and configuration, or another --out"
                )
            return msgspec.convert(recorded["value"], value_type)
        start = time.perf_counter()
        value = compute()
        seconds = time.perf_counter() - start
        self._append({"type": kind, "index": index, "key": key, **(extra or {}), "value": msgspec.to_builtins(value)})
        with self._timings.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"type": kind, "index": index, "seconds": round(seconds, 6)}) + "\n")
        return value

    def _append(self, entry: dict[str, Any]) -> None:
        line = (json.dumps(entry) + "\n").encode()
        try:
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InfrastructureError(f"cannot write the ledger {self.path}: {error.strerror}") from error
        self._entries[entry["type"], entry["index"]] = entry


def read_entries(path: Path, *, repair: bool = False) -> list[dict[str, Any]]:
    """All entries of a ledger in order. A torn last line (a writer was killed) is left out, and cut off on repair.

    Raises:
        CwmbError: another line is not an entry.
    """
    if not path.exists():
        return []
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    entries = []
    for number, line in enumerate(data[:end].splitlines(), start=1):
        try:
            entry = json.loads(line)
            entry["type"], entry["index"], entry["key"], entry["value"]
        except (ValueError, KeyError, TypeError) as error:
            raise CwmbError(
                f"{path}:{number} is no ledger entry; restore the file or remove the cell's folder"
            ) from error
        entries.append(entry)
    if repair and end < len(data):
        os.truncate(path, end)
    return entries
