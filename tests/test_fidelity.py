"""The published transitions give the published protocol's figures. Skips where they are not at hand."""

from pathlib import Path

import numpy as np
import pytest

from cwmb.scoring import Rules, evaluate, persistence
from cwmb.types import Transitions

FOLDER = Path(__file__).parents[2] / "shared" / "paper_transitions"
FLOORS = {
    "CartPole-v1": 0.66252,
    "CliffWalking-v0": 0.680,
    "Pendulum-v1": 0.337,
    "Hopper-v4": 0.331,
    "Reacher-v4": 0.416,
}


def published(name: str) -> Transitions:
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        pytest.skip("the published transitions are not at hand")
    data = np.load(path)
    n = len(data["rewards"])
    columns = lambda a: np.asarray(a, dtype=np.float64).reshape(n, -1)  # noqa: E731
    return Transitions(
        columns(data["obs"]),
        columns(data["actions"]),
        data["rewards"].astype(np.float64),
        columns(data["next_obs"]),
        data["dones"],
        np.zeros(n, dtype=bool),
        data["episode"].astype(np.int64),
        np.arange(n),
        np.ones(n, dtype=bool),
    )


@pytest.mark.parametrize("name", FLOORS)
def test_the_trivial_program_gets_the_floor_of_the_paper(name: str) -> None:
    truth = published(name)
    rules = Rules(None if name.startswith("Cliff") else 1e-5, "float32", time_limit_is_done=True, by_reward=True)
    assert evaluate(truth, persistence(truth, truth, rules), rules).accuracy == pytest.approx(FLOORS[name], abs=5e-4)
