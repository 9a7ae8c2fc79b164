"""Episodes of a program's planner, several at a time: nothing that is kept depends on how many."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from math import inf
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import pytest
from conftest import contents
from hypothesis import given
from hypothesis import strategies as st
from killable import light

from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import BenchmarkProtocol, PlannerSpec
from cwmb.errors import InfrastructureError
from cwmb.harness.episodes import Episode
from cwmb.harness.ledger import Ledger
from cwmb.harness.metering import Interrupted
from cwmb.harness.planning import Allowance, plan_episodes, planning
from cwmb.sandbox import Sandbox
from cwmb.types import Program
from cwmb.worlds import make

CEM = PlannerSpec("cem", {"horizon": 4, "iterations": 2, "samples": 8, "elites": 3, "execute": 2})
MCTS = PlannerSpec("mcts", {"simulations": 10, "max_rollout_actions": 5})
COUNT = 4
HANGS = "hangs in one episode"


def small(step_seconds: float, planning_seconds: float = inf) -> BenchmarkProtocol:
    protocol = replace(light("quick"), max_steps=6, discrete=MCTS, continuous=CEM)
    limits = replace(protocol.limits, step_seconds=step_seconds, planning_seconds=planning_seconds)
    return replace(protocol, limits=limits)


def world(step: str) -> Program:
    return Program(
        "import random, sys\nimport numpy as np\nclass Environment:\n    rollouts = 0\n"
        "    def set_state(self, o):\n        self.o = o; self.t = 0; Environment.rollouts += 1\n"
        f"    def step(self, a):\n        self.t += 1; u = float(np.sum(a)); {step}\n"
    )


WORLDS = {
    "draws": world("return self.o + random.random(), np.random.default_rng().random() * u, False"),
    "keeps what it knows": world("return self.o, u * (Environment.rollouts % 7), False"),
    "raises now and then": world("return self.o, u * (1 / 0 if random.random() < 0.2 else 1.0), False"),
    "terminates": world("return self.o, u, self.t >= 1 + Environment.rollouts % 3"),
    "crashes in the end": world(
        "sys.modules['os'].abort() if Environment.rollouts > 30 else 0; return self.o, u, False"
    ),
    HANGS: world("\n        while self.o[0] > 0.02: pass\n        return self.o, u, False"),
    "does not load": Program("class Environment: pass"),
}


def episodes(sandbox: Sandbox, program: Program, env: str, workers: int, ledger: Ledger | None = None) -> list[Episode]:
    seconds = 0.002 if program == WORLDS[HANGS] else 36.0  # of a step
    return plan(sandbox, program, env, small(seconds), workers=workers, ledger=ledger)


def plan(
    sandbox: Sandbox,
    program: Program,
    env: str = "CartPole-v1",
    protocol: BenchmarkProtocol | None = None,
    **options: Any,
) -> list[Episode]:
    return plan_episodes(sandbox, environment(env), protocol or small(36.0), program, count=COUNT, **options)


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize("name", WORLDS)
def test_episodes_do_not_depend_on_how_many_run_at_a_time(sandbox: Sandbox, name: str, env: str) -> None:
    alone = episodes(sandbox, WORLDS[name], env, 1)
    assert len(alone) == COUNT
    for workers in (2, 3):
        assert episodes(sandbox, WORLDS[name], env, workers) == alone


def test_each_world_does_what_its_name_says(sandbox: Sandbox) -> None:
    """Otherwise the test above would show little."""
    said = {name: episodes(sandbox, world, "Pendulum-v1", 2) for name, world in WORLDS.items()}
    assert all(e.failed_steps for e in said["raises now and then"])
    assert {e.failure.kind for e in said["crashes in the end"] if e.failure} == {"crash"}
    limited = [e.limited for e in said[HANGS]]
    assert any(limited)
    assert not all(limited)
    assert said["terminates"][0].model_steps < said["draws"][0].model_steps
    assert said["does not load"][0].failure is not None


def test_ledgers_do_not_depend_on_it_either(sandbox: Sandbox, tmp_path: Path) -> None:
    for workers in (1, 3):
        episodes(sandbox, WORLDS["draws"], "CartPole-v1", workers, Ledger(tmp_path / str(workers)))
    assert contents(tmp_path / "1") == contents(tmp_path / "3")


def test_what_is_journaled_is_not_planned_again(sandbox: Sandbox, tmp_path: Path) -> None:
    whole = episodes(sandbox, WORLDS["draws"], "CartPole-v1", 2, Ledger(tmp_path))
    ledger = tmp_path / "ledger.jsonl"
    lines = ledger.read_bytes()
    ledger.write_bytes(b"".join(lines.splitlines(keepends=True)[:2]))
    begun: list[None] = []

    @contextmanager
    def counted(_: int) -> Iterator[None]:
        begun.append(None)
        yield

    again = plan(sandbox, WORLDS["draws"], ledger=Ledger(tmp_path), workers=3, seat=counted)
    assert again == whole
    assert len(begun) == COUNT - 2
    assert ledger.read_bytes() == lines


def test_after_an_interruption_it_goes_on_where_it_was(sandbox: Sandbox, tmp_path: Path) -> None:
    whole = episodes(sandbox, WORLDS["draws"], "CartPole-v1", 1, Ledger(tmp_path / "undisturbed"))
    stop = Event()

    def done(episode: int) -> None:
        if episode == 1:
            stop.set()

    with pytest.raises(Interrupted):
        plan(sandbox, WORLDS["draws"], ledger=Ledger(tmp_path / "run"), workers=2, stopping=stop.is_set, done=done)
    kept = (tmp_path / "run/ledger.jsonl").read_bytes()
    assert 2 <= len(kept.splitlines()) < COUNT
    assert plan(sandbox, WORLDS["draws"], ledger=Ledger(tmp_path / "run"), workers=2) == whole
    assert contents(tmp_path / "run") == contents(tmp_path / "undisturbed")


def test_a_fault_of_the_harness_ends_all_episodes(sandbox: Sandbox) -> None:
    """They stop before their next plan, and the sandbox is usable at once."""
    turns = count()

    @contextmanager
    def broken(_: int) -> Iterator[None]:
        if next(turns) == 1:
            raise InfrastructureError("no more")
        yield

    with pytest.raises(InfrastructureError, match="no more"):
        plan(sandbox, WORLDS["draws"], workers=3, seat=broken)
    assert soon(lambda: not any(thread.name.startswith("episode") for thread in threading.enumerate()))
    assert len(plan(sandbox, WORLDS["draws"], workers=3)) == COUNT


def test_closing_the_sandbox_ends_what_is_left(tmp_path: Path) -> None:
    """As when Ctrl-C interrupts `cwmb plan`: a plan may take minutes."""
    hanging = world("\n        while True: pass")
    with pytest.raises(KeyboardInterrupt), Sandbox(workers=1) as sandbox:
        plan(sandbox, hanging, workers=2, ledger=InterruptedLedger(tmp_path))
    assert soon(lambda: not any(thread.name.startswith("episode") for thread in threading.enumerate()))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_what_is_planned_when_the_time_is_up_counts(sandbox: Sandbox, tmp_path: Path, workers: int) -> None:
    observation = make(environment("CartPole-v1")).reset(2).tolist()
    hangs = world(f"\n        while self.o.tolist() == {observation}: pass\n        return self.o, u, False")
    whole = plan(sandbox, hangs, protocol=small(0.002))
    assert [e.limited for e in whole] == [False, False, True, False]
    short = small(36.0, planning_seconds=2.0)  # which no episode needs that does not hang
    found = plan(sandbox, hangs, protocol=short, workers=workers, ledger=Ledger(tmp_path))
    assert found[:2] == whole[:2]
    assert [e.cut for e in found] == [False, False, True]
    result = planning(environment("CartPole-v1"), short, found, COUNT)
    assert (result.episodes, result.wanted, result.failure) == (2, COUNT, None)
    assert result.returns == [e.total for e in whole[:2]]
    assert plan(sandbox, hangs, protocol=short, workers=workers, ledger=Ledger(tmp_path)) == found


def test_where_no_episode_was_planned_in_time_that_is_said(sandbox: Sandbox) -> None:
    short = small(36.0, planning_seconds=0.2)
    spec = environment("CartPole-v1")
    result = planning(spec, short, plan(sandbox, world("\n        while True: pass"), protocol=short), COUNT)
    assert (result.episodes, result.model_steps, result.normalised_return) == (0, 1, 0.0)
    assert result.failure
    assert result.failure.kind == "timeout"
    assert "no episode was planned in 0.2 s of CPU time: the first one came to step 0 of 6" in result.failure.message


def test_a_program_that_is_too_slow_is_no_program_that_did_not_load(sandbox: Sandbox) -> None:
    spec, limits = environment("CartPole-v1"), small(0.002)
    slow = planning(spec, limits, plan(sandbox, world("\n        while True: pass"), protocol=limits))
    assert (len(slow.returns), slow.limited) == (COUNT, COUNT)
    assert slow.model_steps == COUNT
    absent = planning(spec, limits, plan(sandbox, WORLDS["does not load"], protocol=limits))
    assert (absent.returns, absent.limited, absent.model_steps, absent.normalised_return) == ([], 0, 0, 0.0)


def test_time_that_was_used_before_an_interruption_is_used(sandbox: Sandbox, tmp_path: Path) -> None:
    spent = {"reference": 100.0, "steps": 1}
    ledger = Ledger(tmp_path)
    whole = episodes(sandbox, WORLDS["draws"], "CartPole-v1", 1)
    ledger.entry("episode", 0, WORLDS["draws"].hash, Episode, lambda: whole[0], timing=lambda: spent)
    found = plan(sandbox, WORLDS["draws"], protocol=small(36.0, planning_seconds=100.0), ledger=Ledger(tmp_path))
    assert found[0] == whole[0]
    assert [e.cut for e in found] == [False, True]


@given(st.lists(st.integers(0, 10), min_size=1, max_size=8), st.integers(1, 30), st.randoms())
def test_how_many_episodes_count_does_not_depend_on_their_order_in_time(
    seconds: list[int], granted: int, random: Random
) -> None:
    allowance = Allowance(granted)
    parts = [(i, part) for i, total in enumerate(seconds) for part in (total / 4, total / 4, total / 2)]
    random.shuffle(parts)
    early: set[int] = set()  # were found to have no time left while others still ran
    for index, part in parts:
        allowance.spend(index, part)
        early |= {i for i in range(len(seconds)) if allowance.left(i) < 0}
    late = {i for i in range(len(seconds)) if allowance.left(i) < 0}
    assert early == late == {i for i in range(len(seconds)) if sum(seconds[: i + 1]) > granted}


class InterruptedLedger(Ledger):
    """Its user presses Ctrl-C while it waits for an episode that would take an hour."""

    def entry(self, *arguments: Any, **keywords: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cwmb.harness.planning.wait", self._interrupt)
            return super().entry(*arguments, **keywords)

    def _interrupt(self, *_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt


def soon(condition: Callable[[], bool]) -> bool:
    """Whether it becomes true within a while."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.01)
    return False
