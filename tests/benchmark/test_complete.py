"""What the set ``complete`` says of classic control and toy text, carried out and held against the real environments.

The rules that stand in it as indented lines are run as they are (tests/worlds/test_facts.py does MuJoCo).
"""

from __future__ import annotations

import math
import re
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

from cwmb.benchmark.catalog import environment
from cwmb.benchmark.data import data_path
from cwmb.reference import program
from cwmb.worlds import make
from cwmb.worlds.simulator import Simulator

CLASSIC = ("Acrobot-v1", "CartPole-v1", "MountainCar-v0", "Pendulum-v1")


@cache
def simulator(name: str) -> Simulator:
    return make(environment(name))


@cache
def told(name: str) -> str:
    return data_path("descriptions", "complete", f"{name}.md").read_text(encoding="utf-8")


@cache
def rules(name: str) -> tuple[str, ...]:
    """The blocks of indented lines, as Python."""
    blocks = re.findall(r"(?:^    .*\n)+", told(name), re.MULTILINE)
    return tuple(compile(re.sub(r"^    ", "", block, flags=re.MULTILINE), name, "exec") for block in blocks)


@cache
def constants(name: str) -> dict[str, float]:
    """The table of constants."""
    return {key: float(value) for key, value in re.findall(r"^\| (\w+) \| (-?[\d.]+) \|", told(name), re.MULTILINE)}


def run(block: Any, known: dict[str, Any]) -> dict[str, Any]:
    """The names that hold after a block, from those that held before."""
    mathematics = {"sin": math.sin, "cos": math.cos, "pi": math.pi}
    scope: dict[str, Any] = {**mathematics, **known}
    exec(block, scope)
    return scope


def angle(cosine: float, sine: float) -> float:
    return math.atan2(sine, cosine)


def acrobot(observation: Any, action: Any) -> tuple[Any, float | None, bool]:
    known = {**constants("Acrobot-v1"), "torque": action[0] - 1}
    equations, method = rules("Acrobot-v1")

    def f(y: Any) -> Any:
        found = run(equations, {**known, **dict(zip(("theta1", "theta2", "v1", "v2"), y.tolist(), strict=True))})
        return np.array([y[2], y[3], found["a1"], found["a2"]])

    o = observation
    start = np.array([angle(o[0], o[1]), angle(o[2], o[3]), o[4], o[5]])
    y = run(method, {"f": f, "y": start, "h": known["dt"]})["y"]
    v = np.clip(y[2:], [-4 * math.pi, -9 * math.pi], [4 * math.pi, 9 * math.pi])
    done = -math.cos(y[0]) - math.cos(y[0] + y[1]) > 1
    return [math.cos(y[0]), math.sin(y[0]), math.cos(y[1]), math.sin(y[1]), *v], 0.0 if done else -1.0, done


def cart_pole(observation: Any, action: Any) -> tuple[Any, float | None, bool]:
    known = constants("CartPole-v1")
    state = dict(zip(("x", "v", "theta", "w"), observation.tolist(), strict=True))
    (block,) = rules("CartPole-v1")
    found = run(block, {**known, **state, "force": known["force_mag"] * (1 if action[0] else -1)})
    done = abs(found["x"]) > 2.4 or abs(found["theta"]) > math.radians(12)
    return [found[key] for key in ("x", "v", "theta", "w")], 1.0, done


def mountain_car(observation: Any, action: Any) -> tuple[Any, float | None, bool]:
    state = dict(zip(("position", "velocity"), observation.tolist(), strict=True))
    (block,) = rules("MountainCar-v0")
    found = run(block, {**constants("MountainCar-v0"), **state, "action": action[0]})
    return [found["position"], found["velocity"]], -1.0, found["done"]


def pendulum(observation: Any, action: Any) -> tuple[Any, float | None, bool]:
    x, y, w = observation.tolist()
    (block,) = rules("Pendulum-v1")
    found = run(block, {**constants("Pendulum-v1"), "theta": angle(x, y), "w": w, "torque": action[0]})
    return [math.cos(found["theta"]), math.sin(found["theta"]), found["w"]], found["reward"], False


STEPS = {"Acrobot-v1": acrobot, "CartPole-v1": cart_pole, "MountainCar-v0": mountain_car, "Pendulum-v1": pendulum}
# Where the states that are tried are drawn from: beyond every limit, so that each is met.
RANGES = {
    "Acrobot-v1": ([-math.pi, -math.pi, -12.5, -28], [math.pi, math.pi, 12.5, 28]),
    "CartPole-v1": ([-2.5, -4, -0.22, -4], [2.5, 4, 0.22, 4]),
    "MountainCar-v0": ([-1.2, -0.07], [0.6, 0.07]),
    "Pendulum-v1": ([-math.pi, -8], [math.pi, 8]),
}


def observed(name: str, state: Any) -> Any:
    if name == "Acrobot-v1":
        a, b, *v = state
        return np.array([math.cos(a), math.sin(a), math.cos(b), math.sin(b), *v])
    return np.array([math.cos(state[0]), math.sin(state[0]), state[1]]) if name == "Pendulum-v1" else state


@pytest.mark.parametrize("name", CLASSIC)
def test_the_equations_of_classic_control_are_exact(name: str) -> None:
    sim, rng = simulator(name), np.random.default_rng(0)
    low, high = np.array(sim.action_space.low), np.array(sim.action_space.high)
    ends = 0
    for _ in range(500):
        observation = observed(name, rng.uniform(*RANGES[name]))
        action = rng.uniform(low, high) if sim.action_space.kind == "box" else rng.integers(low, high + 1)
        action = action.astype(sim.action_space.dtype).astype(np.float64)
        sim.restore(observation)
        after, reward, done, _ = sim.step(action)
        said_after, said_reward, said_done = STEPS[name](observation, action)
        np.testing.assert_allclose(after, np.array(said_after).astype(np.float32), rtol=1e-6, atol=1e-7)
        assert reward == pytest.approx(said_reward, rel=1e-7)
        assert done == said_done
        ends += done
    assert (ends > 10) == (name != "Pendulum-v1")


@pytest.mark.parametrize("name", CLASSIC)
def test_the_constants_of_classic_control(name: str) -> None:
    env = simulator(name).env
    attributes = {
        **{"m1": "LINK_MASS_1", "m2": "LINK_MASS_2", "l1": "LINK_LENGTH_1", "lc1": "LINK_COM_POS_1"},
        **{"lc2": "LINK_COM_POS_2", "I1": "LINK_MOI", "I2": "LINK_MOI"},
    }
    checked = 0
    for key, value in constants(name).items():
        attribute = attributes.get(key, key)
        if hasattr(env, attribute):
            assert getattr(env, attribute) == pytest.approx(value, rel=1e-12)
            checked += 1
    assert checked == len(constants(name)) - (name == "Acrobot-v1")  # its g stands inside of a method


@pytest.mark.parametrize(("name", "states"), [("CliffWalking-v0", range(37)), ("Taxi-v3", range(500))])
def test_the_rules_of_tables_are_exact(name: str, states: range) -> None:
    sim = simulator(name)
    (block,) = rules(name)
    for state, action in product(states, range(int(sim.action_space.high[0]) + 1)):
        if name == "CliffWalking-v0" and state // 12 == 3 and state > 36:
            continue
        sim.restore(np.array([float(state)]))
        after, reward, done, _ = sim.step(np.array([float(action)]))
        said = run(block, {"state": state, "action": action})
        assert (said["state"], said["reward"], said["done"]) == (int(after[0]), reward, done)


def test_what_is_likely_in_blackjack() -> None:
    rows = re.findall(r"^\| (?:Dealer's card|Least sum) \| (.*) \|$", told("Blackjack-v1"), re.MULTILINE)
    cards, least = ([int(cell) for cell in row.split(" | ")] for row in rows)
    scope: dict[str, Any] = {}
    exec(program("Blackjack-v1").source, scope)
    model = scope["Environment"]()
    for (card, bound), total in product(zip(cards, least, strict=True), range(12, 22)):
        model.set_state((total, card, 0))
        assert model.step(0)[1] == (1 if total >= bound else -1)
    for total in range(12, 22):
        model.set_state((total, 10, 0))
        assert model.step(1)[2] == (total >= 15)


def test_the_cards_and_the_dealer_of_blackjack() -> None:
    env = simulator("Blackjack-v1").env
    simulator("Blackjack-v1").reset(seed=0)
    drawn = []
    for _ in range(3000):
        env.player, env.dealer = [10, 9], [1, 6]  # a soft 17, at which the dealer stops
        assert simulator("Blackjack-v1").step(np.array([0.0]))[1] == 1
        assert env.dealer == [1, 6]
        env.player = [2, 2]
        simulator("Blackjack-v1").step(np.array([1.0]))
        drawn.append(env.player[-1])
    counts = np.bincount(drawn, minlength=11)[1:]
    np.testing.assert_allclose(counts / len(drawn), [1 / 13] * 9 + [4 / 13], atol=0.02)
