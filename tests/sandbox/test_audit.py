"""Programs that carry knowledge from one transition to the next, and honest ones that draw random numbers."""

import numpy as np
import pytest

from cwmb.benchmark.protocols import Limits
from cwmb.sandbox import Sandbox
from cwmb.types import OK, RAISED, Program, Space, Transitions

from .worlds import HONEST, QUICK, box, discrete, integers, transitions

CARD = """
import random, secrets
import numpy as np
{before}

class Environment:
    def __init__(self):
        {init}
    def set_state(self, o):
        self.o = o
    def step(self, a):
        {step}
        return (self.o[0] + card, self.o[1], 0), 0.0, False
"""

DRAWS = {
    "random": ("pass", "card = random.randint(1, 10**6)"),
    "numpy": ("pass", "card = np.random.randint(1, 10**6)"),
    "secrets": ("pass", "card = secrets.randbelow(10**6)"),
    "system": ("pass", "card = random.SystemRandom().randint(1, 10**6)"),
    "unseeded generator": ("self.rng = np.random.default_rng()", "card = int(self.rng.integers(1, 10**6))"),
    "seeded generator": ("self.rng = np.random.default_rng(0)", "card = int(self.rng.integers(1, 10**6))"),
    "generator of a row": ("pass", "card = int(np.random.default_rng().integers(1, 10**6))"),
    "late generator": (
        "self.rng = None",
        "self.rng = self.rng or np.random.default_rng(); card = int(self.rng.integers(1, 10**6))",
    ),
    "late seeded generator": (
        "self.rng = None",
        "self.rng = self.rng or np.random.default_rng(7); card = int(self.rng.integers(1, 10**6))",
    ),
    "philox": (
        "self.rng = np.random.Generator(np.random.Philox())",
        "card = int(self.rng.integers(1, 10**6)) + int(10**6 * self.rng.normal())",
    ),
    "RandomState": ("self.rng = np.random.RandomState()", "card = self.rng.randint(1, 10**6)"),
    "late RandomState": (
        "self.rng = None",
        "self.rng = self.rng or np.random.RandomState(); card = self.rng.randint(1, 10**6)",
    ),
    "seeded RandomState": ("self.rng = np.random.RandomState(3)", "card = self.rng.randint(1, 10**6)"),
    "Random": ("self.rng = random.Random()", "card = self.rng.randint(1, 10**6)"),
    "seeded Random": ("self.rng = random.Random(5)", "card = self.rng.randint(1, 10**6)"),
    "late Random": ("self.rng = None", "self.rng = self.rng or random.Random(); card = self.rng.randint(1, 10**6)"),
    "seeds itself": ("random.seed(1); np.random.seed(1)", "card = random.randint(1, 10**6) + np.random.randint(99)"),
    "reseeds unseeded": ("pass", "random.seed(); np.random.seed(None); card = random.randint(1, 10**6)"),
}
HANDS = transitions([[12 + i % 9, 1 + i % 10, i % 2] for i in range(40)])
BLACKJACK = integers(31, 10, 1), discrete(2)


def card_program(init: str, step: str, before: str = "") -> Program:
    return Program(CARD.format(init=init, step=step, before=before))


@pytest.mark.parametrize("name", DRAWS)
def test_an_honest_program_that_draws_cards_passes(sandbox: Sandbox, name: str) -> None:
    program = card_program(*DRAWS[name])
    said = sandbox.predict(program, *BLACKJACK, HANDS, Limits(), 0)
    assert said.failure is None
    index = np.array([0, 7, 39])
    again = sandbox.audit(program, *BLACKJACK, HANDS, index, Limits(), 0)
    assert np.array_equal(again.observations, said.observations[index])
    cards = said.observations[:, 0] - HANDS.observations[:, 0]
    assert (len(set(cards)) > 30) == ("seeded" not in name or "unseeded" in name)


def test_draws_follow_the_seed(sandbox: Sandbox) -> None:
    program = card_program(*DRAWS["random"])
    said = [sandbox.predict(program, *BLACKJACK, HANDS, QUICK, seed).observations for seed in (0, 0, 1)]
    assert np.array_equal(said[0], said[1])
    assert not np.array_equal(said[0], said[2])


def test_a_hidden_draw_disagrees_with_itself(sandbox: Sandbox) -> None:
    program = Program(CARD.replace("import random, secrets", "").format(
        init="self.draw = getattr(getattr(np, 'ran' + 'dom'), 'ran' + 'dint')",
        step="card = int(self.draw(1, 10**6))",
        before="",
    ))  # fmt: skip
    said = sandbox.predict(program, *BLACKJACK, HANDS, QUICK, 0)
    again = sandbox.audit(program, *BLACKJACK, HANDS, np.array([20]), QUICK, 0)
    assert said.failure is None
    assert not np.array_equal(again.observations, said.observations[[20]])


def test_an_audit_asks_one_by_one_in_the_order_given_in_a_fresh_process(sandbox: Sandbox) -> None:
    counting = Program(HONEST.source.replace("1.0, False", "self.count(), False") + "        \n    n = 0\n"
        "    def count(self):\n        Environment.n += 1\n        return float(self.n)\n")  # fmt: skip
    data = transitions(np.arange(12.0)[:, None], episodes=np.zeros(12), steps=np.arange(12))
    said = sandbox.predict(counting, box(1), discrete(2), data, QUICK, 0)
    again = sandbox.audit(counting, box(1), discrete(2), data, np.array([5, 0, 11]), QUICK, 0)
    assert said.rewards.tolist() == list(range(1, 13))
    assert again.rewards.tolist() == [1.0, 2.0, 3.0]
    assert again.observations[:, 0].tolist() == [6.0, 1.0, 12.0]


def test_an_audit_keeps_the_status_of_each_transition(sandbox: Sandbox) -> None:
    program = Program(HONEST.source.replace("self.state = observation", "self.state = observation; 1 / observation[0]"))
    data = transitions(np.arange(2.0)[:, None], actions=np.zeros((2, 1)))
    program = Program(program.source.replace("1 / observation[0]", "1 // int(observation[0])"))
    again = sandbox.audit(program, box(1), discrete(2), data, np.array([0, 1]), QUICK, 0)
    assert again.status.tolist() == [RAISED, OK]
    assert again.failure is not None
    assert again.failure.transition == 0


def test_an_audit_of_nothing(sandbox: Sandbox) -> None:
    again = sandbox.audit(HONEST, box(1), discrete(2), transitions([[0.0]]), np.array([], int), QUICK, 0)
    assert again.observations.shape == (0, 1)


# On CliffWalking the answers to a message are among the observations of the next one: a program that remembers fills a
# table while it is being scored. 10 episodes, so 10 rows a message.
TABLE = Program(
    """
from collections import Counter, defaultdict

class Environment:
    table, before, now = defaultdict(Counter), [], []

    def set_state(self, o):
        self.o = o

    def step(self, a):
        c = Environment
        if len(c.now) == 10:
            for pair in c.before:
                c.table[pair].update(o for o, _ in c.now)
            c.before, c.now = c.now, []
        c.now.append((self.o, a))
        seen = c.table[self.o, a]
        return max(seen, key=seen.get) if seen else self.o, -1.0, False
"""
)


def cliff_walks(seed: int, episodes: int = 10, steps: int = 80) -> tuple[Transitions, Space, Space]:
    """Random walks on a 4 x 12 grid, in which nobody falls off."""
    rng = np.random.default_rng(seed)
    rows = []
    for episode in range(episodes):
        y, x = 3, 0
        for step in range(steps):
            action = int(rng.integers(4))
            dy, dx = ((-1, 0), (0, 1), (1, 0), (0, -1))[action]
            y2, x2 = min(max(y + dy, 0), 3), min(max(x + dx, 0), 11)
            rows.append((12 * y + x, action, 12 * y2 + x2, episode, step))
            y, x = y2, x2
    state, action, answer, episode_of, step_of = np.array(rows).T
    data = transitions(state[:, None], action[:, None], episodes=episode_of, steps=step_of)
    data.next_observations[:] = answer[:, None]
    return data, discrete(48), discrete(4)


def test_a_table_filled_online_is_caught(sandbox: Sandbox) -> None:
    data, observations, actions = cliff_walks(0)
    said = sandbox.predict(TABLE, observations, actions, data, Limits(), 0)
    right = (said.observations == data.next_observations).mean()
    persistence = (data.observations == data.next_observations).mean()
    assert right > persistence + 0.2, "the attack works"
    index = np.random.default_rng(1).choice(len(data), 20, replace=False)
    again = sandbox.audit(TABLE, observations, actions, data, index, Limits(), 0)
    assert (again.observations != said.observations[index]).any()


# Knows no physics: collects every array that it finds in the frames and the heap, and takes the state next to a guess.
SNAP = Program(
    """
import sys
import numpy as np

class Environment:
    seen = {}

    def set_state(self, o):
        self.o = o

    def collect(self):
        frame, found = sys._getframe(2), []
        while frame:
            found += frame.f_locals.values()
            frame = frame.f_back
        found += sys.modules["gc"].get_objects() if len(self.seen) < 5 else []
        for x in found:
            if isinstance(x, bytes) and len(x) % 40 == 0:
                x = np.frombuffer(x)
            if type(x) is np.ndarray and x.dtype == float and x.size and x.size % 5 == 0:
                for row in x.reshape(-1, 5)[:, :4]:
                    self.seen[row.tobytes()] = row.copy()
            elif type(x) is np.ndarray and x.dtype == float and x.ndim == 2 and x.shape[1] == 4:
                for row in x:
                    self.seen[row.tobytes()] = row.copy()

    def step(self, a):
        self.collect()
        states = np.array(list(self.seen.values()))
        guess = self.o + 0.02 * np.array([self.o[1], 0, self.o[3], 0])
        distance = ((states - guess)[:, [0, 2]] ** 2).sum(axis=1)
        return states[distance.argmin()], 1.0, False
"""
)


def cart_poles(episodes: int = 30, steps: int = 20) -> Transitions:
    rng = np.random.default_rng(0)
    rows, answers = [], []
    for episode in range(episodes):
        state = rng.uniform(-0.05, 0.05, 4)
        for step in range(steps):
            action = int(rng.integers(2))
            _, v, angle, turn = state
            push = ((10.0 if action else -10.0) + 0.05 * turn**2 * np.sin(angle)) / 1.1
            twist = (9.8 * np.sin(angle) - np.cos(angle) * push) / (0.5 * (4 / 3 - 0.1 * np.cos(angle) ** 2 / 1.1))
            acceleration = push - 0.05 * twist * np.cos(angle) / 1.1
            after = state + 0.02 * np.array([v, acceleration, turn, twist])
            rows.append((*state, action, episode, step))
            answers.append(after)
            state = after
    table = np.array(rows)
    data = transitions(table[:, :4], table[:, 4:5], episodes=table[:, 5].astype(int), steps=table[:, 6].astype(int))
    data.next_observations[:] = answers
    return data


def exact(sandbox: Sandbox, data: Transitions) -> float:
    limits = Limits(step_seconds=0.1)
    said = sandbox.predict(SNAP, box(4), discrete(2), data, limits, 0)
    assert said.failure is None
    return float((np.abs(said.observations - data.next_observations).max(axis=1) < 1e-9).mean())


def test_messages_hold_no_answers(sandbox: Sandbox) -> None:
    data = cart_poles()
    assert exact(sandbox, data) < 0.01
    # The same program on the same rows, were they given in one piece.
    together = transitions(data.observations, data.actions, steps=np.zeros(len(data), int))
    together.next_observations[:] = data.next_observations
    assert exact(sandbox, together) > 0.3
