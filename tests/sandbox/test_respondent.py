"""A process that is asked one thing after the other, and anew where a question has ended it."""

from __future__ import annotations

import numpy as np

from cwmb.sandbox import Sandbox
from cwmb.types import OK, Program

from .worlds import HONEST, QUICK, box, discrete, transitions

# Says how many steps its process has taken; at 7 it ends it, at 8 what it says has the wrong form.
COUNTING = Program("""
import sys
taken = []


class Environment:
    def set_state(self, observation):
        self.state = observation

    def step(self, action):
        taken.append(action)
        if self.state[0] == 7:
            sys.modules["os"]._exit(3)
        return None if self.state[0] == 8 else (self.state + 1, float(len(taken)), False)
""")
DATA = transitions(np.arange(4.0)[:, None], episodes=np.arange(4), steps=np.zeros(4, int))


def test_questions_go_to_one_process_until_one_ends_it(sandbox: Sandbox) -> None:
    with sandbox.afresh(COUNTING, box(1), discrete(2), QUICK, 0, len(DATA)) as fresh:
        assert fresh.audit(DATA, np.array([2, 0])).rewards.tolist() == [1.0, 2.0]
        assert sorted(fresh.predict(DATA).rewards.tolist()) == [3.0, 4.0, 5.0, 6.0]
        ended = fresh.roll_out(transitions([[7.0]]))
        assert ended.failure is not None
        assert (ended.failure.kind, ended.failure.transition) == ("crash", 0)
        assert fresh.audit(DATA, np.array([1])).rewards.tolist() == [1.0]


def test_each_question_has_its_own_report(sandbox: Sandbox) -> None:
    with sandbox.afresh(COUNTING, box(1), discrete(2), QUICK, 0, 2) as fresh:
        for _ in range(2):
            failure = fresh.predict(transitions([[8.0]])).failure
            assert failure is not None
            assert failure.kind == "bad_return"


def test_no_question_no_process(sandbox: Sandbox) -> None:
    with sandbox.afresh(Program("1 / 0"), box(1), discrete(2), QUICK, 0, 2):
        pass
    with sandbox.afresh(HONEST, box(1), discrete(2), QUICK, 0, 2) as fresh:
        assert fresh.roll_out(DATA).status.tolist() == [OK] * 4
