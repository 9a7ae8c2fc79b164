"""Today's Gymnasium and MuJoCo move as the paper's did. Skips where its published transitions are not at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cwmb.benchmark.catalog import environment
from cwmb.worlds import make

FOLDER = Path(__file__).parents[3] / "shared" / "paper_transitions"


@pytest.mark.parametrize("name", ["CartPole-v1", "CliffWalking-v0", "Pendulum-v1", "Hopper-v4", "Reacher-v4"])
def test_a_published_transition_is_reproduced(name: str) -> None:
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        pytest.skip("the published transitions are not at hand")
    data = np.load(path)
    sim, n = make(environment(name)), len(data["rewards"])
    observations, actions, following = (
        np.asarray(data[key], dtype=np.float64).reshape(n, -1) for key in ("obs", "actions", "next_obs")
    )
    close = []
    for i in np.random.default_rng(0).permutation(n)[:300]:
        if i == 0 or data["episode"][i] != data["episode"][i - 1]:
            continue  # the published MuJoCo episodes begin with an impossible transition
        sim.restore(observations[i])
        predicted, reward, *_ = sim.step(actions[i])
        right = [np.allclose(*pair, 1e-5, 1e-5) for pair in ((predicted, following[i]), (reward, data["rewards"][i]))]
        close.append(right)
    # Hopper: a few states are beyond the bounds at which the observation clips velocities.
    assert np.mean(close, axis=0) == pytest.approx(1, abs=0.05 if name == "Hopper-v4" else 0)
