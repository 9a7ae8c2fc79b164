"""Between the rows of the protocol and the values that a program gives and takes. Runs in the child.

A board and what is carried are words; rows hold their numbers, and beside them which actions are valid, which a program
says in its step but is not told.

A discrete observation may come back as int, bool, a numpy integer, or a float without fraction; a tuple as a tuple,
list or array of those; a box as anything that numpy turns into a real array of the right shape. Rewards and done flags
are numbers or bools; arrays of one element pass for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
_REAL = "fiub"  # kinds of numpy dtypes


class Malformed(Exception):
    """A program returned something that is not what the contract asks for."""


class BadReturn(Malformed):
    """It is not even so many things as a step returns."""


BOARD = (6, 6, 2)
_CELLS = 72  # of a board; then follows what is carried
_UNKNOWN = -1.0  # the number of a word that is none of the environment's


def decoder(kind: str, words: Sequence[str] = ()) -> Callable[[Floats], Any]:
    """How a row becomes the value that a program gets: int, tuple of ints, a fresh float64 vector, or (board, str)."""
    if kind == "board":
        known = np.array(words)

        def read_board(row: Floats) -> tuple[NDArray[np.str_], str]:
            numbers = row[: _CELLS + 1].astype(np.int64)
            return known[numbers[:_CELLS]].reshape(BOARD), str(known[numbers[_CELLS]])

        return read_board
    if kind == "discrete":
        return lambda row: int(row.item())
    if kind == "tuple":
        return lambda row: tuple(int(x) for x in row.tolist())
    return np.ndarray.copy


def decoded(kind: str, rows: Floats) -> list[Any]:
    """The values of many rows [n, size], all finite: see decoder."""
    if kind == "discrete":
        return [int(x) for x in rows[:, 0].tolist()]
    return list(map(decoder(kind), rows))


def encoder(kind: str, size: int, words: Sequence[str] = ()) -> Callable[[Any, Floats], None]:
    """How an observation that a program returns is written into a row [size]. That function raises Malformed."""
    if kind == "board":
        return _board_encoder(size, words)
    if kind == "box":
        return _box_encoder(size)

    def write_discrete(value: Any, row: Floats) -> None:
        row[0] = value if type(value) is int else _integer(value)

    def write_tuple(value: Any, row: Floats) -> None:
        if not isinstance(value, (tuple, list, np.ndarray)) or len(value) != size:
            raise Malformed(f"the observation is {_shown(value)}, it should be a tuple of {size} integers")
        row[:] = [_integer(x) for x in value]

    return write_discrete if kind == "discrete" else write_tuple


def _box_encoder(size: int) -> Callable[[Any, Floats], None]:
    shape, float64 = (size,), np.dtype(np.float64)
    array, asarray = np.ndarray, np.asarray

    def write_box(value: Any, row: Floats) -> None:
        if type(value) is array and value.dtype is float64 and value.shape == shape:
            row[:] = value
            return
        try:
            converted = asarray(value)
        except ValueError:  # ragged
            converted = np.empty(0, dtype=object)
        if converted.dtype.kind not in _REAL or converted.shape != shape:
            raise Malformed(f"the observation is {_shown(value)}, it should be a float array of shape {shape}")
        row[:] = converted

    return write_box


def _board_encoder(size: int, words: Sequence[str]) -> Callable[[Any, Floats], None]:
    numbers = {word: float(number) for number, word in enumerate(words)}
    flags = size - _CELLS - 1

    def number(word: Any) -> float:
        return numbers.get(str(word), _UNKNOWN) if isinstance(word, str) else _UNKNOWN

    def write_board(value: Any, row: Floats) -> None:
        state, valid = value
        if not isinstance(state, (tuple, list)) or len(state) != 2:
            raise Malformed(f"the observation is {_shown(state)}, it should be a tuple (board, inventory)")
        try:
            board = np.asarray(state[0], dtype=object)
        except ValueError:  # ragged
            board = np.empty(0, dtype=object)
        if board.shape != BOARD:
            raise Malformed(f"the board is {_shown(state[0])}, it should be an array of strings of shape {BOARD}")
        if not isinstance(state[1], str):
            raise Malformed(f"the inventory is {_shown(state[1])}, it should be a string")
        if not isinstance(valid, (tuple, list, np.ndarray)) or len(valid) != flags:
            raise Malformed(f"the valid actions are {_shown(valid)}, they should be {flags} bools")
        row[:_CELLS] = [number(word) for word in board.flat]
        row[_CELLS] = number(state[1])
        row[_CELLS + 1 :] = [truth(flag) for flag in valid]

    return write_board


class ValidActionsBeside:
    """A program whose step returns four things, as one that returns three: what is valid goes with the observation."""

    def __init__(self, environment: Any) -> None:
        self.set_state, self._step = environment.set_state, environment.step

    def step(self, action: Any) -> tuple[Any, Any, Any]:
        """What the program returns, rearranged; raises what the program raises, and BadReturn."""
        returned = self._step(action)
        if not isinstance(returned, tuple) or len(returned) != 4:
            raise BadReturn(
                f"step() returned {_shown(returned)}, it should be a tuple "
                "((board, inventory), valid_actions, reward, done)"
            )
        state, valid, reward, done = returned
        return (state, valid), reward, done


def _integer(value: Any) -> float:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, (int, np.integer, np.bool_)):
        return float(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return float(value)
    raise Malformed(f"the observation holds {_shown(value)} where an integer belongs")


def real(value: Any, what: str) -> float:
    """A reward (or whatever) as a float. Raises Malformed."""
    if type(value) is float:
        return value
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in _REAL:
        value = value.item()
    if isinstance(value, (int, float, np.integer, np.floating, np.bool_)):
        return float(value)
    raise Malformed(f"the {what} is {_shown(value)}, it should be a number")


def truth(value: Any) -> bool:
    """A done flag as a bool. Raises Malformed."""
    if type(value) is bool:
        return value
    number = real(value, "done flag")
    if number != number:
        raise Malformed(f"the done flag is {_shown(value)}, it should be True or False")
    return bool(number)


def unpack(returned: Any) -> tuple[Any, Any, Any]:
    """The three things that step returns. Raises Malformed."""
    if not isinstance(returned, tuple):
        raise Malformed(f"step() returned {_shown(returned)}, it should be a tuple (observation, reward, done)")
    if len(returned) != 3:
        raise Malformed(f"step() returned a tuple of {len(returned)}, it should be (observation, reward, done)")
    return returned


def _shown(value: Any) -> str:
    """A short description of a value, without asking the value itself."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} and shape {value.shape}"
    if value is None:
        return "None"
    if type(value) in (int, float, bool, str):
        return f"the {type(value).__name__} {value!r:.60}"
    if type(value) in (list, tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"an object of type {type(value).__name__}"
