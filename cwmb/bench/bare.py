"""The physical limit: a program of ours in this very process, called in a loop without anything around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from cwmb.types import Floats, Program, Space, Transitions


def environment(program: Program) -> Any:
    """The environment of a program that is trusted."""
    namespace: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(program.source, "<reference>", "exec", dont_inherit=True), namespace)
    return namespace["Environment"]()


def predictions(program: Program, spaces: tuple[Space, Space], truth: Transitions) -> Callable[[], float]:
    """What measures the seconds of loading a program, and of set_state and step for all transitions.

    Their values are made before.
    """
    observation_space, action_space = spaces

    def run() -> float:
        questions = [
            (observation_space.decode(observation), action_space.decode(action))
            for observation, action in zip(truth.observations, truth.actions, strict=True)
        ]
        start = perf_counter()
        made = environment(program)
        set_state, step = made.set_state, made.step
        for observation, action in questions:
            set_state(observation)
            step(action)
        return perf_counter() - start

    return run


@dataclass
class Recorder:
    """An environment that notes what it is asked. walks: from each state that was set, the actions taken."""

    inner: Any
    walks: list[tuple[Any, list[Any]]] = field(default_factory=list)

    def set_state(self, observation: Any) -> None:
        """Note it, and pass it on."""
        self.walks.append((_copied(observation), []))
        self.inner.set_state(observation)

    def step(self, action: Any) -> Any:
        """Note it, and pass it on."""
        self.walks[-1][1].append(_copied(action))
        return self.inner.step(action)

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return sum(len(actions) for _, actions in self.walks)


def walks(made: Any, recorded: Sequence[tuple[Any, list[Any]]], size: int) -> Callable[[], float]:
    """What measures the seconds of taking recorded walks again, with the copies that keep states apart.

    A state is copied before it is set, and an observation (a vector [size]) as it comes back: a program may change both
    in place.
    """
    row = np.empty(size)

    def run() -> float:
        set_state, step = made.set_state, made.step
        start = perf_counter()
        for state, actions in recorded:
            set_state(_copied(state))
            for action in actions:
                observation, _, _ = step(action)
                row[:] = observation
        return perf_counter() - start

    return run


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def first_observation(truth: Transitions) -> Floats:
    """The observation [D] that the first episode of a data set begins with."""
    observation: Floats = truth.observations[0]
    return observation
