"""Programs as Gymnasium environments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import cwmb
from cwmb.api.world_model import WorldModel
from cwmb.errors import CwmbError
from cwmb.reference import program
from cwmb.sandbox.stepping import ProgramFailed

COIN = """
import random
class Environment:
    def set_state(self, observation):
        self.state = observation
    def step(self, action):
        self.state = self.state + random.random()
        return self.state, random.random(), False
"""
FAILING = """
class Environment:
    def set_state(self, observation):
        self.taken = 0
        self.state = observation
    def step(self, action):
        self.taken += 1
        if self.taken > 2:
            {what}
        return self.state, 1.0, False
"""


@pytest.fixture
def pendulum() -> Iterator[WorldModel]:
    env = cwmb.load_world_model(program("Pendulum-v1"), "Pendulum-v1")
    yield env
    env.close()


@pytest.mark.parametrize("name", ["Blackjack-v1", "CartPole-v1", "Taxi-v3", "Pendulum-v1", "Reacher-v4"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # of unbounded spaces, which are the original's
def test_gymnasium_s_checker_passes(name: str) -> None:
    cwmb.register_envs()
    env = gymnasium.make(f"cwmb/{name}-reference")
    check_env(env.unwrapped)
    env.close()


@pytest.mark.torture
@pytest.mark.parametrize("name", cwmb.environments())
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gymnasium_s_checker_passes_everywhere(name: str) -> None:
    env = cwmb.load_world_model(program(name), name)
    check_env(env)
    env.close()


def test_a_right_program_goes_where_the_real_environment_goes(pendulum: WorldModel) -> None:
    real = gymnasium.make("Pendulum-v1")
    here, there = pendulum.reset(seed=7)[0], real.reset(seed=7)[0]
    assert (here == there).all()
    real.action_space.seed(0)
    for _ in range(50):
        action = real.action_space.sample()
        here, there = pendulum.step(action), real.step(action)
        np.testing.assert_allclose(here[0], there[0], atol=1e-4)
        assert here[1] == pytest.approx(there[1], abs=1e-3)
        assert here[2:4] == there[2:4] == (False, False)


def test_an_episode_is_truncated_at_the_step_limit(pendulum: WorldModel) -> None:
    pendulum.reset(seed=0)
    flags = [pendulum.step(np.zeros(1))[2:4] for _ in range(200)]
    assert flags[:-1] == [(False, False)] * 199
    assert flags[-1] == (False, True)


def test_an_episode_ends_where_the_program_says_so() -> None:
    env = cwmb.load_world_model(program("CartPole-v1"), "CartPole-v1")
    env.reset(seed=0)
    ends = [env.step(1)[2] for _ in range(12)]
    assert ends.index(True) < 11
    env.close()


def episode(env: Any, seed: int | None) -> list[float]:
    observation, _ = env.reset(seed=seed)
    return [*observation, *(env.step(0)[1] for _ in range(3))]


def test_what_a_program_draws_follows_from_the_seed_and_differs_between_episodes() -> None:
    env, other = (cwmb.load_world_model(COIN, "CartPole-v1") for _ in range(2))
    first, second = episode(env, 3), episode(env, None)
    assert first[4:] != second[4:]
    assert [episode(other, 3), episode(other, None)] == [first, second]
    assert episode(env, 4)[4:] != first[4:]
    assert episode(env, 3) == first
    for each in (env, other):
        each.close()


def test_wrappers_count_and_vectors_step_in_this_process_and_in_others() -> None:
    cwmb.register_envs()
    env = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make("cwmb/CartPole-v1-reference"))
    env.reset(seed=0)
    while True:
        *_, terminated, truncated, info = env.step(0)
        if terminated or truncated:
            break
    assert info["episode"]["r"] == info["episode"]["l"] > 5
    env.close()
    said = []
    for mode in ("sync", "async"):
        vector = gymnasium.make_vec("cwmb/Pendulum-v1-reference", 2, mode)
        vector.reset(seed=5)
        said.append(vector.step(np.zeros((2, 1), np.float32))[0])
        vector.close()
    assert (said[0] == said[1]).all()


def test_there_is_nothing_to_see_so_that_no_video_can_be_recorded(tmp_path: Path) -> None:
    cwmb.register_envs()
    env = gymnasium.make("cwmb/CartPole-v1-reference")
    with pytest.raises(ValueError, match="Render mode is None"):
        gymnasium.wrappers.RecordVideo(env, str(tmp_path))
    env.close()
    with pytest.raises(CwmbError, match="draws nothing"):
        gymnasium.make("cwmb/CartPole-v1-reference", render_mode="rgb_array")


def test_stable_baselines3_trains_inside_one() -> None:
    learners = pytest.importorskip("stable_baselines3")
    cwmb.register_envs()
    env = gymnasium.make("cwmb/CartPole-v1-reference")
    learner = learners.PPO("MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=1, device="cpu", seed=0)
    learner.learn(128)
    assert learner.num_timesteps == 128
    env.close()


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("raise ValueError('odd')", "ValueError: odd"),
        ("return self.state * float('nan'), 1.0, False", "not finite"),
        ("return self.state[:2], 1.0, False", "shape"),
        ("return 1", "tuple"),
        ("import os", "os"),
        ("exec('while True: pass')", "50 ms of CPU time"),
    ],
)
def test_a_program_that_fails_is_said_to_and_the_next_episode_begins(what: str, says: str) -> None:
    env = cwmb.load_world_model(FAILING.format(what=what), "CartPole-v1")
    env.reset(seed=0)
    env.step(0)
    env.step(0)
    with pytest.raises(ProgramFailed, match=says):
        env.step(0)
    with pytest.raises(CwmbError, match="call reset"):
        env.step(0)
    env.reset()
    env.step(0)
    env.close()


def test_a_program_that_does_not_load() -> None:
    env = cwmb.load_world_model("class Environment:\n  1/0", "CartPole-v1")
    with pytest.raises(ProgramFailed, match=r"ZeroDivisionError.*line 2"):
        env.reset()


def test_a_program_learns_where_the_suite_lets_it() -> None:
    learner = """
class Environment:
    def fit(self, observations, actions, rewards, next_observations, terminated):
        self.mean = float(rewards.mean())
    def set_state(self, observation):
        self.state = observation
    def step(self, action):
        return self.state, self.mean, False
"""
    env = cwmb.load_world_model(learner, "CartPole-v1", suite="hidden")
    env.reset(seed=0)
    assert env.step(0)[1] == pytest.approx(cwmb.transitions("CartPole-v1", suite="hidden").rewards.mean())
    env.close()


def test_an_agent_trains_in_it() -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    env = cwmb.load_world_model(program("CartPole-v1"), "CartPole-v1")
    agent = sb3.PPO("MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=1, device="cpu", seed=0)
    agent.learn(total_timesteps=128)
    assert agent.num_timesteps == 128
    env.close()
