"""Whether the outcome of a transition follows from observation and action alone."""

from __future__ import annotations

from functools import reduce

import numpy as np

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import protocol
from cwmb.judging.scoring import compare, rules
from cwmb.types import OK, Bools, Predictions, Transitions
from cwmb.worlds.simulator import Simulator

# So many that a card with probability 1/13 is missed on less than one row in 10 ** 8.
DRAWS = 256


def determined(spec: EnvironmentSpec, simulator: Simulator, data: Transitions) -> Bools:
    """Which transitions [N] the simulator, restored from the observation, repeats within the standard tolerances.

    In a stochastic environment it must do so every time.
    """
    standard = rules(spec, protocol("standard").scoring)
    simulator.reset(seed=0)
    repeats = (compare(data, restored(simulator, data), standard).right for _ in range(DRAWS if spec.stochastic else 1))
    return np.asarray(reduce(np.logical_and, repeats))


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
