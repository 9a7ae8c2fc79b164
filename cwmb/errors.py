"""Errors that reach the user as one line, and the exit codes that scripts rely on."""

from __future__ import annotations

from collections.abc import Iterable

EXIT_USAGE = 2
EXIT_CELL_FAILED = 3
EXIT_INFRASTRUCTURE = 4
EXIT_DIFFERENT = 5
EXIT_INTERRUPTED = 130
EXIT_PIPE = 1  # nobody reads the output any more: as click has it


class CwmbError(Exception):
    """Something the user can put right: the message names the thing, the value and the fix."""

    exit_code = EXIT_USAGE


class InfrastructureError(CwmbError):
    """An endpoint, the machine or the harness failed: nobody's score."""

    exit_code = EXIT_INFRASTRUCTURE


class StorageError(InfrastructureError):
    """A file of the run cannot be written: no further answer can be kept, so none may be paid for."""


class EndpointRefused(InfrastructureError):
    """An endpoint refuses every request alike (the key, the model's name, the account): asking again is pointless."""


class LedgerError(CwmbError):
    """A cell's ledger is damaged, or is that of something else: this cell cannot go on, others can."""


class ContextExceeded(Exception):
    """The prompt is longer than the model can read: the model's failure."""


class BudgetExhausted(Exception):
    """No further call of the language model, or no further evaluation, may start."""


def unknown(what: str, name: str, known: Iterable[str]) -> CwmbError:
    """An error for a name that does not exist, with the nearest match and the list of those that do."""
    import difflib  # most commands name what there is

    names = sorted(known)
    folded = {n.lower(): n for n in names}
    near = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    hint = f" (did you mean {folded[near[0]]!r}?)" if near else ""
    return CwmbError(f"unknown {what} {name!r}{hint}; there are: {', '.join(names)}")
