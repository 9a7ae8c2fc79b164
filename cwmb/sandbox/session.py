"""Planning with a program, inside its process."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from cwmb.benchmark.protocols import Limits, PlannerSpec
from cwmb.plugins import try_elsewhere
from cwmb.sandbox import wire
from cwmb.sandbox.conversation import Conversation, Ended
from cwmb.sandbox.pool import twice
from cwmb.sandbox.predicting import LEAST_TRANSITIONS
from cwmb.sandbox.process import ZygoteDied
from cwmb.text import line
from cwmb.types import Failure, Floats, Space

_MAX_ACTIONS = 10_000  # in one plan
_STEPS_A_SECOND = 1e8  # of a model: more than any can take
_MAX_STEPS = 1e12  # in one plan
_WHY_CHARACTERS = 200


@dataclass(frozen=True)
class Plan:
    """A planner's answer.

    actions: float64 [k, A] to execute, within the space's bounds and cast to its dtype; None if no sample survived
    (take a random action, then ask again), or there will be no more plans in this session
    model_steps, failed_steps, seconds: steps of the model and reference seconds that this plan took
    failure: why there will be no more plans; loaded: whether there was a program to plan with at all
    cut: no more time was granted, which is no failure, and there will be no more plans either
    step_many: ``used``, or why the program's is not; None if it has none
    """

    actions: Floats | None
    model_steps: int = 0
    failed_steps: int = 0
    failure: Failure | None = None
    loaded: bool = True
    cut: bool = False
    step_many: str | None = None
    seconds: float = 0.0


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
        self._over: Plan | None = None

    def plan(self, observation: Floats, granted: float = inf) -> Plan:
        """Plan from an observation [D].

        granted: reference seconds, beside the program's limit: of each step of the model so many on average, at most
        for as many steps as the planner takes.

        Raises:
            InfrastructureError: the processes don't work, and not for the program's doing.
        """
        if self._over is not None:
            return self._over
        self._asked.append(np.asarray(observation, dtype=np.float64).tobytes())
        plan = twice(lambda: self._ask(granted), lambda failure: Plan(None, failure=failure))
        if plan.failure is not None or plan.cut:
            self._over = replace(plan, model_steps=0, failed_steps=0, seconds=0.0)
        return plan

    def _ask(self, granted: float) -> Plan:
        asked = self._asked[-1:]
        if self._conversation is None:
            asked = self._asked  # planning is deterministic: another process is brought to the same point
            try:
                self._conversation = self._start()
            except Ended as ended:
                return Plan(None, failure=ended.failure, loaded=False)
        try:
            for question in asked:
                plan = self._ask_once(self._conversation, question, granted)
            return plan
        except ZygoteDied:
            self._conversation = None
            raise

    def _ask_once(self, conversation: Conversation, question: bytes, granted: float) -> Plan:
        before, each = conversation.spent(), self._limits.step_seconds
        most = each * self._most_steps

        def taken() -> int:
            (steps,) = wire.PROGRESS.unpack_from(conversation.process.memory)
            return int(steps) if steps <= min(self._most_steps, _MAX_STEPS) else 0

        def so_far() -> float:
            return before + each * (taken() + LEAST_TRANSITIONS)

        too_slow = f"a step of the model takes more than {1e3 * each:g} ms of CPU time on average while planning"
        try:
            report, tail = conversation.ask(question, before + min(granted, most), too_slow, so_far)
            with conversation.reading():
                plan = self._read(conversation, tail, conversation.spent() - before)
                return replace(plan, step_many=_step_many(tail, report.text))
        except Ended as ended:
            late, own = ended.failure.kind == "timeout", min(most, so_far() - before)
            cut = late and granted < own
            seconds = min(granted, own) if late else 0.0
            return Plan(None, taken(), failure=None if cut else ended.failure, cut=cut, seconds=seconds)

    def _read(self, conversation: Conversation, tail: bytes, seconds: float) -> Plan:
        """The plan that an answer holds, given without its report. seconds: that it took."""
        if len(tail) < wire.PLAN.size or (len(tail) - wire.PLAN.size) % (8 * self._space.size):
            raise conversation.tampered("a malformed plan")
        steps, failed, stepping = wire.PLAN.unpack_from(tail)
        if not failed <= steps <= min(self._most_steps, _STEPS_A_SECOND * (seconds + 1.0)):
            raise conversation.tampered("counts of model steps that are impossible")
        if stepping > wire.REFUSED:
            raise conversation.tampered("steps of an unknown kind")
        actions = np.frombuffer(tail, np.float64, offset=wire.PLAN.size).reshape(-1, self._space.size)
        if not len(actions):
            return Plan(None, steps, failed, seconds=seconds)
        if len(actions) > _MAX_ACTIONS or not np.isfinite(actions).all():
            raise conversation.tampered("a plan of impossible actions")
        return Plan(_admissible(actions, self._space), steps, failed, seconds=seconds)


def _step_many(tail: bytes, why: str) -> str | None:
    stepping = wire.PLAN.unpack_from(tail)[2]
    if stepping == wire.STEPPED:
        return None
    return "used" if stepping == wire.AT_ONCE else f"ignored: {line(why, _WHY_CHARACTERS)}"


def most_steps(reference: str, planner: PlannerSpec, space: Space) -> float:
    """Steps that a plan takes in the model at most, as the planner ``module:Class`` says itself; else infinity."""
    module, _, attribute = reference.partition(":")
    try:
        try_elsewhere(module)
        made = getattr(importlib.import_module(module), attribute)(
            np.array(space.low), np.array(space.high), space.dtype, **planner.parameters
        )
        return float(getattr(made, "most_steps", inf))
    except (Exception, SystemExit):  # the process that plans says what is wrong with it
        return inf


def _admissible(actions: Floats, space: Space) -> Floats:
    clipped = np.clip(actions, space.low, space.high)
    if space.kind != "box":
        return np.rint(clipped)
    return clipped.astype(space.dtype).astype(np.float64)
