"""What the audit catches and what it lets pass, against fresh processes for each of twenty transitions."""

from functools import cache

import numpy as np
import pytest

from cwmb.benchmark.protocols import Limits
from cwmb.judging.audit import draw, verdict
from cwmb.sandbox import Sandbox
from cwmb.types import Ints, Predictions, Space, Transitions

from .carriers import CARRIERS, HONEST, SHARED
from .test_audit import cart_poles, cliff_walks
from .worlds import box, discrete

COUNT = 20
ASKED = 100  # transitions that are asked in a process of their own, of which each audit by twenty processes is drawn
WORLDS = ("CliffWalking", "CartPole")
HARMLESS = {("CartPole", "table filled online")}  # no state comes twice


@cache
def world(name: str) -> tuple[Transitions, Space, Space]:
    if name == "CliffWalking":
        return cliff_walks(0, steps=40)
    return cart_poles(episodes=15), box(4), discrete(2)


class Case:
    """A program in a world: what it says when it is scored, and whether that is caught."""

    def __init__(self, sandbox: Sandbox, world_name: str, name: str) -> None:
        self.sandbox, self.program = sandbox, {**CARRIERS, **HONEST}[name]
        self.data, *self.spaces = world(world_name)
        self.said = sandbox.predict(self.program, *self.spaces, self.data, Limits(), 0)
        assert self.said.failure is None or name == "raises on some", self.said.failure
        self.alone = cache(lambda row: self.again(np.array([row])))

    def again(self, index: Ints) -> Predictions:
        return self.sandbox.audit(self.program, *self.spaces, self.data, index, Limits(), 0)

    def is_caught(self, key: int) -> bool:
        everything = np.ones(len(self.data), bool)
        index = draw(self.data, None, self.data.terminated, everything, COUNT, np.random.default_rng(key))
        return verdict(index, self.said.take(index), self.again(index)) is not None

    def is_caught_by_a_process_for_each(self, key: int) -> bool:
        asked = np.random.default_rng(0).permutation(len(self.data))[:ASKED]
        index = np.random.default_rng(10**6 + key).choice(asked, COUNT, replace=False)
        return any(verdict(index[i : i + 1], self.said.take([row]), self.alone(row)) for i, row in enumerate(index))


@pytest.mark.parametrize("world_name", WORLDS)
@pytest.mark.parametrize("name", CARRIERS)
def test_a_program_that_carries_knowledge_is_caught(sandbox: Sandbox, world_name: str, name: str) -> None:
    case = Case(sandbox, world_name, name)
    assert any(case.is_caught(key) for key in range(4)) or (world_name, name) in HARMLESS


@pytest.mark.parametrize("world_name", WORLDS)
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_program_is_not_accused(sandbox: Sandbox, world_name: str, name: str) -> None:
    case = Case(sandbox, world_name, name)
    assert not any(case.is_caught(key) for key in range(3))


@pytest.mark.torture
@pytest.mark.parametrize("world_name", WORLDS)
@pytest.mark.parametrize("name", [*CARRIERS, *HONEST])
def test_200_audits_against_200_times_20_processes(sandbox: Sandbox, world_name: str, name: str) -> None:
    case = Case(sandbox, world_name, name)
    one = sum(case.is_caught(key) for key in range(200))
    twenty = sum(case.is_caught_by_a_process_for_each(key) for key in range(200))
    print(f"{world_name:12} {name:32} caught in {one} of 200 audits, by twenty processes in {twenty}")
    if name in HONEST:
        assert one == 0
    else:
        expected = twenty * (1 - SHARED.get(name, 0.0))
        assert one >= expected - 2 * np.sqrt(2 * 200 * 0.25), "less often, beyond chance"
