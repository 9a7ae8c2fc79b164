"""Worlds of Read to Fight Monsters: a manual, and episodes in which everything that it says decides something.

Episodes are played by policies from random to perfect. They are taken until there are so many wins and losses, and
until each modifier has won, and has lost against a monster that was to be beaten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from string import Template
from zlib import crc32

import numpy as np

from cwmb.benchmark.catalog import EnvironmentSpec, World, environment
from cwmb.benchmark.data import data_path
from cwmb.benchmark.descriptions import TEMPLATES
from cwmb.benchmark.manuals import ACTIONS, EMPTY, PUBLISHED, Manual, drawn, manual_of
from cwmb.benchmark.suites import Suite
from cwmb.benchmark.trajectories import concatenate
from cwmb.collect.recording import play
from cwmb.types import SPLITS, Floats, Split, Transitions
from cwmb.worlds.rtfm import STEP_LIMIT, Rtfm, State, step, way_to, won

FIXED = "RTFM-fixed"  # has the published manual in every world
TRANSITIONS = 400  # of a split, at least
FIGHTS = 30  # won and lost, each at least
EACH = 2  # fights of each kind with each modifier, at least
RANDOM = (1.0, 0.5, 0.2, 0.0)  # shares of random actions, in turn
Aim = Callable[[Manual, State, State, float], bool]


def is_target(manual: Manual, before: State, after: State) -> bool:
    """Whether a fight was with a monster that is to be beaten."""
    return dict(before.things)[after.at][1] in manual.groups[manual.goal]


def wrong_item(manual: Manual, before: State, after: State, reward: float) -> bool:
    """Lost with an item, against a monster that is to be beaten."""
    return reward < 0 and before.carried != EMPTY and is_target(manual, before, after)


def wrong_monster(manual: Manual, before: State, after: State, reward: float) -> bool:
    """Lost with an item that beats the monster, which is of another group."""
    element, _ = dict(before.things)[after.at]
    return reward < 0 and before.carried.partition(" ")[0] in manual.beats[element]


AIMS: tuple[Aim, ...] = (won, wrong_item, won, wrong_monster, won)  # of episodes, in turn


def draw(name: str, suite: Suite, seed: int) -> tuple[EnvironmentSpec, dict[Split, Transitions], int]:
    """The world of an environment with a seed, its data, and 0: no draw is rejected.

    Raises:
        CwmbError: there is no such environment.
    """
    rng = np.random.default_rng([seed, crc32(suite.name.encode()), crc32(name.encode())])
    manual = PUBLISHED if name == FIXED else drawn(rng)
    spec = replace(environment(name), world=World(suite.name, seed, manual.constants))
    return spec, {split: _played(spec, manual, rng) for split in SPLITS}, 0


def description(spec: EnvironmentSpec) -> str:
    """The rules of the game with a world's manual."""
    assert spec.world is not None
    manual = manual_of(spec.world.constants)
    text = data_path("descriptions", TEMPLATES, "RTFM.md").read_text(encoding="utf-8")
    example = f"{manual.modifiers[0]} {sorted(manual.items)[0]}"
    return Template(text).substitute(id=spec.id, manual=manual.text, example=example)


def _played(spec: EnvironmentSpec, manual: Manual, rng: np.random.Generator) -> Transitions:
    simulator = Rtfm(spec)
    parts: list[Transitions] = []
    played = 0
    rewards, seen = Counter[float](), Counter[tuple[str, float]]()
    wanted = [(modifier, reward) for modifier in manual.modifiers for reward in (1.0, -1.0)]
    while (
        sum(map(len, parts)) < TRANSITIONS
        or min(rewards[1.0], rewards[-1.0]) < FIGHTS
        or any(seen[what] < EACH for what in wanted)
    ):
        aim, share = AIMS[played % len(AIMS)], RANDOM[played % len(RANDOM)]
        observation = simulator.reset(int(rng.integers(2**31)))

        def policy(_: Floats, aim: Aim = aim, share: float = share) -> Floats:
            return np.array([_action(manual, simulator.env.state, aim, share, rng)], dtype=np.float64)

        episode = play(simulator, observation, policy, STEP_LIMIT)
        played += 1
        if not episode.terminated[-1]:
            continue
        reward = float(episode.rewards[-1])
        modifier, target = _fight(spec, manual, episode)
        shows = target and seen[modifier, reward] < EACH and (modifier, reward) in wanted
        if shows or rewards[reward] < FIGHTS or sum(map(len, parts)) < TRANSITIONS:
            rewards[reward] += 1
            seen[modifier, reward] += target
            parts.append(replace(episode, episodes=np.full(len(episode), len(parts))))
    data = concatenate(parts)
    return replace(data, determined=np.ones_like(data.determined))  # by the observation, which shows everything


def _action(manual: Manual, state: State, aim: Aim, share: float, rng: np.random.Generator) -> int:
    """A random action with that probability or where the aim is out of reach, else one towards it."""
    if rng.random() >= share:
        way = way_to(manual, state, aim)
        if way:
            return way[0]
    return int(rng.integers(len(ACTIONS)))


def _fight(spec: EnvironmentSpec, manual: Manual, episode: Transitions) -> tuple[str, bool]:
    """What was carried in the last step of an episode, and whether it was against a monster that is to be beaten."""
    simulator = Rtfm(spec)
    simulator.restore(episode.observations[-1])
    before: State = simulator.env.state
    after, _, _ = step(manual, before, int(episode.actions[-1, 0]))
    return before.carried.partition(" ")[0], is_target(manual, before, after)
