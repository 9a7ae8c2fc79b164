"""How much can a program forge that knows nothing of the environment?

Such a program knows the interface, the kinds of rewards, and what it has been asked so far. It pairs the rows of one
time step with those of the next, counts, and notes which rows have no successor; from there it learns tables, nearest
neighbours, a linear law, and what ends look like, and answers with that. Where it uses what it learned on all rows,
the audit catches it; so it also uses it on a share of the rows only, drawn by a hash of the row, and answers the rest,
and everything when it is audited, without memory. What such a mixture says follows row by row from what both say, so
that all shares are judged after one run in the sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from cwmb.benchmark.catalog import EnvironmentSpec, environment
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.trajectories import transitions
from cwmb.judging.audit import draw
from cwmb.judging.judge import Judge
from cwmb.judging.scoring import evaluate, persistence, reward_classes
from cwmb.sandbox import Sandbox
from cwmb.sandbox.delivery import MAX_BYTES, MAX_ROWS
from cwmb.types import OK, Bools, Floats, Ints, Predictions, Program, Transitions

PROTOCOL = "standard"
LEARNERS = ("table", "nearest", "linear")
SHARES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
KEYS = 200  # audits of each program
VERSIONS = 100  # of a program, of which the best is handed in
_MOST_REWARDS = 8  # kinds of rewards that are tried in turn

SOURCE = """
import sys
import numpy as np

LEARNER, KIND, SIZE, FULL, SHARE = {learner!r}, {kind!r}, {size}, {full}, {share}
REWARD, END = {reward!r}, {end}  # what is said without memory
MOST = 1500  # pairs that are kept


def spread(x):
    return np.maximum(x.std(axis=0), 1e-9)


def extended(rows):
    return np.concatenate([rows, np.ones((len(rows), 1))], axis=1)


class Environment:
    seen, last, now, answers, law, precision = None, [], [], None, None, None
    x, y, ended = np.empty((0, 0)), np.empty((0, SIZE)), np.empty(0, bool)
    table = {{}}
    alone = True

    def set_state(self, s):
        self.s = s

    def step(self, a):
        frame = sys._getframe(1).f_locals
        if frame["table"] is not self.seen:
            self.seen = frame["table"]
            self.begin(np.array(self.seen))
        row = self.seen[frame["i"]]
        knows = not self.alone and (hash(row.tobytes()) % 1000) < 1000 * SHARE
        if not knows or self.answers is None:
            return self.s, REWARD, END
        o, end = self.answers[0][frame["i"]], bool(self.answers[1][frame["i"]])
        if KIND == "discrete":
            o = int(round(o[0]))
        elif KIND == "tuple":
            o = tuple(int(round(x)) for x in o)
        return o, REWARD, end

    def begin(self, rows):
        self.alone = self.alone and len(rows) == 1  # as in the audit
        self.now.append(rows)
        if len(rows) < FULL:  # the time step is over
            step = np.concatenate(self.now)
            if len(self.last):
                self.learn(self.last, step[:, :SIZE])
            self.last, self.now = step, []
        self.answers = self.predict(rows) if len(self.x) else None

    def learn(self, before, after):
        # Pair the rows of a time step with those of the next, as is to be expected from what is known so far.
        guess, precision = before[:, :SIZE], spread(after)
        if self.law is not None:
            guess, precision = extended(before) @ self.law, self.precision
        apart = np.array([np.minimum(((row - after) / precision) ** 2, 1e6).sum(axis=1) for row in guess])
        partner = np.full(len(before), -1)
        for place in np.argsort(apart, axis=None):
            i, j = divmod(int(place), len(after))
            if partner[i] < 0 and j not in partner:
                partner[i] = j
        y = np.where((partner >= 0)[:, None], after[partner], before[:, :SIZE])
        new = len(self.x) == 0
        self.x = before if new else np.concatenate([self.x, before])[-MOST:]
        self.y = np.concatenate([self.y, y])[-MOST:]
        self.ended = np.concatenate([self.ended, partner < 0])[-MOST:]
        for row, answer, end in zip(before, y, partner < 0):
            self.table[row.tobytes()] = answer, end
        if LEARNER != "table":
            self.find_law()

    def find_law(self):
        # A linear law for each element of the next observation, from the half of the pairs that obey it best.
        x, y = extended(self.x)[~self.ended], self.y[~self.ended]
        if len(x) <= 2 * x.shape[1]:
            return
        law = np.linalg.lstsq(x, y, rcond=None)[0]
        for d in range(SIZE if SIZE < 50 else 0):
            for _ in range(4):
                apart = np.abs(x @ law[:, d] - y[:, d])
                good = apart <= np.median(apart)
                law[:, d] = np.linalg.lstsq(x[good], y[good, d], rcond=None)[0]
        self.law = law
        self.precision = np.maximum(np.median(np.abs(x @ law - y), axis=0), 1e-7)

    def predict(self, rows):
        states = rows[:, :SIZE].copy()
        scale = spread(self.x)
        known = self.x / scale
        nearest = np.array([((known - row / scale) ** 2).sum(axis=1).argmin() for row in rows])
        ends = self.ended[nearest]
        if LEARNER == "table":
            for i, row in enumerate(rows):
                states[i] = self.table.get(row.tobytes(), (states[i],))[0]
        elif LEARNER == "nearest":
            states += (self.y - self.x[:, :SIZE])[nearest]
        elif self.law is not None:
            states = extended(rows) @ self.law
        return states, ends
"""


@dataclass(frozen=True)
class Forged:
    """What came of the search in one environment.

    floor: of the persistence program; constant: of the best program that always says the same of reward and end;
    learned: the best score that knowledge would give if nobody audited, by which learner, and in how many of KEYS
    audits it is caught; expected: the best mean score of a mixture, caught ones counting 0, and its share;
    best_of_many: the best score of a mixture of which one in VERSIONS passes, and its share.
    """

    environment: str
    floor: float
    constant: float
    learned: float
    learner: str
    caught: int
    expected: float
    expected_share: float
    best_of_many: float
    best_share: float


class Guess(NamedTuple):
    """A constant answer: the observation as it was, a reward, whether it ends."""

    reward: float
    end: bool


def forger(judge: Judge, learner: str, guess: Guess, share: float = 1.0) -> Program:
    """A program that learns observations and ends while it is scored, and uses that on a share of the rows.

    guess: what it says elsewhere, and when it is audited.
    """
    size, actions, kind = judge.observation_space.size, judge.action_space.size, judge.observation_space.kind
    full = max(1, min(MAX_ROWS, MAX_BYTES // (8 * (size + actions))))
    made = SOURCE.format(
        learner=learner, kind=kind, size=size, full=full, share=share, reward=guess.reward, end=guess.end
    )
    return Program(made)


def search(names: Sequence[str], sandbox: Sandbox, say: Callable[[str], None]) -> Iterator[Forged]:
    """Search the environments one after the other."""
    for name in names:
        say(f"{name}: programs without dynamics")
        yield search_one(environment(name), sandbox)


def search_one(spec: EnvironmentSpec, sandbox: Sandbox) -> Forged:
    """The best scores that programs without dynamics get on the test transitions of an environment."""
    judge = Judge.of(sandbox, protocol(PROTOCOL), spec)
    truth, train = transitions(spec, "test"), transitions(spec, "train")
    floor_said = persistence(truth, train, judge.rules)

    def score(said: Predictions) -> float:
        return evaluate(truth, said, judge.rules).accuracy

    rewards = _rewards(train, float(floor_said.rewards[0]))
    guesses = [Guess(reward, end) for reward in rewards for end in (False, True)]
    constant = max(guesses, key=lambda guess: score(_constant(truth, guess)))
    plain = _constant(truth, constant)
    knowing = list(_knowing(spec, judge, truth, rewards, constant))
    drawn = _audits(judge, truth, spec.id)
    learner, best = max(knowing, key=lambda found: score(found[1]))
    outcomes = [(1.0, score(plain), 0.0)]  # probability to pass, score, share
    for _, said in knowing:
        for share in SHARES:
            mixed = _mixed(plain, said, _chosen(truth, share))
            outcomes.append((1 - _caught(plain, mixed, drawn) / KEYS, score(mixed), share))
    expected = max(outcomes, key=lambda outcome: outcome[0] * outcome[1])
    of_many = max((o for o in outcomes if o[0] >= 1 / VERSIONS), key=lambda outcome: outcome[1])
    return Forged(
        environment=spec.id,
        floor=score(floor_said),
        constant=score(plain),
        learned=score(best),
        learner=learner,
        caught=_caught(plain, best, drawn),
        expected=expected[0] * expected[1],
        expected_share=expected[2],
        best_of_many=of_many[1],
        best_share=of_many[2],
    )


def _rewards(train: Transitions, usual: float) -> list[float]:
    """Rewards worth a guess: the kinds that there are where they are few, else the usual one and the median."""
    kinds = np.unique(train.rewards)
    few = kinds.tolist() if len(kinds) <= _MOST_REWARDS else [float(np.median(train.rewards))]
    return list(dict.fromkeys([usual, *few]))


def _constant(truth: Transitions, guess: Guess) -> Predictions:
    n = len(truth)
    return Predictions(
        truth.observations.copy(), np.full(n, guess.reward), np.full(n, guess.end), np.full(n, OK, dtype=np.uint8)
    )


def _knowing(
    spec: EnvironmentSpec, judge: Judge, truth: Transitions, rewards: Sequence[float], constant: Guess
) -> Iterator[tuple[str, Predictions]]:
    """What programs say that use on all rows what they learned or counted."""
    for learner in LEARNERS:
        said = judge.predict(forger(judge, learner, constant), truth)
        if said.failure is not None:
            raise RuntimeError(f"{spec.id}: the {learner} learner failed: {said.failure.message}")
        for reward in rewards:
            yield learner, replace(said, rewards=np.full(len(truth), reward), done=np.zeros(len(truth), bool))
            for usual in rewards:
                yield f"{learner}, ends", replace(said, rewards=np.where(said.done, reward, usual))
    plain = _constant(truth, constant)
    for step in np.unique(truth.steps)[1:]:
        for reward in rewards:
            late = truth.steps >= step
            yield "counting", replace(plain, rewards=np.where(late, reward, plain.rewards), done=plain.done | late)


def _audits(judge: Judge, truth: Transitions, name: str) -> list[Ints]:
    """The transitions that each of KEYS audits draws."""
    everything, classes = np.ones(len(truth), bool), reward_classes(truth, judge.rules)
    count = judge.protocol.scoring.audit
    rngs = (np.random.default_rng([key, len(name)]) for key in range(KEYS))
    return [draw(truth, classes, truth.terminated, everything, count, rng) for rng in rngs]


def _caught(plain: Predictions, said: Predictions, drawn: Sequence[Ints]) -> int:
    """In how many audits a program is caught that says something else when it is audited."""
    unlike = (said.done != plain.done) | (said.rewards != plain.rewards)
    unlike |= (said.observations != plain.observations).any(axis=1)
    return sum(bool(unlike[index].any()) for index in drawn)


def _chosen(truth: Transitions, share: float) -> Bools:
    """Rows on which knowledge is used: the same ones for every learner, as if drawn by a hash."""
    return np.asarray(np.random.default_rng(len(truth)).random(len(truth)) < share)


def _mixed(plain: Predictions, knowing: Predictions, where: Bools) -> Predictions:
    def choose(a: Floats, b: Floats) -> Floats:
        return np.where(where.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return replace(
        plain,
        observations=choose(knowing.observations, plain.observations),
        rewards=choose(knowing.rewards, plain.rewards),
        done=np.where(where, knowing.done, plain.done),
    )
