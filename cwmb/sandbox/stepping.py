"""Stepping a program from outside: one question a step, as whoever acts in it chooses what to do next."""

from __future__ import annotations

import numpy as np

from cwmb.benchmark.protocols import Limits
from cwmb.errors import CwmbError
from cwmb.sandbox import wire
from cwmb.sandbox.conversation import Conversation, Ended
from cwmb.sandbox.predicting import LEAST_TRANSITIONS
from cwmb.text import line
from cwmb.types import OK, Failure, Floats


class ProgramFailed(CwmbError):
    """The program raised, was too slow, or said something that is no step; failure has the details."""

    def __init__(self, failure: Failure) -> None:
        where = f" (line {failure.line}: {failure.code})" if failure.line else ""
        super().__init__(f"the program failed, {failure.kind}: {line(failure.message + where)}; mend it")
        self.failure = failure


class SteppingSession:
    """A program in its process. It has limits.step_seconds for each step on average, for at least 100 of them."""

    def __init__(self, conversation: Conversation, observation_size: int, limits: Limits) -> None:
        """Load the program. Raises ProgramFailed: it does not load."""
        self._conversation, self._size, self._limits = conversation, observation_size, limits
        self._on = np.full(observation_size, np.nan)  # from the state that the program is in
        self._origin, self._steps = self._on, 0
        try:
            conversation.load()
            self._before = conversation.spent()
        except Ended as ended:
            raise ProgramFailed(ended.failure) from None

    def set_state(self, observation: Floats) -> None:
        """Set the program on an observation [D] before the next step."""
        self._origin = np.asarray(observation, dtype=np.float64)

    def step(self, action: Floats) -> tuple[Floats, float, bool]:
        """Take an action [A]; returns (observation [D], reward, done).

        Raises:
            ProgramFailed: see there; after a crash or a time-out of its process every further step fails alike.
            InfrastructureError: the process was killed from outside.
        """
        row = np.concatenate([self._origin, np.asarray(action, dtype=np.float64)])
        self._origin = self._on
        self._steps += 1
        granted = self._limits.step_seconds * (self._steps + LEAST_TRANSITIONS)
        slow = f"a step takes more than {1e3 * self._limits.step_seconds:g} ms of CPU time on average"
        conversation = self._conversation
        try:
            report, _ = conversation.ask(row.tobytes(), self._before + granted, slow)
            failure = conversation.failure(report)
            said = bytes(conversation.process.memory[: wire.row_bytes(self._size)])
        except Ended as ended:
            raise ProgramFailed(ended.failure) from None
        status, done, reward = wire.ROW_HEAD.unpack_from(said)
        observation = np.frombuffer(said, np.float64, self._size, wire.ROW_HEAD.size).copy()
        if failure is None and status != OK:  # it reports the first of a kind only
            failure = Failure("exception", "it failed as before")
        if failure is None and not (np.isfinite(observation).all() and np.isfinite(reward)):
            failure = Failure("bad_observation", "a value of the observation, or the reward, is not finite")
        if failure is not None:
            raise ProgramFailed(failure)
        return observation, float(reward), bool(done)
