"""Other constants in a program: the assignments in the body of its class are written anew, nothing else changes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from cwmb.errors import CwmbError


def with_constants(source: str, values: Mapping[str, Any]) -> str:
    """The source with these values assigned to class constants of ``Environment``, each on one line.

    Raises:
        CwmbError: the class has no constant of that name.
    """
    (cls,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Environment")
    lines = source.split("\n")
    found = set()
    for node in cls.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in values:
            name, value = node.targets[0].id, node.value
            if value.end_lineno != node.lineno:
                raise CwmbError(f"reference program: constant {name} must stand on one line")
            line = lines[node.lineno - 1].encode()  # columns count bytes
            new = line[: value.col_offset] + repr(_literal(values[name])).encode() + line[value.end_col_offset :]
            lines[node.lineno - 1] = new.decode()
            found.add(name)
    if missing := sorted(set(values) - found):
        raise CwmbError(f"reference program: no class constant {', '.join(missing)}")
    return "\n".join(lines)


def _literal(value: Any) -> Any:
    """Lists as tuples: constants of a class do not change."""
    return tuple(map(_literal, value)) if isinstance(value, list) else value
