"""A score in parts: the same whatever runs at a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmb.harness.cores import Cores
from cwmb.sandbox import Sandbox
from cwmb.sandbox.parts import FEW, MANY, PARTS, split
from cwmb.types import NOT_RUN, Predictions, Program, Transitions

from .worlds import QUICK, bounded, box, transitions

T = TypeVar("T")
LENGTHS = [80, 30, 60, 50, 1, 1, 40]  # more than MANY


def recorded(lengths: Sequence[int], size: int = FEW) -> Transitions:
    n = sum(lengths)
    values = np.random.default_rng(0).normal(size=(n, size))
    episodes = np.repeat(np.arange(len(lengths)), lengths)
    return transitions(values, episodes=episodes, steps=np.concatenate([np.arange(x) for x in lengths]))


def at_once(tasks: Sequence[Callable[[], T]]) -> list[T]:
    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(lambda task: task(), tasks))


def last_first(tasks: Sequence[Callable[[], T]]) -> list[T]:
    return [task() for task in tasks[::-1]][::-1]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 20))
def test_parts_are_whole_episodes(lengths: list[int], size: int) -> None:
    data = recorded(lengths, size)
    parts = split(data)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(data)))
    assert len(parts) == (min(PARTS, len(lengths)) if size >= FEW and len(data) >= MANY else 1)
    owners = Counter(e for rows in parts for e in set(data.episodes[rows].tolist()))
    assert set(owners.values()) == {1}


@given(st.lists(st.integers(2, 40), min_size=10, max_size=30), st.data())
def test_which_part_an_episode_is_in_does_not_tell_its_length(lengths: list[int], draw: st.DataObject) -> None:
    shorter = [draw.draw(st.integers(1, length)) for length in lengths]
    if sum(shorter) < MANY:
        return
    of = [
        {e: part for part, rows in enumerate(split(data)) for e in data.episodes[rows].tolist()}
        for data in (recorded(lengths), recorded(shorter))
    ]
    assert of[0] == of[1]


def world(step: str) -> Program:
    return Program(
        "import sys, random\nimport numpy as np\nclass Environment:\n    seen = 0\n"
        "    def set_state(self, o):\n        self.o = o; Environment.seen += 1\n"
        f"    def step(self, a):\n        {step}\n        return self.o + 1.0, 1.0, False\n"
    )


WORLDS = {
    "honest": world("pass"),
    "draws": world("self.o = self.o + random.random()"),
    "counts": world("self.o = self.o + Environment.seen"),
    "raises": world("x = 1 / 0 if self.o[0] > 1.0 else 0"),
    "says nonsense": world("return self.o[:3], 1.0, False"),
    "crashes": world("sys.modules['os']._exit(3) if self.o[0] > 1.5 else 0"),
    "does not load": Program("class Environment: pass"),
}


def told(said: Predictions) -> tuple[object, ...]:
    return said.status.tolist(), np.nan_to_num(said.observations, nan=-1.0).tolist(), said.failure


@pytest.mark.parametrize("name", WORLDS)
def test_what_is_said_does_not_depend_on_what_runs_at_a_time(sandbox: Sandbox, name: str) -> None:
    data = recorded(LENGTHS)
    for say in (sandbox.predict, sandbox.roll_out):
        alone, *others = (
            told(say(WORLDS[name], box(FEW), bounded(1), data, QUICK, 0, share))
            for share in (None, at_once, last_first, Cores(2).share)
        )
        assert [alone] * 3 == others


def test_what_honest_programs_say_does_not_depend_on_parts(sandbox: Sandbox) -> None:
    data = recorded(LENGTHS)
    said = sandbox.predict(WORLDS["honest"], box(FEW), bounded(1), data, QUICK, 0)
    assert (said.observations == data.observations + 1.0).all()
    raised = sandbox.predict(WORLDS["raises"], box(FEW), bounded(1), data, QUICK, 0)
    assert raised.failure is not None
    assert raised.failure.transition is not None
    assert data.observations[raised.failure.transition, 0] > 1.0


def test_a_time_out_of_one_part_leaves_the_others(sandbox: Sandbox) -> None:
    data = recorded([75, 75, 75, 75])
    data.observations[:, 0] = 0.0
    data.observations[80, 0] = 1.0
    hangs = world("\n        while self.o[0] == 1.0: pass")
    said = sandbox.predict(hangs, box(FEW), bounded(1), data, QUICK, 0, Cores(2).share)
    assert (said.status == NOT_RUN).tolist() == [80 <= i < 150 for i in range(300)]
    assert said.failure is not None
    assert (said.failure.kind, said.failure.transition) == ("timeout", 80)
    assert said.failure.message.endswith("; of all 300 transitions 230 ran")


def test_idle_cores_help_and_busy_ones_do_not() -> None:
    threads: list[str] = []
    both = threading.Barrier(2, timeout=60)

    def note() -> int:
        threads.append(threading.current_thread().name)
        return len(threads)

    def meet() -> None:
        both.wait()  # would never end in one thread

    idle = Cores(2)
    with idle.scoring():
        idle.share([meet, meet])
    busy = Cores(1)
    with busy.scoring():
        assert busy.share([note, note, note]) == [1, 2, 3]
    assert set(threads) == {threading.current_thread().name}


def test_what_goes_wrong_in_a_part_goes_wrong_at_all() -> None:
    def fails() -> None:
        raise ValueError("no")

    cores = Cores(2)
    for tasks in ([fails, int], [int, fails]):
        with cores.scoring(), pytest.raises(ValueError, match="no"):
            cores.share(tasks)
    with cores.scoring(), cores.scoring():
        pass  # all were given back
