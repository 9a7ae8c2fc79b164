"""A script inside the child: it reads the standard input and writes to the standard output, both in memory."""

from __future__ import annotations

import io
import sys
import types
from contextlib import suppress

from cwmb.sandbox.candidate import compiled, report
from cwmb.sandbox.imports import program_builtins
from cwmb.sandbox.wire import Report


class Flood(Exception):
    """A script wrote more than it may."""


class _Limited(io.BytesIO):
    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: bytes) -> int:  # type: ignore[override]  # what a text stream writes is bytes
        if self.tell() + len(data) > self._most:
            raise Flood(f"the program wrote more than {self._most:,} bytes")
        return super().write(data)


class Script:
    """A program that is run as a whole. most: bytes that it may write. Raises LoadFailed: it has a syntax error."""

    def __init__(self, source: bytes, most: int) -> None:
        self._code = compiled(source)
        self._output = _Limited(most)

    def run(self, given: bytes) -> Report:
        """Run it with this standard input; what went wrong, if anything. An exit is an end like any other."""
        module = types.ModuleType("__main__")
        module.__dict__["__builtins__"] = program_builtins()
        sys.modules["__main__"] = module
        sys.stdin = io.TextIOWrapper(io.BytesIO(given), encoding="utf-8", errors="replace")
        sys.stdout = writer = io.TextIOWrapper(self._output, encoding="utf-8", errors="replace")
        sys.stderr = io.StringIO()
        try:
            with suppress(SystemExit):
                exec(self._code, module.__dict__)
            writer.flush()
        except Flood as error:
            return report(error, "flood")
        except BaseException as error:
            return report(error, "exception")
        return Report()

    def written(self) -> bytes:
        """What it has written."""
        return self._output.getvalue()
