"""Probes of scoring: what a candidate costs on top of its own steps."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cwmb.bench import bare
from cwmb.bench.probe import Probe, Row, timed
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.trajectories import spaces, transitions
from cwmb.judging.judge import Judge
from cwmb.judging.scoring import compare
from cwmb.models.extraction import extract
from cwmb.reference import program
from cwmb.sandbox import Sandbox
from cwmb.seeds import Purpose, unforeseen
from cwmb.types import Program, Transitions

# µs a transition of the paper's code, from the times of its right programs on its data sets, on two cores.
PUBLISHED = {
    "CartPole-v1": 93e3 / 402,
    "Pendulum-v1": 346e3 / 1000,
    "MountainCar-v0": 295e3 / 1777,
    "Acrobot-v1": 1310e3 / 4521,
    "CliffWalking-v0": 74e3 / 877,
    "Taxi-v3": 133e3 / 1574,
}
HEAVY = {"Humanoid-v4": 3}  # times that are enough where a transition takes milliseconds
SCORED = (*PUBLISHED, "Blackjack-v1", *HEAVY)
FEW, MANY_DIMENSIONS, MANY = 4.0, 100, 12.0  # µs a transition that are allowed on top; with so many dimensions
FACTOR = 1.3  # of a bare loop, which is allowed
FIXED = "candidate that does nothing, audited"
MOST_FORKS, MOST_AUDIT = 2.6, 1.5
AUDITED = "Acrobot-v1"  # whose rewards are of two kinds, so that 40 transitions are drawn
THROUGHPUT = "CartPole-v1"  # the environment whose candidates are counted by the second

IDLE = """
class Environment:
    def set_state(self, observation):
        pass

    def step(self, action):
        return 0, 0.0, False
"""


def judge(sandbox: Sandbox, name: str) -> Judge:
    """The judge of an environment under protocol standard."""
    return Judge.of(sandbox, protocol("standard"), environment(name))


def audit(name: str, candidate: Program) -> np.random.Generator:
    """What draws the transitions of a program's audit."""
    return unforeseen(0, name, Purpose.AUDIT, candidate.source)


def scoring_probes(sandbox: Sandbox) -> Iterator[Probe]:
    """Scoring the reference program on all training transitions, per transition."""
    for name in SCORED:
        truth = transitions(environment(name), "train")
        yield scoring_probe(sandbox, name, truth, name, PUBLISHED.get(name), HEAVY.get(name, 15))


def scoring_probe(
    sandbox: Sandbox, name: str, truth: Transitions, title: str, published: float | None = None, repeats: int = 15
) -> Probe:
    """Scoring the reference program of an environment on some transitions, per transition."""
    judging, reference = judge(sandbox, name), program(name)
    return Probe(
        name=f"score {title}",
        unit="µs/transition",
        scale=1e6 / len(truth),
        ours=lambda: timed(lambda: judging.score(reference, truth, audit(name, reference))),
        bare=bare.predictions(reference, spaces(environment(name)), truth),
        against="bare loop",
        repeats=repeats,
        published=published,
    )


def beyond(rows: Sequence[Row]) -> Iterator[Row]:
    """What scoring costs beyond a candidate's fixed cost and a bare loop times FACTOR, per transition."""
    by_name = {row.name: row for row in rows}
    fixed = by_name.get(FIXED)
    for name in SCORED:
        row, (observations, _) = by_name.get(f"score {name}"), spaces(environment(name))
        if fixed is None or row is None or row.bare is None:
            continue
        n = len(transitions(environment(name), "train"))
        value = row.value - FACTOR * row.bare - 1e3 * fixed.value / n
        noise = row.value_noise + 1e3 * fixed.value_noise / n
        yield Row(
            name=f"score {name}: beyond fixed cost and {FACTOR:g} x bare",
            unit=row.unit,
            value=value,
            value_noise=noise,
            bare=row.bare,
            ratio=value / row.bare,
            ratio_noise=noise / row.bare,
            against=row.against,
            value_target=MANY if observations.size >= MANY_DIMENSIONS else FEW,
        )


def fixed_probe(sandbox: Sandbox) -> Probe:
    """A candidate that does nothing, on one transition, in the full sandbox, with its audit."""
    judging, idle, one = judge(sandbox, "CliffWalking-v0"), Program(IDLE), _one()
    return Probe(
        name=FIXED,
        unit="ms",
        scale=1e3,
        ours=lambda: timed(lambda: judging.score(idle, one, audit("CliffWalking-v0", idle))),
        bare=_fork,
        against="fork and exit",
        repeats=45,
        ratio_target=MOST_FORKS,
    )


def audit_probe(sandbox: Sandbox) -> Probe:
    """The audit of a right program, against the fixed cost of a candidate that is not audited."""
    judging, reference, truth = judge(sandbox, AUDITED), program(AUDITED), transitions(environment(AUDITED), "train")
    fixed, idle, one = judge(sandbox, "CliffWalking-v0"), Program(IDLE), _one()
    predicted = judging.predict(reference, truth)
    marks = compare(truth, predicted, judging.rules)

    def work() -> None:
        with judging.afresh(reference, truth) as fresh:
            failure = judging.audit(fresh, truth, predicted, marks, audit(AUDITED, reference))
        assert failure is None

    return Probe(
        name=f"audit {AUDITED}",
        unit="ms",
        scale=1e3,
        ours=lambda: timed(work),
        bare=lambda: timed(lambda: fixed.score(idle, one)),
        against="a candidate, not audited",
        repeats=45,
        ratio_target=MOST_AUDIT,
    )


def _one() -> Transitions:
    return transitions(environment("CliffWalking-v0"), "train").take(slice(1))


def throughput_probe(sandbox: Sandbox, threads: int) -> Probe:
    """From a model's answer to its score, per candidate: programs that differ, so many at a time."""
    judging, truth = judge(sandbox, THROUGHPUT), transitions(environment(THROUGHPUT), "train")
    answers = [f"```python\n{program(THROUGHPUT).source}\n# {i}\n```" for i in range(4 * threads)]
    loop = bare.predictions(program(THROUGHPUT), spaces(environment(THROUGHPUT)), truth)

    def candidate(answer: str) -> None:
        found, _ = extract(answer, "")
        assert found is not None
        judging.score(found, truth, audit(THROUGHPUT, found))

    def work() -> float:
        with ThreadPoolExecutor(threads) as pool:
            return timed(lambda: list(pool.map(candidate, answers))) / len(answers)

    return Probe(
        name=f"candidates of {THROUGHPUT} end to end, {threads} at a time",
        unit="ms/candidate",
        scale=1e3,
        ours=work,
        bare=loop,
        against="bare loop",
        repeats=9,
    )


def _fork() -> float:
    def work() -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    return timed(work)
