"""The next state of one program with the reward and the end of another, as one program."""

from __future__ import annotations

import ast
import warnings

from cwmb.types import Program

ENVIRONMENT = """
class Environment:
    def __init__(self):
        self.dynamics, self.ends = _dynamics()(), _ends()()

    def set_state(self, observation):
        self.state = observation
        self.dynamics.set_state(observation)

    def step(self, action):
        self.ends.set_state(self.state)
        self.state = self.dynamics.step(action)[0]
        _, reward, done = self.ends.step(action)
        return self.state, reward, done
"""


def combined(dynamics: Program, ends: Program) -> Program | None:
    """Both as functions that make their class, and an Environment of the two.

    None where that is not possible: one does not parse, or has statements that a function cannot hold. A method ``fit``
    is not taken over, so that programs with one are not combined.
    """
    bodies = [_as_function(name, source.source) for name, source in (("_dynamics", dynamics), ("_ends", ends))]
    if None in bodies:
        return None
    return Program("\n\n".join([*(body or "" for body in bodies), ENVIRONMENT.strip()]) + "\n")


def _as_function(name: str, source: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
            return _wrapped(name, tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _wrapped(name: str, tree: ast.Module) -> str | None:
    for node in ast.walk(tree):
        of_module = isinstance(node, ast.Global) or (
            isinstance(node, ast.ImportFrom) and (node.module == "__future__" or any(a.name == "*" for a in node.names))
        )
        if of_module or (isinstance(node, ast.FunctionDef) and node.name in ("fit", "step_many")):
            return None
    returned = ast.Return(ast.Name("Environment", ast.Load()))
    function = ast.parse(f"def {name}(): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = [*tree.body, returned]
    return ast.unparse(ast.fix_missing_locations(function))
