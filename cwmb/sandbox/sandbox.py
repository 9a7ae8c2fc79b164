"""Running programs that nobody trusts."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from cwmb.errors import CwmbError, InfrastructureError, unknown
from cwmb.protocols import Limits, PlannerSpec
from cwmb.sandbox import canary, kernel, wire
from cwmb.sandbox.conversation import Conversation, Ended
from cwmb.sandbox.delivery import MAX_ROWS, messages, table
from cwmb.sandbox.process import LoneProcess, Process, ZygoteDied, ZygoteProcess, one_core
from cwmb.types import BAD_OBSERVATION, NOT_RUN, OK, Failure, Floats, Ints, Predictions, Program, Space, Transitions

_Result = TypeVar("_Result")

LEAST_TRANSITIONS = 100  # the time of so many is granted to fewer: the first ones are the slow ones
_BACKSTOP_SECONDS = 10  # of CPU time: how much later than the parent the kernel ends a child
_MAX_PLAN = 10_000  # actions in one answer of a planner

_layers_lock = threading.Lock()
_proven_layers: tuple[str, ...] = ()


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
        self._planners = dict(planners)
        self._unsafe = unsafe
        self._workers = workers or _cores()
        self._zygotes: list[ZygoteProcess] = []
        self._lock = threading.Lock()
        self._closed = False
        if unsafe:
            self.layers: tuple[str, ...] = ("none",)
            return
        if not kernel.supported():
            raise CwmbError(
                "the sandbox needs Linux on "
                + " or ".join(kernel.CALLS)
                + f", this is {platform.system()} on {platform.machine()}; to run programs without any protection, "
                "use --unsafe-no-sandbox"
            )
        try:
            self.layers = self._prove()
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
        with self._lock:
            zygotes, self._zygotes, self._closed = self._zygotes, [], True
        for zygote in zygotes:
            zygote.close()

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
        setup = _setup(observation_space, action_space, seed, planner)
        with contextlib.ExitStack() as stack:

            def start() -> Conversation:
                stack.close()
                process = stack.enter_context(self._process(limits, 0, 8, core=-1))
                conversation = Conversation(process, program, limits)
                conversation.set_up(setup)
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
        setup = _setup(observation_space, action_space, seed, None)
        budget = limits.step_seconds * max(len(index), LEAST_TRANSITIONS)
        backstop = int(limits.load_seconds + budget) + _BACKSTOP_SECONDS

        def converse() -> Predictions:
            shared = MAX_ROWS * wire.row_bytes(observation_space.size)
            with one_core() as core, self._process(limits, backstop, shared, core) as process:
                conversation = Conversation(process, program, limits)
                conversation.set_up(setup)
                answers = _Answers(index, order, observation_space.size)
                try:
                    conversation.load()
                    answers.collect(conversation, questions, sizes, budget)
                except Ended as ended:
                    answers.note(ended.failure)
                return answers.predictions()

        return _twice(converse)

    @contextlib.contextmanager
    def _process(self, limits: Limits, cpu_seconds: int, shared_bytes: int, core: int) -> Iterator[Process]:
        if self._unsafe:
            lone = LoneProcess(self._planners, shared_bytes)
            with contextlib.closing(lone):
                yield lone
            return
        with self._zygote() as zygote:
            child = zygote.fork(limits.memory_bytes, cpu_seconds, core, shared_bytes)
            with contextlib.closing(child):
                yield child

    @contextlib.contextmanager
    def _zygote(self) -> Iterator[ZygoteProcess]:
        """The zygote with the fewest children, a new one if all are busy and more are allowed."""
        with self._lock:
            if self._closed:
                raise InfrastructureError("the sandbox is closed")
            usable = [z for z in self._zygotes if not z.broken]
            zygote = min(usable, key=lambda z: z.children, default=None)
            if zygote is None or (zygote.children and len(usable) < self._workers):
                zygote = ZygoteProcess(self._planners)
                self._zygotes.append(zygote)
            zygote.children += 1
        try:
            yield zygote
        finally:
            with self._lock:
                zygote.children -= 1
                over = zygote.broken and not zygote.children and zygote in self._zygotes
                if over:
                    self._zygotes.remove(zygote)
            if over:
                zygote.close()

    def _prove(self) -> tuple[str, ...]:
        """Let the canary try to get out, once in this process; returns the layers in force."""
        global _proven_layers
        with _layers_lock:
            if not _proven_layers:
                _proven_layers = _twice(self._send_canary)
            return _proven_layers

    def _send_canary(self) -> tuple[str, ...]:
        size = len(canary.ESCAPES)
        box = Space("box", (0.0,) * size, (1.0,) * size, "float64")
        with self._process(Limits(), _BACKSTOP_SECONDS, wire.row_bytes(size), core=-1) as process:
            conversation = Conversation(process, Program(canary.SOURCE), Limits())
            layers = conversation.set_up(_setup(box, box, 0, None))
            one = np.zeros(1, dtype=np.int64)
            answers = _Answers(one, one, size)
            try:
                conversation.load()
                answers.collect(conversation, np.zeros((1, 1 + 2 * size)), [1], 5.0)
            except Ended as ended:
                raise InfrastructureError(f"the sandbox's self-test failed: {ended.failure.message}") from None
            said = answers.predictions()
        escaped = [name for name, value in zip(canary.ESCAPES, said.observations[0], strict=True) if value != 0.0]
        if escaped or said.status[0] != OK:
            raise InfrastructureError(
                f"the sandbox does not hold ({', '.join(layers)}): a program can {' and '.join(escaped) or '...'}; "
                "no program is run"
            )
        return layers


class PlanningSession:
    """A planner that plans with a program, inside the program's process."""

    def __init__(self, start: Callable[[], Conversation], action_space: Space, limits: Limits) -> None:
        self._start = start
        self._space, self._limits = action_space, limits
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
            return _twice(self._ask)
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
        seconds = self._limits.plan_seconds
        _, tail = conversation.ask(
            question, conversation.spent() + seconds, f"one plan took more than {seconds:g} s of CPU time"
        )
        if len(tail) < wire.PLAN.size or (len(tail) - wire.PLAN.size) % (8 * self._space.size):
            raise conversation.tampered("a malformed plan")
        steps, failed = wire.PLAN.unpack_from(tail)
        actions = np.frombuffer(tail, np.float64, offset=wire.PLAN.size).reshape(-1, self._space.size)
        if not len(actions):
            return Plan(None, steps, failed)
        if len(actions) > _MAX_PLAN or not np.isfinite(actions).all():
            raise conversation.tampered("a plan of impossible actions")
        return Plan(_admissible(actions, self._space), steps, failed)


class _Answers:
    """What a program has said so far.

    index: the transitions asked about [n]; order: how they are delivered, as a permutation of index.
    """

    def __init__(self, index: Ints, order: Ints, observation_size: int) -> None:
        self._index, self._order = index, order
        self._type = np.dtype(
            {
                "names": ["status", "done", "reward", "observation"],
                "formats": ["u1", "u1", "<f8", ("<f8", (observation_size,))],
                "offsets": [0, 1, 8, wire.ROW_HEAD.size],
                "itemsize": wire.row_bytes(observation_size),
            }
        )
        # Bytes, since numpy copies records field by field. The status is a row's first byte.
        self._rows = np.zeros((len(order), self._type.itemsize), np.uint8)
        self._rows[:, 0] = NOT_RUN
        self._failure: Failure | None = None

    def note(self, failure: Failure | None) -> None:
        """Keep the first failure; a bad observation counts as one only as long as there is no other."""
        mild = failure is None or failure.kind == "bad_observation"
        if self._failure is None or (self._failure.kind == "bad_observation" and not mild):
            self._failure = failure

    def collect(self, conversation: Conversation, questions: Floats, sizes: list[int], budget: float) -> None:
        """Ask for all rows, message by message. budget: CPU seconds for all of them. Raises Ended."""
        shared = np.frombuffer(conversation.process.memory, np.uint8).reshape(-1, self._type.itemsize)
        status = shared[:, 0]
        until = conversation.spent() + budget
        too_slow = f"{len(questions)} transitions took more than {budget:g} s of CPU time"
        stop = 0
        for size in sizes:
            start, stop = stop, stop + size
            status[:size] = NOT_RUN
            try:
                report, _ = conversation.ask(questions[start:stop].tobytes(), until, too_slow)
                self._rows[start:stop] = shared[:size]
                if max(self._rows[start:stop, 0].tobytes()) > BAD_OBSERVATION:
                    raise conversation.tampered("rows without an answer")
            except Ended as ended:
                done = int((status[:size] != NOT_RUN).argmin()) if ended.failure.kind != "protocol_violation" else 0
                self._rows[start : start + done] = shared[:done]
                raise Ended(replace(ended.failure, transition=self._transition(start + done))) from None
            if report.kind:
                self.note(conversation.failure(report))
            if stop < len(questions) and conversation.spent() > until:
                raise Ended(Failure("timeout", too_slow, transition=self._transition(stop)))

    def _transition(self, row: int) -> int:
        return int(self._index[self._order[row]])

    def predictions(self) -> Predictions:
        """Everything said, in the order of the transitions."""
        rows = self._rows[np.argsort(self._order, kind="stable")].view(self._type)[:, 0]
        status = np.array(rows["status"])
        spoke = (status == OK) | (status == BAD_OBSERVATION)
        return Predictions(
            observations=np.where((status == OK)[:, None], rows["observation"], np.nan),
            rewards=np.where(spoke, rows["reward"], np.nan),
            done=spoke & (rows["done"] != 0),
            status=status,
            failure=self._failure,
        )


def _setup(observation_space: Space, action_space: Space, seed: int, planner: PlannerSpec | None) -> dict[str, Any]:
    """What a child has to know (see cwmb.sandbox.worker)."""
    return {
        "seed": int(seed),
        "observation": {"kind": observation_space.kind, "size": observation_space.size},
        "action": {
            "kind": action_space.kind,
            "size": action_space.size,
            "low": action_space.low,
            "high": action_space.high,
            "dtype": action_space.dtype,
        },
        "planner": planner.name if planner else None,
        "parameters": planner.parameters if planner else {},
    }


def _admissible(actions: Floats, space: Space) -> Floats:
    clipped = np.clip(actions, space.low, space.high)
    if space.kind != "box":
        return np.rint(clipped)
    return clipped.astype(space.dtype).astype(np.float64)


def _nothing(n: int, observation_size: int) -> Predictions:
    return Predictions(
        np.full((n, observation_size), np.nan), np.full(n, np.nan), np.zeros(n, bool), np.full(n, NOT_RUN, np.uint8)
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _twice(call: Callable[[], _Result]) -> _Result:
    """Try again, once, what failed because a process was killed from outside. Raises InfrastructureError."""
    try:
        return call()
    except ZygoteDied:
        try:
            return call()
        except ZygoteDied as error:
            raise InfrastructureError(f"{error}, twice") from None
