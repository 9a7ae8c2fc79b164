"""Predicting in several processes at a time: transitions are split by whole episodes.

How they are split follows from the transitions alone, and each part has a process of its own: what comes out does not
depend on how many of them run at a time, whatever a program does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np

from cwmb.types import NOT_RUN, Failure, Ints, Predictions, Transitions

PARTS = 4
MANY, FEW = 256, 8  # rows, elements of an observation: with fewer, other processes take more time than they save

T = TypeVar("T")


class Share(Protocol):
    """Runs tasks, some of them at a time where cores are idle, and returns what they return, in their order."""

    def __call__(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """See the class."""
        ...


def in_turn(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """One after the other."""
    return [task() for task in tasks]


def split(transitions: Transitions) -> list[Ints]:
    """The rows of each part, ascending: of whole episodes, dealt out in turn.

    That does not depend on how long they are, lest what a process gets tells when an episode ends.
    """
    if len(transitions) < MANY or transitions.observations.shape[1] < FEW:
        return [np.arange(len(transitions))]
    numbers = np.unique(transitions.episodes, return_inverse=True)[1]
    parts = [np.flatnonzero(numbers % PARTS == part) for part in range(PARTS)]
    return [rows for rows in parts if len(rows)]


def merged(parts: Sequence[Ints], said: Sequence[Predictions]) -> Predictions:
    """The predictions of all parts [N], with the failure of the first part that has one: a fatal one, if any."""
    if len(said) == 1:
        return said[0]
    order = np.concatenate(parts).argsort()
    status = np.concatenate([p.status for p in said])[order]
    failures = [_of_all(p.failure, rows) for p, rows in zip(said, parts, strict=True) if p.failure is not None]
    fatal = [f for f in failures if f.kind != "bad_observation"]
    failure = next(iter([*fatal, *failures]), None)
    if failure is not None and failure.kind == "timeout":
        ran = int((status != NOT_RUN).sum())
        failure = replace(failure, message=f"{failure.message}; of all {len(order)} transitions {ran} ran")
    return Predictions(
        observations=np.concatenate([p.observations for p in said])[order],
        rewards=np.concatenate([p.rewards for p in said])[order],
        done=np.concatenate([p.done for p in said])[order],
        status=status,
        failure=failure,
        seconds=sum(p.seconds for p in said),
    )


def _of_all(failure: Failure, rows: Ints) -> Failure:
    """A failure of a part, its transition counted among all."""
    return failure if failure.transition is None else replace(failure, transition=int(rows[failure.transition]))
