"""What helps a person at the command line: commands listed by what they are for, and names that the shell completes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

C = TypeVar("C", bound=click.Command)


class Sections(click.Group):
    """A group whose help lists its commands in sections, in the order in which these were first named."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._sections: dict[str, str] = {}

    def within(self, title: str) -> Callable[[C], C]:
        """A decorator that puts a command into a section."""

        def put(command: C) -> C:
            self._sections[command.name or ""] = title
            return command

        return put

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The sections; commands without one come last."""
        width = max(map(len, self.commands))
        limit = formatter.width - width - 6
        titles = dict.fromkeys([*self._sections.values(), *("Other" for n in self.commands if n not in self._sections)])
        for title in titles:
            own = [(n, c) for n, c in self.commands.items() if self._sections.get(n, "Other") == title]
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), command.get_short_help_str(limit)) for name, command in own])


def completed(names: Callable[[], Iterable[str]]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """What a shell is told on TAB: those of the names that begin as what was typed, with what precedes a last comma."""

    def complete(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
        before, comma, last = typed.rpartition(",")
        return [before + comma + name for name in names() if name.startswith(last)]

    return complete


def completion_script(app: click.Command, shell: str) -> str:
    """What a shell must read to complete the command. shell: bash, zsh or fish.

    Raises:
        KeyError: another shell.
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    if made is None:
        raise KeyError(shell)
    return made(app, {}, "cwmb", "_CWMB_COMPLETE").source()
