"""Gymnasium's classic control and toy text environments with their constants as attributes.

Gymnasium writes some constants into its formulas. Each class here has them all as attributes, those of the original by
default, and then does what the original does to the last bit. After a change ``configure`` brings up to date what is
derived from them. Bounds of observations stay open: a reader of the space must not learn a limit from them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import Env, spaces
from gymnasium.envs.classic_control.acrobot import AcrobotEnv
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.envs.classic_control.mountain_car import MountainCarEnv
from gymnasium.envs.classic_control.pendulum import PendulumEnv
from gymnasium.envs.toy_text.blackjack import BlackjackEnv
from gymnasium.envs.toy_text.cliffwalking import CliffWalkingEnv
from gymnasium.envs.toy_text.taxi import TaxiEnv

Step = tuple[Any, Any, bool, bool, dict[str, Any]]

_MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left


def _unbounded(size: int) -> spaces.Box:
    """A space whose bounds tell nothing of a world's limits."""
    return spaces.Box(-np.inf, np.inf, (size,), np.float32)


class CartPole(CartPoleEnv):
    """CartPole, with rewards of its own for steps and for the end."""

    reward_step = reward_end = 1.0

    def configure(self) -> None:
        """Total mass, the pole's moment, and the observation's space."""
        self.total_mass = self.masspole + self.masscart
        self.polemass_length = self.masspole * self.length
        self.observation_space = _unbounded(4)

    def step(self, action: Any) -> Step:
        """One step."""
        observation, _, terminated, truncated, info = super().step(action)
        return observation, self.reward_end if terminated else self.reward_step, terminated, truncated, info


class MountainCar(MountainCarEnv):
    """MountainCar, with rewards of its own for steps and for the flag."""

    reward_step = reward_goal = -1.0

    def configure(self) -> None:
        """The observation's space."""
        self.observation_space = _unbounded(2)

    def step(self, action: int) -> Step:
        """One step."""
        observation, _, terminated, truncated, info = super().step(action)
        return observation, self.reward_goal if terminated else self.reward_step, terminated, truncated, info


class Acrobot(AcrobotEnv):
    """Acrobot, with gravity, torque, the height of the goal and both rewards."""

    GYMNASIUMS_GRAVITY = 9.8
    gravity, torque, goal_height, reward_step, reward_goal = GYMNASIUMS_GRAVITY, 1.0, 1.0, -1.0, 0.0

    def configure(self) -> None:
        """The torques of the actions and the observation's space."""
        self.AVAIL_TORQUE = [-self.torque, 0.0, self.torque]
        self.observation_space = _unbounded(6)

    def step(self, a: int) -> Step:
        """One step."""
        observation, _, terminated, truncated, info = super().step(a)
        return observation, self.reward_goal if terminated else self.reward_step, terminated, truncated, info

    def _terminal(self) -> bool:
        state: Any = self.state
        first, both = state[0], state[1] + state[0]
        return bool(-np.cos(first) - np.cos(both) > self.goal_height)

    def _dsdt(self, s_augmented: Any) -> Any:
        """Gymnasium's own derivatives, gravity's part of the accelerations scaled.

        At rest and without torque gravity alone accelerates, and it does so independently of velocities and torque.
        """
        speed1, speed2, *accelerations, rest = super()._dsdt(s_augmented)
        at_rest = np.concatenate([s_augmented[:2], np.zeros(3)])
        excess = self.gravity / self.GYMNASIUMS_GRAVITY - 1
        by_gravity = super()._dsdt(at_rest)[2:4]
        acc1, acc2 = (acc + excess * part for acc, part in zip(accelerations, by_gravity, strict=True))
        return speed1, speed2, acc1, acc2, rest


class Pendulum(PendulumEnv):
    """Pendulum, with the three weights of the reward."""

    angle_weight, velocity_weight, torque_weight = 1.0, 0.1, 0.001

    def configure(self) -> None:
        """The bounds of the action, and the observation's space."""
        self.observation_space = _unbounded(3)
        self.action_space = spaces.Box(-self.max_torque, self.max_torque, (1,), np.float32)

    def step(self, u: Any) -> Step:
        """One step."""
        angle, velocity = self.state
        observation, _, terminated, truncated, info = super().step(u)
        deviation = (angle + np.pi) % (2 * np.pi) - np.pi
        torque = np.clip(u, -self.max_torque, self.max_torque)[0]
        cost = self.angle_weight * deviation**2 + self.velocity_weight * velocity**2
        return observation, -(cost + self.torque_weight * torque**2), terminated, truncated, info


class CliffWalking(CliffWalkingEnv):
    """CliffWalking on a grid of any size, with a cliff in any row, wind, and three rewards."""

    shape: tuple[int, int]
    nS: Any  # noqa: N815
    start_state_index: Any

    rows, columns, cliff_row, cliff_first, cliff_last = 4, 12, 3, 1, 10
    start, goal = [3, 0], [3, 11]
    wind = wind_first = wind_last = 0
    step_reward, fall_reward, goal_reward = -1.0, -100.0, -1.0

    def configure(self) -> None:
        """The table of transitions, the start and the spaces."""
        cells = self.rows * self.columns
        self.shape, self.nS = (self.rows, self.columns), cells
        self.start_state_index = self._number(self.start)
        self._cliff = np.zeros(self.shape, dtype=bool)
        self._cliff[self.cliff_row, self.cliff_first : self.cliff_last + 1] = True
        self.P = {cell: {move: [self._outcome(cell, move)] for move in range(4)} for cell in range(cells)}
        self.initial_state_distrib = np.zeros(cells)
        self.initial_state_distrib[self.start_state_index] = 1.0
        self.observation_space = spaces.Discrete(cells)

    def _number(self, cell: Any) -> int:
        return int(cell[0] * self.columns + cell[1])

    def _outcome(self, number: int, move: int) -> tuple[float, int, float, bool]:
        """(probability, next cell, reward, whether the episode ends)."""
        row, column = divmod(number, self.columns)
        windy = self.wind_first <= column <= self.wind_last
        row = row + _MOVES[move][0] - self.wind * windy
        column = column + _MOVES[move][1]
        cell = [min(max(row, 0), self.rows - 1), min(max(column, 0), self.columns - 1)]
        if self._cliff[cell[0], cell[1]]:
            return 1.0, self.start_state_index, self.fall_reward, False
        reached = cell == list(self.goal)
        return 1.0, self._number(cell), self.goal_reward if reached else self.step_reward, reached


class Taxi(TaxiEnv):
    """Taxi with any walls and stands, and three rewards."""

    walls = ((0, 1), (1, 1), (3, 0), (4, 0), (3, 2), (4, 2))
    step_reward, illegal_reward, delivery_reward = -1.0, -10.0, 20.0

    def configure(self) -> None:
        """The map, and the table of transitions as Gymnasium builds it, with other rewards."""
        self.locs = [(row, column) for row, column in self.locs]
        blocked = {tuple(cell) for cell in self.walls}
        for row in range(5):
            for column in range(4):
                self.desc[1 + row, 2 * column + 2] = b"|" if (row, column) in blocked else b":"
        rewards = {-1: self.step_reward, -10: self.illegal_reward, 20: self.delivery_reward}
        for state, actions in self.P.items():
            for action in actions:
                actions[action] = []
                self._build_dry_transitions(*self.decode(state), action)
                ((chance, following, reward, terminated),) = self.P[state][action]
                actions[action] = [(chance, following, rewards[reward], terminated)]


class Blackjack(BlackjackEnv):
    """Blackjack with other values of cards, another limit, another dealer and other pay."""

    hit_action, faces, ace_bonus, limit, dealer_margin = 1, 10, 10, 21, 4
    natural_wins = True  # an ace and a ten, dealt first, beat all but the same
    win_reward, draw_reward, lose_reward, hit_reward = 1.0, 0.0, -1.0, 0.0

    def configure(self) -> None:
        """The deck, and the observation's space, which does not tell the limit."""
        self.deck = [*range(1, 11), *[self.faces] * 3]
        self.observation_space = spaces.Tuple((spaces.Discrete(64), spaces.Discrete(11), spaces.Discrete(2)))

    def card(self, rng: np.random.Generator) -> int:
        """A card from an endless deck."""
        return int(rng.choice(self.deck))

    def total(self, hand: list[int]) -> tuple[int, int]:
        """(points of a hand, whether an ace in it is usable)."""
        usable = int(1 in hand and sum(hand) + self.ace_bonus <= self.limit)
        return sum(hand) + self.ace_bonus * usable, usable

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        """Deal, the dealer first."""
        Env.reset(self, seed=seed)
        self.dealer, self.player = ([self.card(self.np_random) for _ in range(2)] for _ in range(2))
        return self._get_obs(), {}

    def step(self, action: Any) -> Step:
        """One card, or the dealer's whole turn."""
        if action == self.hit_action:
            self.player.append(self.card(self.np_random))
            bust = self.total(self.player)[0] > self.limit
            return self._get_obs(), self.lose_reward if bust else self.hit_reward, bust, False, {}
        while self.total(self.dealer)[0] < self.limit - self.dealer_margin:
            self.dealer.append(self.card(self.np_random))
        own, dealers = (
            points if points <= self.limit else 0 for points in map(self._points, (self.player, self.dealer))
        )
        if self.natural_wins and sorted(self.player) == [1, 10] != sorted(self.dealer):
            own = dealers + 1
        pay = self.win_reward if own > dealers else self.lose_reward if own < dealers else self.draw_reward
        return self._get_obs(), pay, True, False, {}

    def _points(self, hand: list[int]) -> int:
        return self.total(hand)[0]

    def _get_obs(self) -> tuple[int, int, int]:
        points, usable = self.total(self.player)
        return points, self.dealer[0], usable
