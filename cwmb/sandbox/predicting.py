"""What a program says about transitions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from cwmb.benchmark.protocols import Limits
from cwmb.sandbox import wire
from cwmb.sandbox.answers import Answers
from cwmb.sandbox.conversation import Conversation, Ended, setup
from cwmb.sandbox.delivery import MAX_ROWS, Delivery, episodes_in_turn, in_time_order, one_by_one
from cwmb.sandbox.pool import Pool, backstop, twice
from cwmb.types import FittedProgram, Ints, Predictions, Program, Space, Transitions

LEAST_TRANSITIONS = 100  # the time of so many is granted to fewer: the first ones are the slow ones
_AFTER_AUDIT = 2  # questions of few transitions


class Respondent:
    """A program in a process of its own, for questions one after the other: see respondent().

    Its process is started for the first question, and anew for the next one where a question has ended it.
    """

    def __init__(
        self, start: Callable[[], Conversation], program: Program, observation_size: int, limits: Limits, seed: int
    ) -> None:
        self._start, self._program, self._size = start, program, observation_size
        self._limits, self._seed = limits, seed
        self._conversation: Conversation | None = None

    def audit(self, transitions: Transitions, indices: Ints) -> Predictions:
        """See Sandbox.audit."""
        return self.say(one_by_one(transitions, indices), len(transitions))

    def predict(self, transitions: Transitions) -> Predictions:
        """See Sandbox.predict."""
        return self._all(in_time_order(transitions, self._program, self._seed))

    def roll_out(self, transitions: Transitions) -> Predictions:
        """See Sandbox.roll_out."""
        return self._all(episodes_in_turn(transitions))

    def say(self, delivery: Delivery, of: int) -> Predictions:
        """What it says about the rows of a delivery, in their order. of: how many transitions it has the time of.

        Raises:
            InfrastructureError: the processes don't work, and not for the program's doing.
        """
        budget = self._limits.step_seconds * max(of, LEAST_TRANSITIONS)
        return twice(
            lambda: self._say(delivery, budget), lambda failure: Predictions.none(len(delivery), self._size, failure)
        )

    def _all(self, delivery: Delivery) -> Predictions:
        return self.say(delivery, len(delivery)).take(delivery.order.argsort())

    def _say(self, delivery: Delivery, budget: float) -> Predictions:
        answers = Answers(delivery, self._size)
        conversation, self._conversation = self._conversation, None
        try:
            if conversation is None:
                conversation = self._start()
            answers.collect(conversation, budget)
            self._conversation = conversation
        except Ended as ended:
            answers.note(ended.failure)
        return answers.predictions()


@contextlib.contextmanager
def respondent(
    pool: Pool,
    program: Program,
    observation_space: Space,
    action_space: Space,
    limits: Limits,
    seed: int,
    pace: float,
    of: int,
    beside: bool = True,
) -> Iterator[Respondent]:
    """A program in a process of its own, which has seen nothing.

    of: the number of transitions of its largest question; pace: see Conversation; beside: on the core of this thread,
    which is quickest where answers come at once.
    """
    settings = setup(observation_space, action_space, seed, fitted=isinstance(program, FittedProgram))
    most = max(of, LEAST_TRANSITIONS) + _AFTER_AUDIT * LEAST_TRANSITIONS
    kernel = backstop(pace * (limits.load_seconds + limits.step_seconds * most))
    shared = MAX_ROWS * wire.row_bytes(observation_space.size)
    with contextlib.ExitStack() as stack:

        def start() -> Conversation:
            stack.close()
            process = stack.enter_context(pool.process(limits, kernel, shared, beside=beside))
            conversation = Conversation(process, program, limits, pace)
            conversation.set_up(settings)
            conversation.load()
            return conversation

        yield Respondent(start, program, observation_space.size, limits, seed)
