"""Running programs that nobody trusts."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from types import TracebackType

import numpy as np

from cwmb.errors import CwmbError, unknown
from cwmb.protocols import Limits, PlannerSpec
from cwmb.sandbox import kernel, wire
from cwmb.sandbox.answers import Answers
from cwmb.sandbox.canary import proven_layers
from cwmb.sandbox.conversation import Conversation, Ended, setup
from cwmb.sandbox.delivery import MAX_ROWS, messages, table
from cwmb.sandbox.pool import Pool, twice
from cwmb.sandbox.process import one_core
from cwmb.sandbox.session import PlanningSession
from cwmb.types import NOT_RUN, Ints, Predictions, Program, Space, Transitions

LEAST_TRANSITIONS = 100  # the time of so many is granted to fewer: the first ones are the slow ones
_BACKSTOP_SECONDS = 10  # of CPU time: how much later than the parent the kernel ends a child


class Sandbox:
    """Runs programs in locked-down processes. Safe to use from many threads; a context manager.

    layers: the protections in force, ``("none",)`` if unsafe.
    """

    def __init__(
        self, workers: int | None = None, unsafe: bool = False, planners: Mapping[str, str] | None = None
    ) -> None:
        """Start the sandbox.

        workers: zygotes that fork the children, one per core by default; unsafe: run programs without any protection;
        planners: ``module:Class`` by name, those of the entry-point group ``cwmb.planners`` by default.

        Raises:
            CwmbError: there is no protection for this system, and unsafe was not asked for.
            InfrastructureError: the protection does not hold.
        """
        if workers is not None and workers < 1:
            raise CwmbError(f"a sandbox needs at least 1 worker, not {workers}")
        if planners is None:
            planners = {point.name: point.value for point in entry_points(group="cwmb.planners")}
        if not unsafe and not kernel.supported():
            raise CwmbError(
                f"the sandbox needs Linux on {' or '.join(kernel.CALLS)}, this is {platform.system()} on "
                f"{platform.machine()}; to run programs without any protection, use --unsafe-no-sandbox"
            )
        self._planners = frozenset(planners)
        self._pool = Pool(planners, workers, unsafe)
        try:
            self.layers = ("none",) if unsafe else proven_layers(self._pool)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        self._pool.close()

    def predict(
        self,
        program: Program,
        observation_space: Space,
        action_space: Space,
        transitions: Transitions,
        limits: Limits,
        seed: int,
    ) -> Predictions:
        """What a program says about transitions, of which it sees observations and actions in time order.

        seed: reseeds the program's generators before every row. A failing program is no error: see Predictions.
        The CPU time is limits.step_seconds for each transition, for at least 100 of them.

        Raises:
            InfrastructureError: the processes don't work, and not for the program's doing.
        """
        index = np.arange(len(transitions))
        return self._run(program, observation_space, action_space, transitions, index, limits, seed)

    def audit(
        self,
        program: Program,
        observation_space: Space,
        action_space: Space,
        transitions: Transitions,
        indices: Ints,
        limits: Limits,
        seed: int,
    ) -> Predictions:
        """What a program says about the transitions ``indices`` [n], each in a fresh process.

        A program that carries nothing from one transition to the next says the same as in predict().
        """
        parts = [
            self._run(program, observation_space, action_space, transitions, index, limits, seed)
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

    @contextlib.contextmanager
    def planning(
        self,
        program: Program,
        observation_space: Space,
        action_space: Space,
        planner: PlannerSpec,
        limits: Limits,
        seed: int,
    ) -> Iterator[PlanningSession]:
        """A session (one episode) of a planner with a program as its model, in one process.

        seed: of the planner's generator. A program that does not load makes a session that fails.

        Raises:
            CwmbError: there is no such planner.
            InfrastructureError: the planner refuses its parameters, or the processes don't work.
        """
        if planner.name not in self._planners:
            raise unknown("planner", planner.name, self._planners)
        settings = setup(observation_space, action_space, seed, planner)
        with contextlib.ExitStack() as stack:

            def start() -> Conversation:
                stack.close()
                process = stack.enter_context(self._pool.process(limits, 0, wire.row_bytes(0)))
                conversation = Conversation(process, program, limits)
                conversation.set_up(settings)
                conversation.load()
                return conversation

            yield PlanningSession(start, action_space, limits)

    def _run(
        self,
        program: Program,
        observation_space: Space,
        action_space: Space,
        transitions: Transitions,
        index: Ints,
        limits: Limits,
        seed: int,
    ) -> Predictions:
        """The predictions of the transitions ``index`` [n], in one process."""
        order, sizes = messages(transitions.steps[index], 8 * (1 + observation_space.size + action_space.size))
        questions = table(index, transitions.observations[index], transitions.actions[index])[order]
        settings = setup(observation_space, action_space, seed)
        budget = limits.step_seconds * max(len(index), LEAST_TRANSITIONS)
        backstop = int(limits.load_seconds + budget) + _BACKSTOP_SECONDS

        def converse() -> Predictions:
            shared = MAX_ROWS * wire.row_bytes(observation_space.size)
            with one_core() as core, self._pool.process(limits, backstop, shared, core) as process:
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


def _nothing(n: int, observation_size: int) -> Predictions:
    return Predictions(
        np.full((n, observation_size), np.nan), np.full(n, np.nan), np.zeros(n, bool), np.full(n, NOT_RUN, np.uint8)
    )
