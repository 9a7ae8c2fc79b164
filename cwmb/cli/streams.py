"""Standard streams as people leave them: closed, full, read by nobody, or in an encoding that lacks our characters."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress


def prepare() -> None:
    """Open what is closed, lest the next file takes its place, and write what an encoding lacks as question marks."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            os.set_inheritable(opened, True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def flush() -> None:
    """Write what is still held back. Raises OSError: it cannot be written."""
    if sys.stdout is not None:
        sys.stdout.flush()


def discard() -> None:
    """Let nothing that is still held back be tried once more when Python ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError):
        os.dup2(null, 1)
