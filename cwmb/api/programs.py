"""A program of one's own: how right it is, and what planning with it brings."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from cwmb.benchmark.suites import ORIGINAL, shipped
from cwmb.cli.own_program import ProgramPlan, ProgramScore, plan_with_program, read_program, score_program
from cwmb.sandbox import Sandbox
from cwmb.types import Program, Split


def as_program(program: Program | Path | str) -> Program:
    """A program given as itself, as the path of its file, or as its source.

    Raises:
        CwmbError: there is no such file, or it defines no class Environment.
    """
    if isinstance(program, Program):
        return program
    is_source = isinstance(program, str) and "class Environment" in program
    return Program(str(program)) if is_source else read_program(Path(program))


def score(
    program: Program | Path | str,
    env: str,
    split: Split = "test",
    *,
    protocol: str = "standard",
    suite: str = ORIGINAL,
    data: Path | str | None = None,
) -> ProgramScore:
    """Score a program, in the sandbox, on recorded transitions of an environment.

    program: its file, its source or a Program; split: ``test`` for what results are measured on, ``train`` for what a
    search sees; data: a Minari data set's folder or an .npz file to score on instead.

    Raises:
        CwmbError: there is no such program, environment, split, protocol or suite.
    """
    spec = shipped(suite).environment(env)
    read = as_program(program)
    with closing(Sandbox(workers=1, planners={})) as sandbox:
        return score_program(sandbox, spec, read, split, None if data is None else str(data), protocol)


def plan(
    program: Program | Path | str,
    env: str,
    *,
    protocol: str = "quick",
    suite: str = ORIGINAL,
    episodes: int | None = None,
) -> ProgramPlan:
    """Plan with a program, in the sandbox, and act in the real environment.

    program: its file, its source or a Program; episodes: the protocol's unless said.

    Raises:
        CwmbError: there is no such program, environment, protocol or suite.
    """
    spec = shipped(suite).environment(env)
    read = as_program(program)
    with closing(Sandbox(workers=1)) as sandbox:
        return plan_with_program(sandbox, spec, read, protocol, episodes)
