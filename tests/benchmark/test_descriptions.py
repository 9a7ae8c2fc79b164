"""What the descriptions say is true: all of it that a machine can check is held against the real environments."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pytest

from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.descriptions import checksum, contract, description, description_sets, facts
from cwmb.errors import CwmbError
from cwmb.sandbox.imports import ALLOWED
from cwmb.worlds import make
from cwmb.worlds.simulator import Simulator

IDS = environment_ids()
MUJOCO = tuple(name for name in IDS if name.endswith("-v4"))
HEADINGS = ["Environment", "Actions", "Observations", "Rewards", "Starting states", "End of an episode"]
HUMANOIDS = ("Humanoid-v4", "HumanoidStandup-v4")


@cache
def simulator(name: str) -> Simulator:
    return make(environment(name))


def section(name: str, heading: str) -> str:
    return description(name).split(f"\n## {heading}\n")[1].split("\n## ")[0]


def tables(text: str) -> list[list[dict[str, str]]]:
    """The Markdown tables of a text, each a list of rows {column: cell}."""
    found: list[list[dict[str, str]]] = []
    header: list[str] | None = None
    for line in text.splitlines():
        if not line.startswith("| ") and not line.startswith("|-"):
            header = None
        elif header is None:
            header = [cell.strip() for cell in line.strip("|").split("|")]
            found.append([])
        elif not line.startswith("|-"):
            found[-1].append(dict(zip(header, [cell.strip() for cell in line.strip("|").split("|")], strict=True)))
    return found


def indices(cell: str) -> list[int]:
    first, _, last = cell.partition("-")
    return list(range(int(first), int(last or first) + 1))


# --- form ---------------------------------------------------------------------------------------------------------


def test_every_environment_is_described_in_the_same_form():
    for name in IDS:
        text = description(name)
        assert text.startswith(f"# {name}\n\n## Environment\n")
        assert re.findall(r"^## (.*)$", text, re.M) == HEADINGS
        assert "+++" not in text


@pytest.mark.parametrize("name", IDS)
def test_every_fact_stands_in_the_text(name):
    text = description(name)
    numbers = [float(x) for x in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w])", text)]

    def check(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                check(item, f"{path}.{key}")
        elif isinstance(value, list):
            for item in value:
                check(item, path)
        elif not isinstance(value, str):
            assert any(math.isclose(abs(value), x, rel_tol=1e-6) for x in numbers), path

    check(facts(name), name)


def test_the_contract_states_the_class_and_the_limits():
    text = contract()
    for part in ("class Environment", "set_state", "step", "numpy", "float64", "64 KiB", "1 GiB", "5 s", "10 m"):
        assert part in text


def test_the_contract_allows_what_the_sandbox_allows():
    sentence = re.search(r"Allowed imports:(.*?)\.\s", contract(), re.S).group(1)
    named = set(re.findall(r"`(\w+)`", sentence))
    assert {"numpy", "math"} <= named <= ALLOWED


def test_the_checksum_covers_what_a_model_is_told():
    sums = {checksum(name) for name in IDS}
    assert len(sums) == len(IDS)
    assert all(re.fullmatch(r"[0-9a-f]{64}", s) for s in sums)


def test_unknown_names_are_refused():
    with pytest.raises(CwmbError, match=r"unknown environment 'Hoper-v4' \(did you mean 'Hopper-v4'\?\)"):
        description("Hoper-v4")
    with pytest.raises(CwmbError, match=r"unknown description set 'compete'.*default"):
        description("Hopper-v4", "compete")
    with pytest.raises(CwmbError, match="unknown environment 'contract'"):
        facts("contract")
    assert description_sets()[0] == "default"


# --- spaces -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", IDS)
def test_spaces(name):
    sim, stated = simulator(name), facts(name)
    for space, said, heading in (
        (sim.observation_space, stated["observation"], "Observations"),
        (sim.action_space, stated["action"], "Actions"),
    ):
        line = section(name, heading)
        assert space.kind == said["kind"]
        if space.kind == "discrete":
            assert (space.low, space.high) == ((0.0,), (said["n"] - 1.0,))
            assert "Type in the program: `int`" in line
        elif space.kind == "tuple":
            assert space.size == said["size"]
            assert f"Type in the program: a `tuple` of {space.size} `int`" in line
        else:
            assert space.size == said["size"]
            shape = f"({space.size},)"
            assert f"Type in the program: float64 vector of shape `{shape}`" in line
            if "low" in said:
                np.testing.assert_allclose(space.low, said["low"], rtol=1e-6)
                np.testing.assert_allclose(space.high, said["high"], rtol=1e-6)


@pytest.mark.parametrize("name", IDS)
def test_step_limit(name):
    registered = gymnasium.spec(environment(name).gymnasium_id).max_episode_steps
    assert facts(name).get("step_limit") == registered
    end = section(name, "End of an episode")
    assert ("There is no time limit." if registered is None else f"after {registered} steps") in end


@pytest.mark.parametrize("name", IDS)
def test_tables_of_elements_cover_the_spaces(name):
    sim = simulator(name)
    for space, heading in ((sim.action_space, "Actions"), (sim.observation_space, "Observations")):
        found = tables(section(name, heading))
        if space.kind == "discrete":
            if heading == "Actions":
                assert [row["Value"] for row in found[0]] == [str(i) for i in range(int(space.high[0]) + 1)]
            continue
        assert [i for row in found[0] for i in indices(row["Index"])] == list(range(space.size))
        for row in found[0]:
            for i in indices(row["Index"]):
                np.testing.assert_allclose(float(row["Min"]), space.low[i], rtol=1e-6)
                np.testing.assert_allclose(float(row["Max"]), space.high[i], rtol=1e-6)


# --- MuJoCo: joints, time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MUJOCO)
def test_the_joint_of_each_action(name):
    model = simulator(name).env.model
    joints = [model.joint(model.actuator_trnid[a, 0]).name for a in range(model.nu)]
    assert [row["Joint"] for row in tables(section(name, "Actions"))[0]] == joints


def positions_and_velocities(model: Any, unseen: int) -> list[str]:
    """The joint of each seen position and of each velocity, in their order."""
    widths = {0: (7, 6), 1: (4, 3), 2: (1, 1), 3: (1, 1)}
    joints = [(model.joint(j).name, widths[int(model.jnt_type[j])]) for j in range(model.njnt)]
    positions = [joint for joint, (q, _) in joints for _ in range(q)]
    return positions[unseen:] + [joint for joint, (_, v) in joints for _ in range(v)]


@pytest.mark.parametrize("name", [n for n in MUJOCO if n not in HUMANOIDS])
def test_the_joint_of_each_observation(name):
    sim = simulator(name)
    said = [row["Joint"] for row in tables(section(name, "Observations"))[0]]
    if name == "InvertedDoublePendulum-v4":
        expected = ["slider", *["hinge", "hinge2"] * 2, *["slider", "hinge", "hinge2"] * 2]
    elif name == "Reacher-v4":
        expected = [*["joint0", "joint1"] * 2, "target_x", "target_y", "joint0", "joint1", *["-"] * 3]
    elif name == "Pusher-v4":
        arm = [sim.env.model.joint(j).name for j in range(7)]
        expected = [*arm, *arm, *"---", "obj_slidex", "obj_slidey", "-", "goal_slidex", "goal_slidey", "-"]
    else:
        expected = positions_and_velocities(sim.env.model, sim.unseen)
    assert said == expected


@pytest.mark.parametrize("name", HUMANOIDS)
def test_where_the_numbers_of_a_humanoid_stand(name):
    sim = simulator(name)
    model, data = sim.env.model, sim.env.data
    blocks, joints, bodies = tables(section(name, "Observations"))
    seen = positions_and_velocities(model, 2)
    hinges = [model.joint(j).name for j in range(1, model.njnt)]
    assert [row["Joint"] for row in joints] == hinges
    assert seen[5:22] == hinges
    assert seen[28:45] == hinges
    assert [row["Body"] for row in bodies] == [model.body(b).name for b in range(model.nbody)]

    rng = np.random.default_rng(0)
    sim.reset(seed=0)
    for _ in range(30):
        observation, *_ = sim.step(rng.uniform(-0.4, 0.4, 17))
    assert np.abs(data.cfrc_ext).max() > 1  # it touches the floor, so that the blocks can be told apart
    for j, row in enumerate(joints):
        assert observation[int(row["Angle"])] == data.qpos[7 + j]
        assert observation[int(row["Angular velocity"])] == data.qvel[6 + j]
        assert observation[int(row["qfrc_actuator"])] == data.qfrc_actuator[6 + j]
    for b, row in enumerate(bodies):
        for quantity in ("cinert", "cvel", "cfrc_ext"):
            np.testing.assert_array_equal(observation[indices(row[quantity])], getattr(data, quantity)[b])
    np.testing.assert_array_equal(observation[269:275], data.qfrc_actuator[:6])
    for row in blocks:
        block = row["Meaning"].split(":")[0]
        if block in ("cinert", "cvel", "qfrc_actuator", "cfrc_ext"):
            np.testing.assert_array_equal(observation[indices(row["Index"])], getattr(data, block).ravel())
    world = [i for quantity in ("cinert", "cvel", "cfrc_ext") for i in indices(bodies[0][quantity])]
    assert not observation[world].any()


@pytest.mark.parametrize("name", MUJOCO)
def test_duration_of_a_step(name):
    env = simulator(name).env
    for key, value in facts(name).get("time", {}).items():
        actual = env.model.opt.timestep if key == "timestep" else getattr(env, key)
        assert actual == pytest.approx(value, rel=1e-12)


# --- what a step does ---------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """One transition of the real environment; before and after are measured on the simulator."""

    observation: np.ndarray
    action: np.ndarray
    next_observation: np.ndarray
    reward: float
    terminated: bool
    x_before: float
    x_after: float
    env: Any


def x_position(name: str, env: Any) -> float:
    """The coordinate whose change is rewarded."""
    if name == "Humanoid-v4":
        masses = env.model.body_mass
        return float(masses @ env.data.xipos[:, 0] / masses.sum())
    if name == "Ant-v4":
        return float(env.data.body("torso").xpos[0])
    return float(env.data.qpos[0]) if name in MUJOCO else 0.0


# Observations near an end or a rare reward, where random actions do not get.
NEAR = {
    "MountainCar-v0": [[0.48, 0.03], [0.45, 0.06]],
    "Acrobot-v1": [[-1.0, 0.0, 1.0, 0.0, 1.0, 0.0], [-0.5, 0.8660254, 0.9, 0.4358899, 2.0, 1.0]],
}


def steps(name: str, count: int = 400) -> list[Step]:
    """Transitions under random actions, with a reset every 50 steps and at each end."""
    sim = simulator(name)
    rng = np.random.default_rng(1)
    low, high = np.array(sim.action_space.low), np.array(sim.action_space.high)
    found, observation = [], sim.reset(seed=1)
    for i in range(count):
        if i % 50 == 0 or found[-1].terminated:
            observation = sim.reset()
            if name in NEAR and rng.random() < 0.5:
                observation = np.array(NEAR[name][rng.integers(len(NEAR[name]))])
                sim.restore(observation)
        action = rng.uniform(low, high).astype(np.float32).astype(np.float64)
        if sim.action_space.kind == "discrete":
            action = rng.integers(low, high + 1).astype(np.float64)
        before = x_position(name, sim.env)
        after, reward, terminated, _ = sim.step(action)
        x = x_position(name, sim.env)
        found.append(Step(observation, action, after, reward, terminated, before, x, sim.env))
        observation = after
        if name == "InvertedDoublePendulum-v4":
            found[-1] = found[-1]._replace(env=sim.env.data.site_xpos[0].copy())
        if name == "HumanoidStandup-v4":
            found[-1] = found[-1]._replace(env=sim.env.data.cfrc_ext.copy())
    return found


def forward(said: dict[str, Any], step: Step) -> float:
    """The reward of the runners: forward and healthy less control."""
    reward, dt = said["reward"], said["time"]["dt"]
    return (
        reward.get("healthy_reward", 0.0)
        + reward.get("forward_reward_weight", 1.0) * (step.x_after - step.x_before) / dt
        - reward["ctrl_cost_weight"] * np.square(step.action).sum()
    )


def double_pendulum_reward(said: dict[str, Any], step: Step) -> float:
    reward, (x, _, y) = said["reward"], step.env
    v1, v2 = step.next_observation[6:8]
    return (
        reward["alive_bonus"]
        - (reward["x_weight"] * x**2 + (y - reward["target_height"]) ** 2)
        - (reward["velocity_weight_1"] * v1**2 + reward["velocity_weight_2"] * v2**2)
    )


def pendulum_reward(said: dict[str, Any], step: Step) -> float:
    x, y, velocity = step.observation
    weights = said["reward"]
    return -(
        np.arctan2(y, x) ** 2
        + weights["velocity_weight"] * velocity**2
        + weights["torque_weight"] * step.action[0] ** 2
    )


def reacher_reward(said: dict[str, Any], step: Step) -> float:
    return -np.linalg.norm(step.observation[8:11]) - np.square(step.action).sum()


def pusher_reward(said: dict[str, Any], step: Step) -> float:
    tip, thing, goal = step.observation[14:17], step.observation[17:20], step.observation[20:23]
    return (
        -np.linalg.norm(thing - goal)
        - said["reward"]["control_weight"] * np.square(step.action).sum()
        - said["reward"]["near_weight"] * np.linalg.norm(thing - tip)
    )


def standup_reward(said: dict[str, Any], step: Step) -> float:
    reward, frame = said["reward"], simulator("HumanoidStandup-v4").env.model.opt.timestep
    impact = min(reward["impact_cost_weight"] * np.square(step.env).sum(), reward["impact_cost_max"])
    control = reward["ctrl_cost_weight"] * np.square(step.action).sum()
    return step.next_observation[0] / frame + reward["constant"] - control - impact


def constant_reward(said: dict[str, Any], step: Step) -> float:
    return said["reward"]["step"]


REWARDS = {
    "CartPole-v1": constant_reward,
    "MountainCar-v0": constant_reward,
    "Acrobot-v1": lambda said, step: said["reward"]["goal" if step.terminated else "step"],
    "Pendulum-v1": pendulum_reward,
    "InvertedPendulum-v4": constant_reward,
    "InvertedDoublePendulum-v4": double_pendulum_reward,
    "Reacher-v4": reacher_reward,
    "Pusher-v4": pusher_reward,
    "HumanoidStandup-v4": standup_reward,
    **dict.fromkeys(("HalfCheetah-v4", "Hopper-v4", "Walker2d-v4", "Swimmer-v4", "Ant-v4", "Humanoid-v4"), forward),
}


def between(value: float, bounds: list[float]) -> bool:
    return bounds[0] <= value <= bounds[1]


# Whether the episode goes on, as the section "End of an episode" says; the others never terminate.
GOES_ON = {
    "CartPole-v1": lambda end, step: (
        abs(step.next_observation[0]) <= end["x_threshold"]
        and abs(step.next_observation[2]) <= end["theta_threshold_radians"]
    ),
    "MountainCar-v0": lambda end, step: step.next_observation[0] < end["goal_position"],
    "Acrobot-v1": lambda end, step: (
        -step.next_observation[0] - math.cos(sum(math.atan2(*step.next_observation[[i + 1, i]]) for i in (0, 2)))
        <= end["height"]
    ),
    "InvertedPendulum-v4": lambda end, step: abs(step.next_observation[1]) <= end["angle"],
    "InvertedDoublePendulum-v4": lambda end, step: step.env[2] > end["tip_height"],
    "Hopper-v4": lambda end, step: (
        all(between(x, end["healthy_state_range"]) for x in step.next_observation[1:])
        and step.next_observation[0] > end["healthy_z_min"]
        and between(step.next_observation[1], end["healthy_angle_range"])
    ),
    "Walker2d-v4": lambda end, step: (
        between(step.next_observation[0], end["healthy_z_range"])
        and between(step.next_observation[1], end["healthy_angle_range"])
    ),
    "Ant-v4": lambda end, step: between(step.next_observation[0], end["healthy_z_range"]),
    "Humanoid-v4": lambda end, step: between(step.next_observation[0], end["healthy_z_range"]),
}


@pytest.mark.parametrize("name", REWARDS)
def test_reward_and_end_of_each_step(name):
    said = facts(name)
    found = steps(name)
    rewards = [REWARDS[name](said, step) for step in found]
    np.testing.assert_allclose([step.reward for step in found], rewards, rtol=1e-5, atol=1e-6)
    if name in GOES_ON:
        ends = [not GOES_ON[name](said["end"], step) for step in found]
        assert [step.terminated for step in found] == ends
        if name != "Ant-v4":  # it takes long to jump or to fall so far
            assert any(ends)
    else:
        assert not any(step.terminated for step in found)
        assert "`done` is always False" in section(name, "End of an episode")


@pytest.mark.parametrize("name", IDS)
def test_constants_of_the_environment(name):
    """Facts named like an attribute of Gymnasium's class have its value."""
    env, said = simulator(name).env, facts(name)
    for group in ("reward", "end", "dynamics"):
        for key, value in said.get(group, {}).items():
            for attribute in (key, f"_{key}"):
                if attribute in vars(env):
                    np.testing.assert_allclose(getattr(env, attribute), value, rtol=1e-12)


# --- the small ones -----------------------------------------------------------------------------------------------


def test_cliff_walking_table():
    said, env = facts("CliffWalking-v0"), simulator("CliffWalking-v0").env
    grid = said["grid"]
    assert env.shape == (grid["rows"], grid["columns"])
    cliff = [(3, column) for column in range(grid["cliff_first"], grid["cliff_last"] + 1)]
    assert [tuple(map(int, cell)) for cell in np.argwhere(env._cliff)] == cliff
    assert env.start_state_index == said["start"]["state"]
    for state in range(37):
        for outcomes in env.P[state].values():
            ((_, following, reward, terminated),) = outcomes
            fell = reward == said["reward"]["fall"]
            assert fell or reward == said["reward"]["step"]
            assert terminated == (following == said["end"]["state"])
            assert not fell or following == said["start"]["state"]


def test_taxi_table():
    said, env = facts("Taxi-v3"), simulator("Taxi-v3").env
    desc = "\n".join(b"".join(row).decode() for row in env.desc)
    assert desc in description("Taxi-v3")
    reward = said["reward"]
    reached = set(np.flatnonzero(env.initial_state_distrib))
    assert len(reached) == said["states"]["initial"]
    open_states, rewards = list(reached), set()
    while open_states:
        for outcomes in env.P[open_states.pop()].values():
            ((_, following, value, terminated),) = outcomes
            rewards.add(value)
            assert terminated == (value == reward["delivery"])
            if following not in reached:
                reached.add(following)
                if not terminated:
                    open_states.append(following)
    assert rewards == set(reward.values())
    assert len(reached) == said["states"]["reachable"]


def test_blackjack_rules():
    said, sim = facts("Blackjack-v1"), simulator("Blackjack-v1")
    start, rules = said["start"], said["rules"]
    rng = np.random.default_rng(0)
    sums, dealers, rewards = set(), set(), set()
    sim.reset(seed=0)
    for _ in range(2000):
        observation = sim.reset()
        sums.add(observation[0])
        dealers.add(observation[1])
        terminated = False
        while not terminated:
            hit = rng.random() < 0.4
            observation, reward, terminated, _ = sim.step(np.array([float(hit)]))
            if hit:
                assert terminated == (observation[0] > rules["highest"])
            else:
                assert terminated
                hand = sim.env.dealer
                assert sum(hand) + 10 * (1 in hand and sum(hand) <= 11) >= rules["dealer_stands"]
            rewards.add(reward)
    assert sums == set(range(start["sum_min"], start["sum_max"] + 1))
    assert dealers == set(range(start["dealer_min"], start["dealer_max"] + 1))
    assert rewards == {said["reward"][key] for key in ("win", "draw", "lose")}


def test_mountain_car_dynamics():
    said, sim = facts("MountainCar-v0")["dynamics"], simulator("MountainCar-v0")
    rng = np.random.default_rng(0)
    for _ in range(200):
        start = rng.uniform([-1.2, -0.07], [0.5, 0.07])
        action = rng.integers(3)
        velocity = start[1] + (action - 1) * said["force"] - math.cos(3 * start[0]) * said["gravity"]
        velocity = np.clip(velocity, -said["max_speed"], said["max_speed"])
        position = np.clip(start[0] + velocity, said["min_position"], said["max_position"])
        if position == said["min_position"]:
            velocity = 0.0
        sim.restore(start)
        observation, *_ = sim.step(np.array([float(action)]))
        np.testing.assert_allclose(observation, [position, velocity], rtol=1e-5, atol=1e-7)


def test_constants_of_acrobot_and_pendulum():
    acrobot, said = simulator("Acrobot-v1").env, facts("Acrobot-v1")["dynamics"]
    assert said["torques"] == list(acrobot.AVAIL_TORQUE)
    assert said["max_velocity_1"] == acrobot.MAX_VEL_1
    assert said["max_velocity_2"] == acrobot.MAX_VEL_2
    assert acrobot.book_or_nips == "book"
    pendulum = facts("Pendulum-v1")
    speed, torque = pendulum["dynamics"]["max_speed"], pendulum["action"]["high"]
    least = pendulum_reward(pendulum, Step(np.array([-1, 0, speed]), np.array([torque]), *[None] * 6))
    assert least == pytest.approx(pendulum["reward"]["lowest"], abs=1e-7)


def test_bodies_of_swimmer_and_double_pendulum():
    said, model = facts("Swimmer-v4")["body"], simulator("Swimmer-v4").env.model
    assert said["links"] == model.nbody - 1
    np.testing.assert_allclose(2 * model.geom_size[1:, 1], said["length"])
    assert said["viscosity"] == model.opt.viscosity
    env = simulator("InvertedDoublePendulum-v4").env
    env.set_state(np.zeros(3), np.zeros(3))
    greatest = facts("InvertedDoublePendulum-v4")["end"]["greatest_height"]
    assert env.data.site_xpos[0, 2] == pytest.approx(greatest)


# --- starts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MUJOCO)
def test_starting_states_of_mujoco(name):
    said, sim = facts(name)["start"], simulator(name)
    env = sim.env
    rest = env.model.qpos0
    positions, velocities = [], []
    sim.reset(seed=0)
    for _ in range(200):
        sim.reset()
        positions.append(env.data.qpos - rest)
        velocities.append(env.data.qvel.copy())
    q, v = np.array(positions), np.array(velocities)
    if "height" in said:
        assert rest[2 if env.model.nq > env.model.nv else 1] == said["height"]
    if name == "Reacher-v4":
        targets = np.linalg.norm(q[:, 2:] + rest[2:], axis=1)
        assert 0.95 * said["target_radius"] < targets.max() <= said["target_radius"]
        q, v = q[:, :2], v[:, :2]
    if name == "Pusher-v4":
        goal, thing = env.data.body("goal").xpos, env.data.body("object").xpos
        np.testing.assert_allclose(goal, said["goal"])
        offset = env.data.qpos[7:9][::-1]
        np.testing.assert_allclose((thing - goal)[:2], offset, atol=1e-12)
        for column, key in ((8, "object_x_offset"), (7, "object_y_offset")):
            low, high = said[key]
            assert low <= q[:, column].min() < low + 0.03
            assert high - 0.03 < q[:, column].max() <= high
        nearest = np.linalg.norm(q[:, 7:9], axis=1).min()
        assert said["least_distance"] < nearest < said["least_distance"] + 0.01
        assert not q[:, :7].any()
        v = v[:, :7]
    if "position_noise" in said:
        uniform(q, said["position_noise"])
    if "velocity_noise" in said:
        uniform(v, said["velocity_noise"])
    if "velocity_std" in said:
        assert v.std() == pytest.approx(said["velocity_std"], rel=0.1)
        assert np.abs(v).max() > 2 * said["velocity_std"]


@pytest.mark.parametrize("name", ["CartPole-v1", "MountainCar-v0", "Acrobot-v1", "Pendulum-v1"])
def test_starting_states_of_classic_control(name):
    said, sim = facts(name)["start"], simulator(name)
    sim.reset(seed=0)
    states = []
    for _ in range(200):
        sim.reset()
        states.append(np.array(sim.env.state, dtype=np.float64))
    found = np.array(states)
    if "noise" in said:
        uniform(found, said["noise"])
    elif name == "MountainCar-v0":
        low, high = said["position_low"], said["position_high"]
        uniform(found[:, 0] - (low + high) / 2, (high - low) / 2)
        assert not (found[:, 1] - said["velocity"]).any()
    else:
        uniform(found[:, 0], said["angle"])
        uniform(found[:, 1], said["velocity"])


def uniform(sample: np.ndarray, bound: float) -> None:
    """The sample fills [-bound, bound] as a uniform one does."""
    assert 0.95 * bound < np.abs(sample).max() <= bound * (1 + 1e-6)
    assert sample.std() == pytest.approx(bound / math.sqrt(3), rel=0.1)
