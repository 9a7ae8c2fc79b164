"""Letting a program learn from the training data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cwmb.benchmark.protocols import Limits
from cwmb.sandbox import wire
from cwmb.sandbox.conversation import Conversation, Ended, setup
from cwmb.sandbox.pool import Pool, backstop, twice
from cwmb.types import Failure, Fitted, FittedProgram, Program, Space, Transitions

STATE_BYTES = 16 << 20  # of what a program has learned


def fit(
    pool: Pool,
    program: Program,
    observation_space: Space,
    action_space: Space,
    train: Transitions,
    limits: Limits,
    seed: int,
    pace: float,
) -> Fitted:
    """A program after its method ``fit``, or what went wrong; itself where it has none. See Sandbox.fit."""
    settings = setup(observation_space, action_space, seed, fit=True)
    rewards, ended = train.rewards[:, None], train.terminated[:, None]
    table = np.hstack([train.observations, train.actions, rewards, train.next_observations, ended])
    question = np.ascontiguousarray(table, np.float64).tobytes()
    kernel = backstop(pace * (limits.load_seconds + limits.fit_seconds))
    own = replace(limits, memory_bytes=limits.memory_bytes + STATE_BYTES)

    def converse() -> Fitted:
        with pool.process(own, kernel, STATE_BYTES, beside=True) as process:
            conversation = Conversation(process, program, limits, pace)
            conversation.set_up(settings)
            seconds = 0.0
            try:
                conversation.load()
                before = conversation.spent()
                too_slow = f"fit took more than {limits.fit_seconds:g} s of CPU time"
                seconds = limits.fit_seconds
                report, tail = conversation.ask(question, before + limits.fit_seconds, too_slow)
                seconds = conversation.spent() - before
                with conversation.reading():
                    failure, state = _read(conversation, report, tail)
            except Ended as ended:
                return Fitted(program, ended.failure, seconds)
            if failure is not None:
                return Fitted(program, failure, seconds)
            return Fitted(FittedProgram(program.source, state), None, seconds) if state else Fitted(program)

    return twice(converse, lambda failure: Fitted(program, failure))


def _read(conversation: Conversation, report: wire.Report, tail: bytes) -> tuple[Failure | None, bytes]:
    """What a child says of its learning. Raises Ended for what no honest worker says."""
    failure = conversation.failure(report)
    if len(tail) != wire.FITTED.size:
        raise conversation.tampered("a malformed answer")
    (size,) = wire.FITTED.unpack(tail)
    if size > STATE_BYTES:
        raise conversation.tampered("it has learned more than it may")
    return failure, bytes(conversation.process.memory[:size])
