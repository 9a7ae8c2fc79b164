"""Which parts of a transition's outcome follow from observation and action alone."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import protocol
from cwmb.judging.scoring import compare, rules
from cwmb.types import OK, Bools, Predictions, Transitions
from cwmb.worlds.simulator import Simulator

# So many that a card with probability 1/13 is missed on less than one row in 10 ** 8.
DRAWS = 256
NEAR = 1e-2  # of the tolerances


def determined(spec: EnvironmentSpec, simulator: Simulator, data: Transitions) -> Bools:
    """Which parts [N, D + 2] the simulator, restored from the observation, repeats within the standard tolerances.

    The parts are those of ``Transitions.determined``. In a stochastic environment it must do so every time. Where one
    part is not determined, another one that depends on the same unknown may be near the truth by luck: there it has to
    be a hundred times nearer.
    """
    standard = rules(spec, protocol("standard").scoring)
    simulator.reset(seed=0)
    nearer = replace(
        standard,
        observation=standard.observation and standard.observation * NEAR,
        reward=spec.tolerances.reward * NEAR,
    )

    def repeated() -> Bools:
        said = restored(simulator, data)
        marks = (compare(data, said, tolerance) for tolerance in (standard, nearer))
        return np.stack([np.column_stack([m.elements, m.reward, m.done]) for m in marks])

    parts, surely = reduce(np.logical_and, (repeated() for _ in range(DRAWS if spec.stochastic else 1)))
    whole = replace(data, determined=parts).wholly_determined
    return np.asarray(np.where(whole[:, None], parts, surely))


def restored(simulator: Simulator, data: Transitions) -> Predictions:
    """What the simulator does after restoring each observation."""
    outcomes = []
    for observation, action in zip(data.observations, data.actions, strict=True):
        simulator.restore(observation)
        outcomes.append(simulator.step(action)[:3])
    observations, rewards, done = zip(*outcomes, strict=True)
    return Predictions(
        observations=np.array(observations),
        rewards=np.array(rewards),
        done=np.array(done),
        status=np.full(len(data), OK, dtype=np.uint8),
    )
