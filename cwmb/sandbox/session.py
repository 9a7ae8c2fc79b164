"""Planning with a program, inside its process."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np

from cwmb.benchmark.protocols import Limits, PlannerSpec
from cwmb.sandbox import wire
from cwmb.sandbox.conversation import Conversation, Ended
from cwmb.sandbox.pool import twice
from cwmb.sandbox.process import ZygoteDied
from cwmb.types import Failure, Floats, Space

_MAX_ACTIONS = 10_000  # in one plan
_STEPS_A_SECOND = 1e8  # of a model: more than any can take


@dataclass(frozen=True)
class Plan:
    """A planner's answer.

    actions: float64 [k, A] to execute, within the space's bounds and cast to its dtype; None if no sample survived
    (take a random action, then ask again) or after a failure; model_steps, failed_steps: counted in this plan;
    failure: fatal, there will be no more plans in this session.
    """

    actions: Floats | None
    model_steps: int = 0
    failed_steps: int = 0
    failure: Failure | None = None


class PlanningSession:
    """A planner that plans with a program, inside the program's process."""

    def __init__(
        self, start: Callable[[], Conversation], action_space: Space, limits: Limits, most_steps: float = inf
    ) -> None:
        """most_steps: that the planner takes in the model for one plan."""
        self._start = start
        self._space, self._limits, self._most_steps = action_space, limits, most_steps
        self._asked: list[bytes] = []
        self._conversation: Conversation | None = None
        self._failure: Failure | None = None

    def plan(self, observation: Floats) -> Plan:
        """Plan from an observation [D].

        Raises:
            InfrastructureError: the processes don't work, and not for the program's doing.
        """
        if self._failure is not None:
            return Plan(None, failure=self._failure)
        self._asked.append(np.asarray(observation, dtype=np.float64).tobytes())
        try:
            return twice(self._ask)
        except Ended as ended:
            self._failure = ended.failure
            return Plan(None, failure=ended.failure)

    def _ask(self) -> Plan:
        asked = self._asked[-1:]
        if self._conversation is None:
            asked = self._asked  # planning is deterministic: another process is brought to the same point
            self._conversation = self._start()
        try:
            for question in asked:
                plan = self._ask_once(self._conversation, question)
            return plan
        except ZygoteDied:
            self._conversation = None
            raise

    def _ask_once(self, conversation: Conversation, question: bytes) -> Plan:
        seconds, before = self._limits.plan_seconds, conversation.spent()
        _, tail = conversation.ask(question, before + seconds, f"one plan took more than {seconds:g} s of CPU time")
        with conversation.reading():
            return self._read(conversation, tail, conversation.spent() - before)

    def _read(self, conversation: Conversation, tail: bytes, seconds: float) -> Plan:
        """The plan that an answer holds, given without its report. seconds: that it took."""
        if len(tail) < wire.PLAN.size or (len(tail) - wire.PLAN.size) % (8 * self._space.size):
            raise conversation.tampered("a malformed plan")
        steps, failed = wire.PLAN.unpack_from(tail)
        if not failed <= steps <= min(self._most_steps, _STEPS_A_SECOND * (seconds + 1.0)):
            raise conversation.tampered("counts of model steps that are impossible")
        actions = np.frombuffer(tail, np.float64, offset=wire.PLAN.size).reshape(-1, self._space.size)
        if not len(actions):
            return Plan(None, steps, failed)
        if len(actions) > _MAX_ACTIONS or not np.isfinite(actions).all():
            raise conversation.tampered("a plan of impossible actions")
        return Plan(_admissible(actions, self._space), steps, failed)


def most_steps(reference: str, planner: PlannerSpec, space: Space) -> float:
    """Steps that a plan takes in the model at most, as the planner ``module:Class`` says itself; else infinity."""
    module, _, attribute = reference.partition(":")
    try:
        made = getattr(importlib.import_module(module), attribute)(
            np.array(space.low), np.array(space.high), space.dtype, **planner.parameters
        )
        return float(getattr(made, "most_steps", inf))
    except Exception:  # the process that plans says what is wrong with it
        return inf


def _admissible(actions: Floats, space: Space) -> Floats:
    clipped = np.clip(actions, space.low, space.high)
    if space.kind != "box":
        return np.rint(clipped)
    return clipped.astype(space.dtype).astype(np.float64)
