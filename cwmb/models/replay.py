"""``replay:RUN``: the answers that a finished run recorded in its ledgers, never a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from cwmb.conversion import convert
from cwmb.errors import ContextExceeded, CwmbError, InfrastructureError, LedgerError
from cwmb.journal import REMEDY, entries
from cwmb.models.requests import request_hash
from cwmb.types import Reply, Request


class Replay:
    """See the module. A request is recognised by its hash, which includes the seed that the harness gave it."""

    def __init__(self, run: str) -> None:
        folder = Path(run).expanduser()
        if not run or not folder.is_dir():
            raise CwmbError(f"replay: {run!r} is no folder; name that of a run, such as replay:runs/mine")
        self.name = f"replay:{folder.name}"
        self._replies: dict[str, Reply] = {}
        ledgers = sorted(folder.glob("cells/*/seed-*/ledger.jsonl"))
        if not ledgers:
            raise CwmbError(f"replay: {folder} holds no run: there is no cells/<environment>/seed-<k>/ledger.jsonl")
        for path in ledgers:
            self._replies |= _calls(path)

    def complete(self, request: Request) -> Reply:
        """The recorded answer. See cwmb.types.Provider."""
        key = request_hash(request)
        reply = self._replies.get(key)
        if reply is None:
            words = " ".join(" ".join(m.content for m in request.messages).split()[:12])
            raise InfrastructureError(f"{self.name}: the run holds no answer to request {key[:16]} ({words} ...)")
        if reply.finish_reason == "context_exceeded":
            raise ContextExceeded(reply.text)
        return reply


def _calls(path: Path) -> Iterator[tuple[str, Reply]]:
    """The calls of a ledger: request hash and reply. Raises LedgerError."""
    for entry in entries(path):
        if entry["type"] == "call":
            try:
                yield entry["key"], convert(entry["value"], Reply)
            except msgspec.ValidationError as error:
                raise LedgerError(f"{path}: call {entry['index']} is no reply ({error}): {REMEDY}") from error
