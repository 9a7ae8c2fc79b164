"""How a wrongly predicted step on a board of words is written in a prompt: the board before it, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from cwmb.benchmark.manuals import ACTIONS, BOARD, CELLS, EMPTY, WALL
from cwmb.types import Mistake, Space


def board_mistake(mistake: Mistake, space: Space) -> str:
    """The whole state before the step, and each thing after it that was predicted wrongly."""
    action = int(mistake.action[0])
    parts = [f"action: {action} ({ACTIONS[action]})", "Before the step (all cells that are neither wall nor empty):"]
    parts.append("\n".join(_things(mistake.observation, space)))
    rows = [("", "true after it", "predicted after it", ""), ("---",) * 4]
    for column in mistake.wrong_elements:
        true, said = (
            _value(row[column], column, space) for row in (mistake.next_observation, mistake.predicted_observation)
        )
        rows.append((_label(column), true, "–" if mistake.malformed else said, "WRONG"))
    for name, true, said, wrong in (
        ("reward", f"{mistake.reward:g}", f"{mistake.predicted_reward:g}", mistake.reward_wrong),
        ("done", str(mistake.done), str(mistake.predicted_done), mistake.done_wrong),
    ):
        rows.append((name, true, said, "WRONG" if wrong else ""))
    parts.append("\n".join("| " + " | ".join(row) + " |" for row in rows))
    return "\n\n".join(parts)


def _things(row: list[float], space: Space) -> Iterator[str]:
    words = [space.words[int(number)] for number in row[:CELLS]]
    for column in range(0, CELLS - 1, 2):
        if words[column] not in (EMPTY, WALL):
            yield f"- {_label(column)[:-3]}]: {words[column]} {words[column + 1]}"
    yield f"- inventory: {words[CELLS - 1]}"


def _label(column: int) -> str:
    if column >= CELLS:
        return f"valid_actions[{column - CELLS}]"
    if column == CELLS - 1:
        return "inventory"
    cell, word = divmod(column, BOARD[2])
    return f"board[{cell // BOARD[1]}, {cell % BOARD[1]}, {word}]"


def _value(number: float, column: int, space: Space) -> str:
    if number != number:
        return "–"
    if column >= CELLS:
        return str(bool(number))
    return space.words[int(number)] if 0 <= number < len(space.words) else "(another string)"
