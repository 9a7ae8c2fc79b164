"""What the descriptions say is true: all of it that a machine can check is held against the real environments."""

from __future__ import annotations

import math
import re
import shutil
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pytest

from cwmb.benchmark import descriptions
from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.data import data_path
from cwmb.benchmark.descriptions import contract, description, description_sets, facts
from cwmb.benchmark.suites import told_sha256
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


@pytest.mark.parametrize("chosen", ["default", "anonymous", "paper"])
def test_every_environment_is_described_in_the_same_form(chosen):
    for name in IDS:
        text = description(name, chosen)
        title = name if chosen == "default" else "The environment"
        assert text.startswith(f"# {title}\n\n## Environment\n")
        assert re.findall(r"^## (.*)$", text, re.M) == HEADINGS
        assert not re.search(r"\+\+\+|\{[-+@]|[-+@]\}", text)
        assert not re.search(r"\n{3}| \n|\S {2,}\S", text)  # dropped parts leave no holes


@pytest.mark.parametrize("chosen", ["anonymous", "paper"])
def test_a_nameless_description_names_nothing(chosen):
    for name in IDS:
        text = description(name, chosen)
        assert not re.search(r"-v\d|\(\d{4}\)|Sutton|Barto|is due to|Example \d", text), name
        assert name.split("-")[0] not in text or name == "Blackjack-v1"


def test_what_the_paper_does_not_say_is_dropped_and_nothing_is_added_but_placeholders():
    for name in IDS:
        whole, less = (set(re.findall(r"[\d.]*\d", description(name, chosen))) for chosen in ("anonymous", "paper"))
        assert less <= whole
    assert "gravity" in description("MountainCar-v0")
    assert "gravity" not in description("MountainCar-v0", "paper")
    assert "is no natural" not in description("Blackjack-v1", "paper")
    assert "`observation[0]` is in a fixed range" in description("Hopper-v4", "paper")


def test_marks_are_whole():
    for name in IDS:
        text = data_path("descriptions", f"{name}.md").read_text(encoding="utf-8")
        for sign in "@+-":
            opened, closed = text.count("{" + sign), text.count(sign + "}")
            assert opened == closed, (name, sign)
            assert len(re.findall(rf"\{{\{sign}.*?\{sign}\}}", text, re.DOTALL)) == opened


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


def test_the_contract_of_suites_with_unknowns_has_a_method_that_learns():
    assert contract(fit=True).startswith(contract())
    for part in ("def fit(self, observations, actions, rewards, next_observations, terminated)", "16 MiB", "60 s"):
        assert part in contract(fit=True)
        assert part not in contract()
    known = environment("CartPole-v1")
    assert told_sha256(replace(known, fit=True)) != told_sha256(known)


def test_the_contract_states_the_class_and_the_limits():
    text = contract()
    for part in ("class Environment", "set_state", "step", "numpy", "float64", "64 KiB", "1 GiB", "5 s", "50 m"):
        assert part in text


def test_the_contract_allows_what_the_sandbox_allows():
    sentence = re.search(r"Allowed imports:(.*?)\.\s", contract(), re.S).group(1)
    named = set(re.findall(r"`(\w+)`", sentence))
    assert {"numpy", "math"} <= named <= ALLOWED


def test_the_checksum_covers_what_a_model_is_told():
    sums = {told_sha256(environment(name)) for name in IDS}
    assert len(sums) == len(IDS)
    assert all(re.fullmatch(r"[0-9a-f]{64}", s) for s in sums)


def test_unknown_names_are_refused():
    with pytest.raises(CwmbError, match=r"unknown environment 'Hoper-v4' \(did you mean 'Hopper-v4'\?\)"):
        description("Hoper-v4")
    with pytest.raises(CwmbError, match=r"unknown description set 'compete'.*default"):
        description("Hopper-v4", "compete")
    with pytest.raises(CwmbError, match="unknown environment 'contract'"):
        facts("contract")
    assert description_sets() == ("default", "anonymous", "paper", "complete")


def test_a_set_that_does_not_cover_an_environment_says_so(tmp_path, monkeypatch):
    shutil.copytree(data_path("descriptions"), tmp_path / "descriptions")
    (tmp_path / "descriptions" / "mine").mkdir()
    (tmp_path / "descriptions" / "mine" / "Ant-v4.md").write_text("## Mine\n")
    monkeypatch.setattr(descriptions, "data_path", lambda *parts: tmp_path.joinpath(*parts))
    description.cache_clear()
    assert description("Ant-v4", "mine") == description("Ant-v4") + "\n## Mine\n"
    with pytest.raises(CwmbError, match="'mine' has no text for environment 'Taxi-v3'; it covers: Ant-v4"):
        description("Taxi-v3", "mine")
    description.cache_clear()


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


@pytest.mark.parametrize("name", ["Reacher-v4", "Pusher-v4"])
def test_distances_that_are_rewarded_are_those_before_the_step(name):
    assert "of the state *before* the step" in section(name, "Rewards")
    found, said = steps(name, 50), facts(name)
    moved = [s for s in found if np.abs(s.next_observation - s.observation)[8:17].max() > 1e-3]
    assert len(moved) > 20
    for step in moved:  # the formula that the other test holds against all steps is wrong for the state after it
        after = step._replace(observation=step.next_observation)
        assert abs(REWARDS[name](said, step) - step.reward) < 1e-6
        assert abs(REWARDS[name](said, after) - step.reward) > 1e-5


@pytest.mark.parametrize(
    ("name", "exclusive"), [("Hopper-v4", True), ("Walker2d-v4", True), ("Humanoid-v4", True), ("Ant-v4", False)]
)
def test_whether_the_bounds_count_as_healthy(name, exclusive):
    assert ("exclusive" in section(name, "End of an episode") or "excluded" in description(name)) == exclusive
    env, end = simulator(name).env, facts(name)["end"]
    simulator(name).reset(seed=0)
    lowest = end.get("healthy_z_min") or end["healthy_z_range"][0]
    height = 2 if name in ("Ant-v4", "Humanoid-v4") else 1
    positions, velocities = env.init_qpos.copy(), env.init_qvel.copy()
    for value, healthy in ((lowest, not exclusive), (lowest + 1e-9, True), (lowest - 1e-9, False)):
        positions[height] = value
        env.set_state(positions, velocities)
        assert bool(env.is_healthy) == healthy


# Whether the episode goes on, as the section "End of an episode" says; the others never terminate.
GOES_ON = {
    "CartPole-v1": lambda end, step: (
        abs(step.next_observation[0]) <= end["x_threshold"]
        and abs(step.next_observation[2]) <= end["theta_threshold_radians"]
    ),
    "MountainCar-v0": lambda end, step: step.next_observation[0] < end["goal_position"] or step.next_observation[1] < 0,
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


@pytest.mark.parametrize("name", MUJOCO)
def test_what_an_action_is(name):
    gears = simulator(name).env.model.actuator_gear[:, 0]
    text, units = section(name, "Actions"), {row["Unit"] for row in tables(section(name, "Actions"))[0]}
    if name == "Pusher-v4":
        assert set(gears) == {1.0}
        assert "a gear of 1" in text
        assert units == {"torque (N m)"}
    else:
        assert min(gears) > 1
        assert "a number without unit" in text
        assert "times the motor's gear" in " ".join(text.split())
        assert units == {"-"}


@pytest.mark.parametrize("name", MUJOCO)
def test_velocities_that_are_clipped_are_said_to_be(name):
    clip = facts(name).get("observation_clip", {}).get("velocity")
    text = section(name, "Observations")
    assert ("velocities are clipped to [-10, 10]" in " ".join(text.split())) == (clip is not None)
    sim = simulator(name)
    data, model = sim.env.data, sim.env.model
    sim.reset(seed=0)
    sim.env.set_state(data.qpos.copy(), np.full(model.nv, 30.0))
    observation = sim.env._get_obs() if hasattr(sim.env, "_get_obs") else None
    fastest = np.abs(observation).max()
    assert fastest == pytest.approx(clip) if clip else fastest >= 30


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
    env = sim.env
    for player, dealer, key in (
        ([1, 10], [10, 5, 6], "natural_against_drawn_21"),
        ([10, 1], [10, 1], "natural_against_natural"),
        ([1, 5, 5], [10, 1], "drawn_21_against_natural"),
        ([10, 5, 6], [1, 10], "drawn_21_against_natural"),
    ):
        sim.reset()
        env.player, env.dealer = list(player), list(dealer)
        assert sim.step(np.array([0.0]))[1:3] == (rules[key], True)
    registered = gymnasium.spec("Blackjack-v1").kwargs
    assert all(f"`{key}={value}`" in description("Blackjack-v1") for key, value in registered.items())
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
        if position == said["min_position"] and velocity < 0:
            velocity = 0.0
        sim.restore(start)
        observation, *_ = sim.step(np.array([float(action)]))
        np.testing.assert_allclose(observation, [position, velocity], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("start", "after", "terminated"),
    [
        ([-1.18, -0.06], [-1.2, 0.0], False),  # the left wall stops the car
        ([0.58, 0.06], [0.6, 0.0616], True),  # the right end does not
        ([0.59, -0.03], [0.5609, -0.0291], False),  # past the flag, moving back
    ],
)
def test_where_the_velocity_of_the_mountain_car_is_set_to_0(start, after, terminated):
    sim = simulator("MountainCar-v0")
    sim.restore(np.array(start))
    observation, _, done, _ = sim.step(np.array([2.0]))
    np.testing.assert_allclose(observation, after, atol=1e-3)
    assert done == terminated


def test_dropping_a_passenger_off_at_another_landmark():
    assert "marked cell that is not the destination" in section("Taxi-v3", "Rewards")
    sim, said = simulator("Taxi-v3"), facts("Taxi-v3")["reward"]

    def drop(row, column, destination):
        sim.restore(np.array([float(((row * 5 + column) * 5 + 4) * 4 + destination)]))
        observation, reward, done, _ = sim.step(np.array([5.0]))
        return int(observation[0]) // 4 % 5, reward, done

    assert drop(0, 0, 1) == (0, said["step"], False)
    assert drop(4, 3, 0) == (3, said["step"], False)
    assert drop(0, 4, 1) == (1, said["delivery"], True)
    assert drop(2, 2, 1) == (4, said["illegal"], False)


def test_a_move_off_the_grid_or_onto_the_cliff():
    sim = simulator("CliffWalking-v0")
    for state, action, after, reward in ((0, 0, 0, -1), (0, 3, 0, -1), (36, 2, 36, -1), (36, 1, 36, -100)):
        sim.restore(np.array([float(state)]))
        assert sim.step(np.array([float(action)]))[:3] == (np.array([float(after)]), reward, False)


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


def test_masses_of_the_ant():
    said, model = facts("Ant-v4")["body"], simulator("Ant-v4").env.model
    masses = {"torso": [model.body("torso").mass[0]], "upper": [], "lower": []}
    for body in range(2, model.nbody):
        masses["upper" if model.body(body).name else "lower"].append(model.body_mass[body])
    assert [len(m) for m in masses.values()] == [1, 8, 4]
    for part, found in masses.items():
        np.testing.assert_allclose(found, said[f"{part}_mass"], rtol=1e-7)


def test_the_place_of_the_swimmer_and_the_height_of_the_cheetah():
    sim, said = simulator("Swimmer-v4"), facts("Swimmer-v4")["body"]
    env, model = sim.env, sim.env.model
    env.set_state(np.array([0.3, -0.2, 0.5, 0.4, 0.1]), np.zeros(5))
    origin, ahead = np.array([0.3, -0.2]), np.array([math.cos(0.5), math.sin(0.5)])
    front = model.geom_bodyid.tolist().index(model.body("torso").id)
    tip = env.data.geom_xpos[front, :2] + model.geom_size[front, 1] * ahead
    np.testing.assert_allclose(tip, origin + said["tip_ahead"] * ahead, atol=1e-9)
    np.testing.assert_allclose(
        env.data.joint("motor1_rot").xanchor[:2], origin + said["rotor_ahead"] * ahead, atol=1e-9
    )
    cheetah = simulator("HalfCheetah-v4").env
    cheetah.set_state(np.zeros(9), np.zeros(9))
    assert cheetah._get_obs()[0] == 0
    assert cheetah.data.body("torso").xpos[2] == pytest.approx(facts("HalfCheetah-v4")["body"]["rest_height"])


def test_constraint_forces_and_bonus_of_the_double_pendulum():
    sim, said = simulator("InvertedDoublePendulum-v4"), facts("InvertedDoublePendulum-v4")
    rng, forces, last = np.random.default_rng(0), [], []
    for _ in range(40):
        side = rng.choice([-1.0, 1.0])
        sim.restore(np.array([side * 0.97, 0, 0, 1, 1, side * rng.uniform(0, 5), 0, 0, 0, 0, 0], dtype=np.float64))
        terminated, action = False, rng.choice([-1.0, 1.0], 1)
        while not terminated:
            observation, reward, terminated, _ = sim.step(action)
            forces.append(observation[8:])
        observation[5:8] = sim.env.data.qvel  # the penalty is on velocities that are not clipped
        step = Step(None, action, observation, reward, True, 0, 0, sim.env.data.site_xpos[0].copy())
        last.append(reward - double_pendulum_reward(said, step))
    found = np.array(forces)
    assert np.abs(found[:, 0]).max() == said["observation_clip"]["force"]
    assert (found[:, 0] == 0).any()
    assert not found[:, 1:].any()
    np.testing.assert_allclose(last, 0, atol=1e-9)


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
