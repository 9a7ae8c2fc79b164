"""Collecting what a program says about transitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cwmb.sandbox import wire
from cwmb.sandbox.conversation import Conversation, Ended
from cwmb.sandbox.delivery import Delivery
from cwmb.types import BAD_OBSERVATION, NOT_RUN, OK, Failure, Predictions


class Answers:
    """What a program has said so far about the rows of a delivery."""

    def __init__(self, delivery: Delivery, observation_size: int) -> None:
        self._delivery = delivery
        self._type = np.dtype(
            {
                "names": ["status", "done", "reward", "observation"],
                "formats": ["u1", "u1", "<f8", ("<f8", (observation_size,))],
                "offsets": [0, 1, 8, wire.ROW_HEAD.size],
                "itemsize": wire.row_bytes(observation_size),
            }
        )
        # Bytes, since numpy copies records field by field. The status is a row's first byte.
        self._rows = np.zeros((len(delivery), self._type.itemsize), np.uint8)
        self._rows[:, 0] = NOT_RUN
        self._failure: Failure | None = None
        self.seconds, self._told = 0.0, 0  # reference seconds, and how many rows were told in them

    def note(self, failure: Failure | None) -> None:
        """Keep the first failure; a bad observation counts as one only as long as there is no other."""
        mild = failure is None or failure.kind == "bad_observation"
        if self._failure is None or (self._failure.kind == "bad_observation" and not mild):
            self._failure = failure

    def collect(self, conversation: Conversation, budget: float) -> None:
        """Ask for all rows, message by message. budget: reference seconds for all of them. Raises Ended."""
        try:
            self._collect(conversation, conversation.spent(), budget)
        except Ended as ended:
            if ended.failure.kind == "timeout":
                raise Ended(self._late(ended.failure, budget)) from None
            raise

    def _late(self, failure: Failure, budget: float) -> Failure:
        """A time-out, with the share that ran and what a transition took."""
        of, ran = len(self._rows), int((self._rows[:, 0] != NOT_RUN).sum())
        seconds, rows = (self.seconds, self._told) if self._told else (budget, ran)
        each = f"{1e3 * seconds / rows:.2g} ms each" if rows else "the first one did not end"
        message = (
            f"{of} transitions have {budget:g} s of CPU time, {1e3 * budget / of:.3g} ms each: {ran} of them ran "
            f"({ran / of:.0%}), {each}; what did not run counts as wrong"
        )
        return replace(failure, message=f"{message}, {failure.message}" if failure.message else message)

    def _collect(self, conversation: Conversation, before: float, budget: float) -> None:
        questions, until = self._delivery.rows, before + budget
        shared = np.frombuffer(conversation.process.memory, np.uint8).reshape(-1, self._type.itemsize)
        status = shared[:, 0]
        stop = 0
        for size in self._delivery.sizes:
            start, stop = stop, stop + size
            status[:size] = NOT_RUN
            try:
                report, _ = conversation.ask(questions[start:stop].tobytes(), until, "")
                with conversation.reading():
                    answered = self._keep(shared[:size], start)
                    if answered < size:
                        raise conversation.tampered("rows without an answer")
                    if report.kind:
                        self._note(conversation, report, start, size)
            except Ended as ended:
                answered = 0 if ended.failure.kind == "protocol_violation" else self._keep(shared[:size], start)
                culprit = self._transition(min(start + answered, stop - 1))
                raise Ended(replace(ended.failure, transition=culprit)) from None
            now = conversation.spent()
            self.seconds, self._told = now - before, stop
            if stop < len(questions) and now > until:
                raise Ended(Failure("timeout", "", transition=self._transition(stop)))

    def _keep(self, shared: NDArray[np.uint8], start: int) -> int:
        """Copy the rows of a message up to the first one without an answer; returns how many those are."""
        rows = self._rows[start : start + len(shared)]
        rows[:] = shared  # first of all, as the program may still be writing
        statuses = rows[:, 0].tobytes()
        if max(statuses) <= BAD_OBSERVATION:
            return len(statuses)
        count = next(i for i, status in enumerate(statuses) if status > BAD_OBSERVATION)
        rows[count:] = 0
        rows[count:, 0] = NOT_RUN
        return count

    def _note(self, conversation: Conversation, report: wire.Report, start: int, size: int) -> None:
        failure = conversation.failure(report)
        if failure is not None:
            if not 0 <= report.row < size:
                raise conversation.tampered("a report about another transition")
            self.note(replace(failure, transition=self._transition(start + report.row)))

    def _transition(self, row: int) -> int:
        return int(self._delivery.order[row])

    def predictions(self) -> Predictions:
        """Everything said, in the order of the delivery."""
        rows = self._rows.view(self._type)[:, 0]
        status = np.array(rows["status"])
        failure = self._failure
        if failure is None and status.any():
            failure = Failure("protocol_violation", "transitions failed without a report")
        spoke = (status == OK) | (status == BAD_OBSERVATION)
        return Predictions(
            observations=np.where((status == OK)[:, None], rows["observation"], np.nan),
            rewards=np.where(spoke, rows["reward"], np.nan),
            done=spoke & (rows["done"] != 0),
            status=status,
            failure=failure,
            seconds=self.seconds,
        )
