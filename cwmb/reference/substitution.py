"""Other constants in a program: the assignments in the body of its class are written anew, nothing else changes.

And a program without one of its methods.
"""

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


def without_method(source: str, name: str) -> str:
    """The source without the methods of that name and what only they use, as ``ast.unparse`` writes it."""
    tree = ast.parse(source)
    blocks = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    gone = {name}
    while gone:
        used = _used(tree)
        for block in blocks:
            block[:] = [node for node in block if _defined(node) not in gone]
        gone = used - _used(tree)
    return ast.unparse(tree)


def _used(tree: ast.AST) -> set[str]:
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    return {node.id for node in names} | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _defined(node: ast.stmt) -> str | None:
    if isinstance(node, ast.FunctionDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None
