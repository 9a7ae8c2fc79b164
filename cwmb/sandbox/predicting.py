"""What a program says about transitions."""

from __future__ import annotations

import numpy as np

from cwmb.benchmark.protocols import Limits
from cwmb.sandbox import wire
from cwmb.sandbox.answers import Answers
from cwmb.sandbox.conversation import Conversation, Ended, setup
from cwmb.sandbox.delivery import MAX_ROWS, episodes_in_turn, messages, table
from cwmb.sandbox.pool import Pool, twice
from cwmb.types import NOT_RUN, Floats, Ints, Predictions, Program, Space, Transitions

LEAST_TRANSITIONS = 100  # the time of so many is granted to fewer: the first ones are the slow ones
_BACKSTOP_SECONDS = 10  # of CPU time: how much later than the parent the kernel ends a child


def predict(
    pool: Pool,
    program: Program,
    observation_space: Space,
    action_space: Space,
    transitions: Transitions,
    index: Ints | None,
    limits: Limits,
    seed: int,
) -> Predictions:
    """The predictions of the transitions ``index`` [n] (None: of all), in one process. See Sandbox.predict."""
    index = np.arange(len(transitions)) if index is None else index
    order, sizes = messages(transitions.steps[index], 8 * (1 + observation_space.size + action_space.size))
    questions = table(index, transitions.observations[index], transitions.actions[index])[order]
    return _answers(pool, program, observation_space, action_space, questions, index, order, sizes, limits, seed)


def roll_out(
    pool: Pool,
    program: Program,
    observation_space: Space,
    action_space: Space,
    transitions: Transitions,
    limits: Limits,
    seed: int,
) -> Predictions:
    """What a program says of whole episodes of which it sees the beginning. See Sandbox.roll_out."""
    index = np.arange(len(transitions))
    width = 8 * (1 + observation_space.size + action_space.size)
    order, sizes, first = episodes_in_turn(transitions.episodes, transitions.steps, width)
    questions = table(index, transitions.observations, transitions.actions)[order]
    questions[~first, 1 : 1 + observation_space.size] = np.nan
    return _answers(pool, program, observation_space, action_space, questions, index, order, sizes, limits, seed)


def _answers(
    pool: Pool,
    program: Program,
    observation_space: Space,
    action_space: Space,
    questions: Floats,
    index: Ints,
    order: Ints,
    sizes: list[int],
    limits: Limits,
    seed: int,
) -> Predictions:
    """The answers to questions [n, 1 + D + A] about the transitions ``index[order]`` in messages of these sizes."""
    settings = setup(observation_space, action_space, seed)
    budget = limits.step_seconds * max(len(index), LEAST_TRANSITIONS)
    backstop = int(limits.load_seconds + budget) + _BACKSTOP_SECONDS

    def converse() -> Predictions:
        shared = MAX_ROWS * wire.row_bytes(observation_space.size)
        with pool.process(limits, backstop, shared, beside=True) as process:
            conversation = Conversation(process, program, limits)
            conversation.set_up(settings)
            answers = Answers(index, order, observation_space.size)
            try:
                conversation.load()
                answers.collect(conversation, questions, sizes, budget)
            except Ended as ended:
                answers.note(ended.failure)
            return answers.predictions()

    return twice(converse)


def predict_apart(
    pool: Pool,
    program: Program,
    observation_space: Space,
    action_space: Space,
    transitions: Transitions,
    indices: Ints,
    limits: Limits,
    seed: int,
) -> Predictions:
    """The predictions of the transitions ``indices`` [n], each in a fresh process. See Sandbox.audit."""
    parts = [
        predict(pool, program, observation_space, action_space, transitions, index, limits, seed)
        for index in np.reshape(indices, (-1, 1))
    ]
    if not parts:
        return _nothing(0, observation_space.size)
    return Predictions(
        observations=np.concatenate([p.observations for p in parts]),
        rewards=np.concatenate([p.rewards for p in parts]),
        done=np.concatenate([p.done for p in parts]),
        status=np.concatenate([p.status for p in parts]),
        failure=next((p.failure for p in parts if p.failure is not None), None),
    )


def _nothing(n: int, observation_size: int) -> Predictions:
    return Predictions(
        np.full((n, observation_size), np.nan), np.full(n, np.nan), np.zeros(n, bool), np.full(n, NOT_RUN, np.uint8)
    )
