"""Read to Fight Monsters (Zhong et al. 2020), simplified as the paper has it: a small board, monsters that stand still.

You walk on 4×4 cells within walls. There are two monsters and two items. One monster is of the group that is to be
beaten, and one item beats its element; the other item beats the other monster's element. You carry one item: stepping
on another takes that instead. Stepping on a monster is a fight, which ends the episode: won (1) if it is of the group
to be beaten and the item beats its element, else lost (-1). Walking into a wall changes nothing, and is not valid.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.manuals import ACTIONS, BOARD, CELLS, EMPTY, PUBLISHED, SIZE, WALL, YOU, Manual, manual_of
from cwmb.types import Floats, Space
from cwmb.worlds.base import GymnasiumSimulator

ID = "cwmb/RTFM-v0"
STEP_LIMIT = 50

Cell = tuple[int, int]
MOVES: tuple[Cell, ...] = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
INSIDE = [(row, column) for row in range(1, SIZE - 1) for column in range(1, SIZE - 1)]


@dataclass(frozen=True)
class State:
    """Where you are, what you carry, and what stands where: a monster (element, name) or an item (modifier, name)."""

    at: Cell
    carried: str
    things: frozenset[tuple[Cell, tuple[str, str]]]


def moved(at: Cell, action: int) -> Cell | None:
    """The cell that an action leads to, None if that is a wall."""
    cell = at[0] + MOVES[action][0], at[1] + MOVES[action][1]
    return cell if 0 < cell[0] < SIZE - 1 and 0 < cell[1] < SIZE - 1 else None


def valid(at: Cell) -> list[bool]:
    """Which actions are valid: staying always, moving unless it is into a wall."""
    return [moved(at, action) is not None for action in range(len(ACTIONS))]


def step(manual: Manual, state: State, action: int) -> tuple[State, float, bool]:
    """The rules: returns (state, reward, done)."""
    cell = moved(state.at, action) or state.at
    things = dict(state.things)
    met = things.pop(cell, None) if cell != state.at else None
    after = State(cell, state.carried, frozenset(things.items()))
    if met is None:
        return after, 0.0, False
    kind, name = met
    if kind not in manual.beats:
        return replace(after, carried=f"{kind} {name}"), 0.0, False
    wins = name in manual.groups[manual.goal] and state.carried.partition(" ")[0] in manual.beats[kind]
    return after, 1.0 if wins else -1.0, True


def won(manual: Manual, before: State, after: State, reward: float) -> bool:
    """Whether a fight was won."""
    return reward > 0


def way_to(manual: Manual, state: State, aim: Callable[[Manual, State, State, float], bool] = won) -> list[int] | None:
    """A shortest sequence of actions to a fight of some kind, None if there is none any more.

    aim: whether it is of that kind, given the states before and after it and its reward.
    """
    queue, before = deque([state]), {state: (state, -1)}
    while queue:
        here = queue.popleft()
        for action in range(1, len(ACTIONS)):
            there, reward, done = step(manual, here, action)
            if done and aim(manual, here, there, reward):
                way = [action]
                while here != state:
                    here, taken = before[here]
                    way.append(taken)
                return way[::-1]
            if not done and there not in before:
                before[there] = here, action
                queue.append(there)
    return None


def begin(manual: Manual, rng: np.random.Generator) -> State:
    """A random first state that can be won."""
    while True:
        state = _any(manual, rng)
        if way_to(manual, state) is not None:
            return state


def _any(manual: Manual, rng: np.random.Generator) -> State:
    def one(of: Any) -> str:
        return str(of[int(rng.integers(len(of)))])

    target = one(manual.groups[manual.goal])
    other = one([m for group, monsters in sorted(manual.groups.items()) if group != manual.goal for m in monsters])
    elements = rng.permutation(sorted(manual.beats))[:2]
    names = rng.permutation(sorted(manual.items))[:2]
    things = [(str(element), monster) for element, monster in zip(elements, (target, other), strict=True)]
    things += [(one(manual.beats[str(element)]), str(name)) for element, name in zip(elements, names, strict=True)]
    at, *cells = (INSIDE[i] for i in rng.permutation(len(INSIDE))[:5])
    return State(at, EMPTY, frozenset(zip(cells, things, strict=True)))


class ReadToFightMonsters(gymnasium.Env[NDArray[np.int64], int]):
    """The game. An observation [78] holds the numbers, in ``words``, of the board's 6×6×2 words and of what is carried,
    and five flags: which actions are valid. ``info`` says the same in words.
    """

    def __init__(self, manual: Manual = PUBLISHED) -> None:
        self.manual, self.words = manual, manual.words
        self.observation_space = spaces.MultiDiscrete([len(self.words)] * CELLS + [2] * len(ACTIONS))
        self.action_space = spaces.Discrete(len(ACTIONS))  # type: ignore[assignment]
        self.state = State((1, 1), EMPTY, frozenset())

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """A board that can be won."""
        super().reset(seed=seed)
        self.state = begin(self.manual, self.np_random)
        return self.observation(), self._info()

    def step(self, action: int) -> tuple[NDArray[np.int64], float, bool, bool, dict[str, Any]]:
        """See the module's docstring."""
        self.state, reward, done = step(self.manual, self.state, int(action))
        return self.observation(), reward, done, False, self._info()

    def observation(self) -> NDArray[np.int64]:
        """The state as numbers."""
        number = self._number
        row = np.full(CELLS + len(ACTIONS), number[EMPTY], np.int64)
        board = row[: CELLS - 1].reshape(BOARD)
        board[[0, -1], :, 0] = board[:, [0, -1], 0] = number[WALL]
        for cell, (first, second) in self.state.things:
            board[cell] = number[first], number[second]
        board[self.state.at] = number[YOU], number[EMPTY]
        row[CELLS - 1] = number[self.state.carried]
        row[CELLS:] = valid(self.state.at)
        return row

    def show(self, row: Floats) -> None:
        """Put the game into the state that an observation [78] shows; cells that no board has count as empty."""
        board = [self.words[int(number)] for number in row[:CELLS]]
        cells = {(r, c): (board[(r * SIZE + c) * 2], board[(r * SIZE + c) * 2 + 1]) for r, c in INSIDE}
        at = next((cell for cell, (first, _) in cells.items() if first == YOU), INSIDE[0])
        things = {cell: thing for cell, thing in cells.items() if thing[0] not in (EMPTY, YOU)}
        self.state = State(at, board[CELLS - 1], frozenset(things.items()))

    def _info(self) -> dict[str, Any]:
        board = np.array([self.words[n] for n in self.observation()[: CELLS - 1]]).reshape(BOARD)
        return {"board": board, "inventory": self.state.carried, "valid_actions": np.array(valid(self.state.at))}


class Rtfm(GymnasiumSimulator):
    """The game with a world's manual; without a world, with the published one."""

    state_attributes: ClassVar[tuple[str, ...]] = ("state",)

    def __init__(self, spec: EnvironmentSpec) -> None:
        manual = manual_of(spec.world.constants) if spec.world else PUBLISHED
        self.env: Any = _Quick(manual)
        high = [len(manual.words) - 1.0] * CELLS + [1.0] * len(ACTIONS)
        self.observation_space = Space("board", (0.0,) * len(high), tuple(high), "int64", manual.words)
        self.action_space = Space("discrete", (0.0,), (len(ACTIONS) - 1.0,), "int64")
        self.time_limit, self._elapsed = STEP_LIMIT, 0
        self.reset(seed=0)

    def _restore(self, observation: Floats) -> None:
        self.env.show(observation)


class _Quick(ReadToFightMonsters):
    def _info(self) -> dict[str, Any]:
        return {}


if ID not in gymnasium.registry:
    gymnasium.register(ID, "cwmb.worlds.rtfm:ReadToFightMonsters", max_episode_steps=STEP_LIMIT)
