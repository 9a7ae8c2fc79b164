"""What a program says about transitions."""

from __future__ import annotations

from cwmb.benchmark.protocols import Limits
from cwmb.sandbox import wire
from cwmb.sandbox.answers import Answers
from cwmb.sandbox.conversation import Conversation, Ended, setup
from cwmb.sandbox.delivery import MAX_ROWS, Delivery
from cwmb.sandbox.pool import Pool, backstop, twice
from cwmb.types import FittedProgram, Predictions, Program, Space

LEAST_TRANSITIONS = 100  # the time of so many is granted to fewer: the first ones are the slow ones


def predictions(
    pool: Pool,
    program: Program,
    observation_space: Space,
    action_space: Space,
    delivery: Delivery,
    of: int,
    limits: Limits,
    seed: int,
    pace: float,
    beside: bool = True,
) -> Predictions:
    """What a program says about the rows of a delivery, in one process and in their order.

    of: the number of transitions that the time is granted for; pace: see Conversation; beside: on the core of this
    thread, which is quickest where answers come at once. See Sandbox.predict.
    """
    settings = setup(observation_space, action_space, seed, fitted=isinstance(program, FittedProgram))
    budget = limits.step_seconds * max(of, LEAST_TRANSITIONS)
    kernel = backstop(pace * (limits.load_seconds + budget))

    def converse() -> Predictions:
        shared = MAX_ROWS * wire.row_bytes(observation_space.size)
        with pool.process(limits, kernel, shared, beside=beside) as process:
            conversation = Conversation(process, program, limits, pace)
            conversation.set_up(settings)
            answers = Answers(delivery, observation_space.size)
            try:
                conversation.load()
                answers.collect(conversation, budget)
            except Ended as ended:
                answers.note(ended.failure)
            return answers.predictions()

    return twice(converse, lambda failure: Predictions.none(len(delivery), observation_space.size, failure))
