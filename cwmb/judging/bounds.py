"""Floor and ceiling of a set of transitions: what is trivial and what is attainable on the very data scored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cwmb.benchmark.baselines import Bounds, baselines, folder
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.judging.judge import Judge
from cwmb.judging.naive import linear, lookup
from cwmb.judging.scoring import evaluate, most_common, persistence
from cwmb.reference import program_of
from cwmb.seeds import Purpose, generator
from cwmb.types import OK, Predictions, Transitions
from cwmb.worlds.simulator import Simulator

DRAWS = 200  # of a random outcome, to find the most likely one


def bounds(
    spec: EnvironmentSpec,
    judge: Judge,
    simulator: Callable[[], Simulator],
    truth: Transitions,
    train: Transitions,
    data_sha256: str = "",
) -> Bounds:
    """Floor and ceiling: the stored ones where the data are the benchmark's own, else measured now.

    simulator: makes the real environment, which is needed only then.
    """
    stored = baselines(judge.protocol.name, folder(spec))
    if data_sha256 and stored.protocol_sha256 == judge.protocol.checksum:
        for known in (stored.of(spec.id).train, stored.of(spec.id).test):
            if known is not None and known.data_sha256 == data_sha256:
                return known
    return measure(spec, judge, simulator(), truth, train, data_sha256)


def measure(
    spec: EnvironmentSpec,
    judge: Judge,
    simulator: Simulator,
    truth: Transitions,
    train: Transitions,
    data_sha256: str,
) -> Bounds:
    """Measure floor and ceiling. train: from which all that needs no model predicts."""

    def accuracy(predicted: Predictions) -> float:
        return evaluate(truth, predicted, judge.rules).accuracy

    restored = accuracy(restored_predictions(simulator, truth))
    modal = accuracy(modal_predictions(simulator, truth, spec)) if spec.stochastic else None
    reference = accuracy(judge.predict(program_of(spec), truth))
    spaces = judge.observation_space, judge.action_space
    return Bounds(
        data_sha256=data_sha256,
        n=len(truth),
        floor=accuracy(persistence(truth, train, judge.rules)),
        restored=restored,
        modal=modal,
        reference=reference,
        ceiling=max(restored, reference, modal or 0.0),
        lookup=None if truth is train else accuracy(lookup(truth, train, spaces, judge.rules)),
        linear=None if truth is train else accuracy(linear(truth, train, spaces, judge.rules)),
    )


def restored_predictions(simulator: Simulator, truth: Transitions) -> Predictions:
    """What the true simulator says, restored from each observation alone."""
    rows = [_outcome(simulator, truth, i) for i in range(len(truth))]
    return _predictions(rows)


def modal_predictions(simulator: Simulator, truth: Transitions, spec: EnvironmentSpec) -> Predictions:
    """The most likely value of every part, by drawing outcomes of the restored simulator."""
    known: dict[bytes, tuple[np.ndarray, float, bool]] = {}
    rows = []
    for i in range(len(truth)):
        pair = truth.observations[i].tobytes() + truth.actions[i].tobytes()
        if pair not in known:
            rng = generator(0, spec.id, Purpose.AUDIT, i)
            known[pair] = _mode(simulator, truth, i, rng)
        rows.append(known[pair])
    return _predictions(rows)


def _mode(simulator: Simulator, truth: Transitions, i: int, rng: np.random.Generator) -> tuple[np.ndarray, float, bool]:
    simulator.load(simulator.snapshot(), rng)  # from which everything hidden is drawn from here on
    outcomes = []
    for _ in range(DRAWS):
        simulator.restore(truth.observations[i])
        outcomes.append(simulator.step(truth.actions[i])[:3])
    # The next state counts only where the episode goes on.
    going_on = [o for o in outcomes if not o[2]] or outcomes
    observation = np.array([most_common(column) for column in zip(*(o[0] for o in going_on), strict=True)])
    return observation, most_common([o[1] for o in outcomes]), bool(most_common([float(o[2]) for o in outcomes]))


def _outcome(simulator: Simulator, truth: Transitions, i: int) -> tuple[np.ndarray, float, bool]:
    simulator.restore(truth.observations[i])
    observation, reward, terminated, _ = simulator.step(truth.actions[i])
    return observation, reward, terminated


def _predictions(rows: list[tuple[np.ndarray, float, bool]]) -> Predictions:
    return Predictions(
        observations=np.array([r[0] for r in rows], dtype=np.float64),
        rewards=np.array([r[1] for r in rows], dtype=np.float64),
        done=np.array([r[2] for r in rows], dtype=bool),
        status=np.full(len(rows), OK, dtype=np.uint8),
    )
