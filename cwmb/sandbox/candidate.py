"""The program inside the child: loading it, and saying what went wrong with it without a frame of ours."""

from __future__ import annotations

import sys
import types
from types import CodeType, TracebackType
from typing import Any

from cwmb.sandbox.imports import ForbiddenImport, program_builtins
from cwmb.sandbox.values import Malformed
from cwmb.sandbox.wire import MAX_TEXT, Report

FILENAME = "<candidate>"


class LoadFailed(Exception):
    """The program did not become an environment; the report says why."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.text)
        self.report = report


def load(source: bytes) -> Any:
    """Run the program as a module and make its environment.

    Raises:
        LoadFailed: it has a syntax error, raised, or defines no class Environment.
    """
    code = compiled(source)
    try:
        return _environment(code)
    except LoadFailed:
        raise
    except BaseException as error:
        raise LoadFailed(report(error, "load_error")) from None


def compiled(source: bytes) -> CodeType:
    """The program's code. Raises LoadFailed: it has a syntax error."""
    try:
        return compile(source.decode("utf-8", "surrogatepass"), FILENAME, "exec", dont_inherit=True)
    except BaseException as error:
        raise LoadFailed(syntax_report(error)) from None


def _environment(code: CodeType) -> Any:
    module = types.ModuleType("candidate")
    namespace = module.__dict__
    namespace["__builtins__"] = program_builtins()
    sys.modules["candidate"] = module  # dataclasses and typing look there
    exec(code, namespace)
    if "Environment" not in namespace:
        raise LoadFailed(Report("load_error", "the program defines no class Environment"))
    environment = namespace["Environment"]()
    for method in ("set_state", "step"):
        if not callable(getattr(environment, method, None)):
            raise LoadFailed(Report("load_error", f"class Environment has no method {method}"))
    return environment


def report(error: BaseException, kind: str, row: int = -1) -> Report:
    """What to say about an exception. kind: unless it is one of a kind of its own."""
    if isinstance(error, ForbiddenImport):
        kind = "forbidden_import"
    elif isinstance(error, MemoryError):
        kind = "memory"
    return Report(kind, described(error), _last_line(error.__traceback__), row)


def malformed(error: Malformed, kind: str, row: int) -> Report:
    """What to say about a return value."""
    return Report(kind, str(error), 0, row)


def described(error: BaseException) -> str:
    """Type and message of an exception, as a traceback's last line shows them."""
    name = type(error).__name__
    try:
        text = str(error)
    except BaseException:
        return f"{name} (its message cannot be shown)"[:MAX_TEXT]
    return (f"{name}: {text[:MAX_TEXT]}" if text else name)[:MAX_TEXT]


def _last_line(traceback: TracebackType | None) -> int:
    """The innermost line of the program in a traceback, 0 if there is none."""
    line = 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == FILENAME:
            line = traceback.tb_lineno or line
        traceback = traceback.tb_next
    return line


def syntax_report(error: BaseException) -> Report:
    """What to say about a source that cannot be compiled."""
    if isinstance(error, SyntaxError):
        return Report("syntax_error", f"{type(error).__name__}: {error.msg}", error.lineno or 0)
    return Report("syntax_error", described(error))
