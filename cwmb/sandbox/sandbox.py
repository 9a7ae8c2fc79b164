"""Running programs that nobody trusts.

Numpy, and all that needs it, is imported where a program is run: so the sandbox's interpreter starts while that of its
parent loads the rest.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from cwmb.errors import CwmbError, unknown
from cwmb.sandbox import kernel, wire
from cwmb.sandbox.pool import Pool

if TYPE_CHECKING:
    from cwmb.benchmark.protocols import Limits, PlannerSpec
    from cwmb.sandbox.conversation import Conversation
    from cwmb.sandbox.parts import Share
    from cwmb.sandbox.predicting import Respondent
    from cwmb.sandbox.running import ScriptLimits
    from cwmb.sandbox.session import PlanningSession
    from cwmb.sandbox.stepping import SteppingSession
    from cwmb.types import Analysis, Fitted, Ints, Predictions, Program, Ran, Space, Transitions


class Sandbox:
    """Runs programs in locked-down processes. Safe to use from many threads; a context manager, proven when entered."""

    def __init__(
        self, workers: int | None = None, unsafe: bool = False, planners: Mapping[str, str] | None = None
    ) -> None:
        """Start the sandbox; no program is run before it is proven to hold.

        workers: zygotes that fork the children, one per core by default; unsafe: run programs without any protection;
        planners: ``module:Class`` by name, those of the entry-point group ``cwmb.planners`` by default.

        Raises:
            CwmbError: there is no protection for this system, and unsafe was not asked for.
        """
        if workers is not None and workers < 1:
            raise CwmbError(f"a sandbox needs at least 1 worker, not {workers}")
        if planners is None:
            from importlib.metadata import entry_points

            planners = {point.name: point.value for point in entry_points(group="cwmb.planners")}
        if not unsafe and not kernel.supported():
            raise CwmbError(
                f"the sandbox needs Linux on {' or '.join(kernel.CALLS)}, this is {platform.system()} on "
                f"{platform.machine()}; to run programs without any protection, use --unsafe-no-sandbox"
            )
        self._planners = dict(planners)
        self._unsafe = unsafe
        self._pool = Pool(planners, workers, unsafe)

    @property
    def layers(self) -> tuple[str, ...]:
        """The protections in force, ``("none",)`` if unsafe.

        Raises:
            InfrastructureError: the protection does not hold; the sandbox is closed.
        """
        if self._unsafe:
            return ("none",)
        from cwmb.sandbox.canary import proven_layers

        try:
            return proven_layers(self._pool)
        except BaseException:
            self.close()
            raise

    @property
    def pace(self) -> float:
        """CPU seconds here for a reference second, which limits are in; measured now and then.

        Raises:
            InfrastructureError: that cannot be measured.
        """
        from cwmb.sandbox.calibration import pace

        return pace(self._pool)

    def __enter__(self) -> Sandbox:
        """The sandbox, proven. Raises InfrastructureError: see layers."""
        _ = self.layers
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        self._pool.close()

    def fit(
        self,
        program: Program,
        observation_space: Space,
        action_space: Space,
        train: Transitions,
        limits: Limits,
        seed: int,
    ) -> Fitted:
        """Let a program learn from transitions, in a process of its own, if it has a method ``fit``.

        What comes back takes its place in all other methods.

        Raises:
            InfrastructureError: the processes don't work, and not for the program's doing.
        """
        from cwmb.sandbox.learning import fit

        _ = self.layers
        return fit(self._pool, program, observation_space, action_space, train, limits, seed, self.pace)

    def analyse(
        self,
        script: str,
        program: Program | None,
        observation_space: Space,
        action_space: Space,
        train: Transitions,
        limits: Limits,
        seed: int,
    ) -> Analysis:
        """What a script prints that looks at transitions, perhaps with a program: see cwmb.types.Analyse.

        Raises:
            InfrastructureError: the processes don't work, and not for the script's doing.
        """
        from cwmb.sandbox.analysis import analyse

        _ = self.layers
        return analyse(self._pool, script, program, observation_space, action_space, train, limits, seed, self.pace)

    def predict(
        self,
        program: Program,
        observation_space: Space,
        action_space: Space,
        transitions: Transitions,
        limits: Limits,
        seed: int,
        share: Share | None = None,
    ) -> Predictions:
        """What a program says about transitions, of which it sees observations and actions in time order.

        share: runs the parts of a large world (see cwmb.sandbox.parts), some at a time; one after the other without.
        seed: reseeds the program's generators before every row. A failing program is no error: see Predictions.
        The time is limits.step_seconds for each transition, for at least 100 of them. What it did not get to then is
        NOT_RUN, with the failure ``timeout``.

        Raises:
            InfrastructureError: the processes don't work, and not for the program's doing.
        """
        from cwmb.sandbox.predicting import Respondent

        how = Respondent.predict
        return self._say_in_parts(program, observation_space, action_space, transitions, how, limits, seed, share)

    def roll_out(
        self,
        program: Program,
        observation_space: Space,
        action_space: Space,
        transitions: Transitions,
        limits: Limits,
        seed: int,
        share: Share | None = None,
    ) -> Predictions:
        """What a program says of episodes when it is set on the first observation of each and then takes the actions.

        It never sees another observation. Step after step it goes on from where it is, also after what it takes for an
        end. Otherwise as predict().

        Raises:
            InfrastructureError: the processes don't work, and not for the program's doing.
        """
        from cwmb.sandbox.predicting import Respondent

        how = Respondent.roll_out
        return self._say_in_parts(program, observation_space, action_space, transitions, how, limits, seed, share)

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
        """What a program says about the transitions ``indices`` [n], one by one in that order, in a fresh process.

        A program that carries nothing from one transition to the next says the same as in predict(). It has the time
        that predict() grants for all transitions.
        """
        with self.afresh(program, observation_space, action_space, limits, seed, len(transitions)) as fresh:
            return fresh.audit(transitions, indices)

    @contextlib.contextmanager
    def afresh(
        self, program: Program, observation_space: Space, action_space: Space, limits: Limits, seed: int, of: int
    ) -> Iterator[Respondent]:
        """A process that has seen nothing, for an audit of ``of`` transitions and questions of a few rows after it.

        Raises:
            InfrastructureError: the processes don't work, and not for the program's doing.
        """
        from cwmb.sandbox.predicting import respondent

        _ = self.layers
        pool, pace = self._pool, self.pace
        with respondent(pool, program, observation_space, action_space, limits, seed, pace, of) as fresh:
            yield fresh

    def run(self, program: Program, inputs: Sequence[str], limits: ScriptLimits) -> Iterator[Ran]:
        """What a script writes to its standard output for each of these standard inputs, each in a fresh process.

        Raises:
            InfrastructureError: the processes don't work, and not for the program's doing.
        """
        from cwmb.sandbox.running import run

        _ = self.layers
        return run(self._pool, program, inputs, limits, self.pace)

    def _say_in_parts(
        self,
        program: Program,
        observation_space: Space,
        action_space: Space,
        transitions: Transitions,
        how: Callable[[Respondent, Transitions], Predictions],
        limits: Limits,
        seed: int,
        share: Share | None,
    ) -> Predictions:
        from cwmb.sandbox.parts import in_turn, merged, split
        from cwmb.sandbox.predicting import respondent

        parts = split(transitions)
        _ = self.layers
        pool, pace, alone = self._pool, self.pace, len(parts) == 1

        def task(rows: Ints) -> Callable[[], Predictions]:
            def say() -> Predictions:
                part = transitions if alone else transitions.take(rows)
                with respondent(
                    pool, program, observation_space, action_space, limits, seed, pace, len(part), beside=alone
                ) as fresh:
                    return how(fresh, part)

            return say

        return merged(parts, (share or in_turn)([task(rows) for rows in parts]))

    @contextlib.contextmanager
    def planning(
        self,
        program: Program,
        observation_space: Space,
        action_space: Space,
        planner: PlannerSpec,
        limits: Limits,
        seed: int,
        behind: bool = False,
    ) -> Iterator[PlanningSession]:
        """A session (one episode) of a planner with a program as its model, in one process.

        seed: of the planner's generator; behind: whether other processes go first. A program that does not load makes a
        session that fails.

        Raises:
            CwmbError: there is no such planner.
            InfrastructureError: the planner refuses its parameters, or the processes don't work.
        """
        from cwmb.sandbox.conversation import Conversation, setup
        from cwmb.sandbox.session import PlanningSession, most_steps
        from cwmb.types import FittedProgram

        if planner.name not in self._planners:
            raise unknown("planner", planner.name, self._planners)
        _ = self.layers
        pace = self.pace
        settings = setup(observation_space, action_space, seed, planner, fitted=isinstance(program, FittedProgram))
        with contextlib.ExitStack() as stack:

            def start() -> Conversation:
                stack.close()
                process = stack.enter_context(self._pool.process(limits, 0, wire.PROGRESS.size))
                conversation = Conversation(process, program, limits, pace)
                conversation.set_up(settings)
                if behind:
                    process.step_back()
                conversation.load()
                return conversation

            most = most_steps(self._planners[planner.name], planner, action_space)
            yield PlanningSession(start, action_space, limits, most)

    @contextlib.contextmanager
    def stepping(
        self, program: Program, observation_space: Space, action_space: Space, limits: Limits, seed: int
    ) -> Iterator[SteppingSession]:
        """A program that is stepped from outside, one step a question, in one process.

        seed: of all that it draws in this session.

        Raises:
            ProgramFailed: it does not load.
            InfrastructureError: the processes don't work.
        """
        from cwmb.sandbox.conversation import Conversation, setup
        from cwmb.sandbox.stepping import SteppingSession
        from cwmb.types import FittedProgram

        _ = self.layers
        pace = self.pace
        fitted = isinstance(program, FittedProgram)
        settings = setup(observation_space, action_space, seed, fitted=fitted, reseed=False)
        with self._pool.process(limits, 0, wire.row_bytes(observation_space.size)) as process:
            conversation = Conversation(process, program, limits, pace)
            conversation.set_up(settings)
            yield SteppingSession(conversation, observation_space.size, limits)
