"""The published transitions give the published protocol's figures. Skips where they are not at hand."""

from pathlib import Path

import numpy as np
import pytest

from cwmb.benchmark.baselines import baselines
from cwmb.benchmark.catalog import environment
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.trajectories import transitions
from cwmb.judging.bounds import restored_predictions
from cwmb.judging.scoring import Rules, evaluate, persistence, rules
from cwmb.types import Transitions
from cwmb.worlds import make

FOLDER = Path(__file__).parents[2] / "shared" / "paper_transitions"
FLOORS = {
    "CartPole-v1": 0.66252,
    "CliffWalking-v0": 0.680,
    "Pendulum-v1": 0.337,
    "Hopper-v4": 0.331,
    "Reacher-v4": 0.416,
}
SIMULATOR = {"CartPole-v1": 1.0, "CliffWalking-v0": 1.0, "Pendulum-v1": 0.667, "Hopper-v4": 0.662, "Reacher-v4": 0.647}
QUICK_TO_SCORE = ("CartPole-v1", "CliffWalking-v0", "Taxi-v3", "Pendulum-v1", "Reacher-v4", "Hopper-v4")


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
        np.ones((n, columns(data["obs"]).shape[1] + 2), dtype=bool),
    )


def paper_rules(name: str) -> Rules:
    return rules(environment(name), protocol("paper").scoring)


@pytest.mark.parametrize("name", FLOORS)
def test_the_trivial_program_gets_the_floor_of_the_paper(name: str) -> None:
    truth, how = published(name), paper_rules(name)
    assert evaluate(truth, persistence(truth, truth, how), how).accuracy == pytest.approx(FLOORS[name], abs=5e-4)


@pytest.mark.parametrize("name", SIMULATOR)
def test_the_true_simulator_gets_the_ceiling_of_the_paper(name: str) -> None:
    truth, how = published(name), paper_rules(name)
    predicted = restored_predictions(make(environment(name)), truth)
    assert evaluate(truth, predicted, how).accuracy == pytest.approx(SIMULATOR[name], abs=5e-4)


@pytest.mark.parametrize("name", QUICK_TO_SCORE)
def test_floor_and_ceiling_of_our_own_data_under_the_paper_are_those_on_record(name: str) -> None:
    spec, how = environment(name), paper_rules(name)
    train = transitions(spec, "train")
    known = baselines("paper").of(name).train
    assert known is not None
    assert evaluate(train, persistence(train, train, how), how).accuracy == known.floor
    restored = evaluate(train, restored_predictions(make(spec), train), how).accuracy
    assert restored == pytest.approx(known.restored, abs=2 / len(train))  # another CPU may round otherwise


def test_a_reward_stored_in_single_precision_is_never_predicted_in_double() -> None:
    """Which is why a perfect program gets about two thirds where rewards are no round numbers."""
    train, how = transitions(environment("Pendulum-v1"), "train"), paper_rules("Pendulum-v1")
    perfect = restored_predictions(make(environment("Pendulum-v1")), train)
    assert evaluate(train, perfect, how).accuracy < 0.68
    exact = rules(environment("Pendulum-v1"), protocol("standard").scoring)
    assert evaluate(train, perfect, exact).accuracy == 1
