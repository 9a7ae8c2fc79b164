"""A program as a Gymnasium environment: an agent acts, and is trained, in what a program says of the world."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from cwmb.api.programs import as_program
from cwmb.benchmark import trajectories
from cwmb.benchmark.catalog import environment_ids
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import ORIGINAL, shipped
from cwmb.errors import CwmbError
from cwmb.reference import program_of
from cwmb.sandbox import Sandbox
from cwmb.sandbox.stepping import ProgramFailed, SteppingSession
from cwmb.types import Floats, Program
from cwmb.worlds import make
from cwmb.worlds.base import gymnasium_space

RULES = protocol("standard")  # whose limits a program has
_sandboxes: dict[int, Sandbox] = {}


def sandbox() -> Sandbox:
    """The sandbox of this process, which its environments share; a process that was forked has one of its own."""
    if os.getpid() not in _sandboxes:
        made = _sandboxes[os.getpid()] = Sandbox(planners={})
        atexit.register(made.close)
    return _sandboxes[os.getpid()]


class WorldModel(gymnasium.Env[Any, Any]):
    """The world that a program describes, with the spaces of the environment that it is a model of.

    Episodes begin where those of the real environment do, with the same seed in the same state. From there on the
    program alone says what happens, in the sandbox. They are truncated at the environment's step limit. A program that
    fails raises ProgramFailed, a CwmbError, in step().
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (Gymnasium declares it so)

    def __init__(
        self,
        env: str,
        program: Program | Path | str | None = None,
        suite: str = ORIGINAL,
        render_mode: str | None = None,
    ) -> None:
        """program: its file, its source or a Program; the reference program unless said.

        Raises:
            CwmbError: there is no such environment, suite or program, it does not learn, or something is to be drawn.
        """
        if render_mode is not None:
            raise CwmbError(f"a program draws nothing: leave render_mode={render_mode!r} out")
        self._world = shipped(suite).environment(env)
        chosen = program_of(self._world) if program is None else as_program(program)
        if chosen is None:
            raise CwmbError(f"{env} of suite {suite} has no reference program: give one with program=")
        self._spaces = trajectories.spaces(self._world)
        self.observation_space, self.action_space = map(gymnasium_space, self._spaces)
        self._program = chosen
        if self._world.fit:
            train = trajectories.transitions(self._world, "train")
            learned = sandbox().fit(chosen, *self._spaces, train, RULES.limits, RULES.scoring.seed)
            if learned.failure is not None:
                raise ProgramFailed(learned.failure)
            self._program = learned.program
        self._starts = make(self._world)
        self._open = ExitStack()
        self._session: SteppingSession | None = None
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode where the real environment begins one; options are not used."""
        super().reset(seed=seed)
        first = self._starts.reset(seed)
        if self._session is None or seed is not None:  # from a seed follows all that the program draws in its process
            self._open.close()
            stepping = sandbox().stepping(
                self._program, *self._spaces, RULES.limits, int(self.np_random.integers(2**31))
            )
            self._session = self._open.enter_context(stepping)
        self._session.set_state(first)
        self._steps = 0
        return self._value(first), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """What the program says of an action. Raises ProgramFailed, or CwmbError before the first reset()."""
        if self._session is None:
            raise CwmbError("the episode has not begun: call reset() first")
        asked = np.asarray(action, dtype=self._spaces[1].dtype).reshape(-1)
        try:
            observation, reward, done = self._session.step(asked.astype(np.float64))
        except CwmbError:
            self.close()  # the process may be gone
            raise
        self._steps += 1
        return self._value(observation), reward, done, self._steps >= self._world.step_limit, {}

    def close(self) -> None:
        """End the program's process; reset() starts another."""
        self._open.close()
        self._session = None

    def _value(self, row: Floats) -> Any:
        """A row as the observation space has it."""
        value = self._spaces[0].decode(row)
        return value.astype(self._spaces[0].dtype) if isinstance(value, np.ndarray) else value


def load_world_model(program: Program | Path | str, env: str, *, suite: str = ORIGINAL) -> WorldModel:
    """The world that a program describes as a Gymnasium environment: see WorldModel.

    program: its file, its source or a Program; env: the environment that it is a model of.

    Raises:
        CwmbError: there is no such program, environment or suite, or the program does not learn where it should.
    """
    return WorldModel(env, program, suite)


def register_envs() -> tuple[str, ...]:
    """Register world models with Gymnasium; returns their ids. Called again it changes nothing.

    ``cwmb/<env>-program`` takes ``program=`` and ``suite=``; ``cwmb/<env>-reference`` is the reference program.
    """
    found = []
    for env in environment_ids():
        for kind in ("program", "reference"):
            name = f"cwmb/{env}-{kind}"
            found.append(name)
            if name not in gymnasium.registry:
                gymnasium.register(name, "cwmb.api.world_model:WorldModel", kwargs={"env": env})
    return tuple(found)
