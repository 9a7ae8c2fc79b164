"""The ledger: a cell's journal of everything that cost something, written before it is used.

Each line is an entry ``{"type", "index", "key", ..., "value", "check"}``: type and index say which call, evaluation or
episode it is, key fingerprints what was asked (a hash), check is the CRC-32 of what precedes it (a line without one is
taken as it is). A cell that runs again asks in the same order and gets the recorded values; the first entry whose key
differs is an error, never a silent new call.

How long an entry took stands beside it in ``timings.jsonl``: ``seconds`` to compute it, ``before`` since the entry
before it, and of scores and episodes the ``reference`` seconds that the program computed and the ``steps`` that it
took. A line is written there just before the entry's own, so that what is replayed has its time too. It is not flushed
to disk: after a power failure (not after a kill) the last entries may be without.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cwmb.conversion import convert
from cwmb.errors import LedgerError, StorageError
from cwmb.harness.files import Append, append, make_folder, storage_error
from cwmb.journal import REMEDY, checked_line, entries, whole_lines

T = TypeVar("T")

JOURNALS = ("ledger.jsonl", "timings.jsonl")


class Ledger:
    """The journal in ``folder/ledger.jsonl``, of one cell, used by one thread at a time."""

    def __init__(self, folder: Path, write: Append = append) -> None:
        """Open it, or begin it. write: keeps what is appended, and returns when it is durable.

        Raises:
            LedgerError: a line is no entry, or repeats one.
            StorageError: it cannot be written.
        """
        self.path, self._timings = (folder / name for name in JOURNALS)
        self._write = write
        self._entries: dict[tuple[str, int], tuple[str, Any]] = {}
        self._trouble: StorageError | None = None
        try:
            make_folder(folder)
            for entry in entries(self.path, repair=True):
                name = entry["type"], entry["index"]
                if name in self._entries:
                    raise LedgerError(f"{self.path} has {entry['type']} {entry['index']} twice: {REMEDY}")
                self._entries[name] = entry["key"], entry["value"]
            timings = _read_timings(self._timings)
            self._seconds = {name: seconds for name, (seconds, _) in timings.items()}
            self._reference = {name: reference for name, (_, reference) in timings.items()}
        except OSError as error:
            raise storage_error(self.path, error) from error
        self._last = time.perf_counter()

    def entry(
        self,
        kind: str,
        index: int,
        key: str,
        value_type: type[T],
        compute: Callable[[], T],
        extra: Mapping[str, Any] | None = None,
        timing: Callable[[], Mapping[str, Any]] = dict,
    ) -> T:
        """The recorded value of an entry, or that of compute(), journaled before it is returned.

        extra: further fields for readers of the ledger (plain JSON); they are no part of the entry's identity;
        timing: asked after compute() for what its timing has besides, such as the program's ``reference`` seconds.

        Raises:
            LedgerError: the entry was recorded for something else, or is not of this type.
            StorageError: the ledger cannot be written; from then on nothing new is computed.
        """
        recorded = self._entries.get((kind, index))
        if recorded is None:
            return self._computed(kind, index, key, compute, extra or {}, timing)
        if recorded[0] != key:
            raise LedgerError(
                f"{self.path}: {kind} {index} was recorded for {recorded[0][:20]}, but {key[:20]} is asked; "
                "this is not the run that wrote it: use that version and configuration, or another --out"
            )
        self._last = time.perf_counter()
        try:
            return convert(recorded[1], value_type)
        except msgspec.ValidationError as error:
            raise LedgerError(f"{self.path}: {kind} {index} is no {value_type.__name__} ({error}): {REMEDY}") from error

    def seconds(self, kind: str, index: int) -> float:
        """The time that passed from the entry before to the end of this one, when it was recorded."""
        return self._seconds.get((kind, index), 0.0)

    def reference(self, kind: str, index: int) -> float:
        """The reference seconds that programs computed for an entry, when it was recorded; 0 if they were not noted."""
        return self._reference.get((kind, index), 0.0)

    def _computed(
        self,
        kind: str,
        index: int,
        key: str,
        compute: Callable[[], T],
        extra: Mapping[str, Any],
        timing: Callable[[], Mapping[str, Any]],
    ) -> T:
        if self._trouble is not None:
            raise self._trouble
        start, before = time.perf_counter(), self._last
        value = compute()
        self._last = time.perf_counter()
        seconds, waited = round(self._last - start, 6), round(start - before, 6)
        name = {"type": kind, "index": index}
        plain = msgspec.to_builtins(value)
        try:
            noted = timing()
            took = json.dumps({**name, "seconds": seconds, "before": waited, **noted}) + "\n"
            self._write(self._timings, took.encode(), flush=False)
            self._write(self.path, checked_line({**name, "key": key, **extra, "value": plain}))
        except StorageError as error:
            self._trouble = error
            raise
        self._entries[kind, index] = key, plain
        self._seconds[kind, index] = seconds + waited
        self._reference[kind, index] = float(noted.get("reference", 0.0))
        return value


class Forgetful(Ledger):
    """Keeps nothing: for searches that cost nothing and are journaled as a whole."""

    def __init__(self) -> None:
        self._entries, self._seconds, self._reference = {}, {}, {}

    def _computed(
        self,
        kind: str,
        index: int,
        key: str,
        compute: Callable[[], T],
        extra: Mapping[str, Any],
        timing: Callable[[], Mapping[str, Any]],
    ) -> T:
        return compute()


def _read_timings(path: Path) -> dict[tuple[str, int], tuple[float, float]]:
    """Seconds and reference seconds. Of an entry that was begun again after a kill, the last time counts."""
    found = {}
    for line in whole_lines(path, repair=True):
        try:
            entry = json.loads(line)
            seconds = float(entry["seconds"]) + float(entry.get("before", 0.0))
            found[entry["type"], entry["index"]] = seconds, float(entry.get("reference", 0.0))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LedgerError(f"{path} is damaged: restore it, or remove it if no --max-seconds was given") from error
    return found
