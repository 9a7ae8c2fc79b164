"""The mechanisms that worlds of suite ``altered`` have besides the original's: one small function each.

A function whose name begins with ``act_``, ``push_`` or ``move_`` changes observation and action before the original
environment takes its step from them; one that begins with ``then_`` changes what the original gave. Both depend on
nothing else, so that a world stays Markov in the observation. They see observations and actions as programs do, and the
real environment runs the very text that stands in the reference program (see cwmb.worlds.alterations).

``where`` is an index of the observation, or a pair of them: cosine and sine of an angle.
"""

from __future__ import annotations

import math
from typing import Any


def place(observation: Any, where: Any) -> float:
    """A coordinate of the observation."""
    if isinstance(where, int):
        return float(observation[where])
    cosine, sine = where
    return math.atan2(observation[sine], observation[cosine])


def pushed(observation: Any, velocity: int, change: float) -> Any:
    """The observation with another velocity."""
    other = observation.copy()
    other[velocity] += change
    return other


# ---------------------------------------------------------------------------- motion: classic control, robots


def push_drag(observation: Any, action: Any, *, velocity: int, strength: float) -> Any:
    """Quadratic drag."""
    speed = observation[velocity]
    return pushed(observation, velocity, speed / (1 + strength * abs(speed)) - speed), action


def push_friction(observation: Any, action: Any, *, velocity: int, width: float, strength: float) -> Any:
    """Dry friction, made smooth around rest."""
    return pushed(observation, velocity, -strength * math.tanh(observation[velocity] / width)), action


def push_spring(observation: Any, action: Any, *, where: Any, velocity: int, strength: float, rest: float) -> Any:
    """A spring to a place."""
    return pushed(observation, velocity, -strength * (place(observation, where) - rest)), action


def push_waves(observation: Any, action: Any, *, where: Any, velocity: int, number: float, strength: float) -> Any:
    """A force that rises and falls along the way."""
    return pushed(observation, velocity, strength * math.sin(number * place(observation, where))), action


def push_wind(observation: Any, action: Any, *, velocity: int, rate: float, wind: float) -> Any:
    """A medium that moves, and takes along what is in it."""
    return pushed(observation, velocity, rate * (wind - observation[velocity])), action


def push_coupling(observation: Any, action: Any, *, source: int, velocity: int, strength: float) -> Any:
    """One motion drives another."""
    return pushed(observation, velocity, strength * math.tanh(observation[source])), action


def push_swirl(observation: Any, action: Any, *, one: int, other: int, strength: float) -> Any:
    """Two velocities turn into each other."""
    turn = math.cos(strength), math.sin(strength)
    a, b = observation[one], observation[other]
    changed = pushed(observation, one, turn[0] * a - turn[1] * b - a)
    return pushed(changed, other, turn[1] * a + turn[0] * b - b), action


def push_patch(observation: Any, action: Any, *, where: Any, velocity: int, centre: float, width: float,
               strength: float) -> Any:  # fmt: skip
    """A region that slows down what passes."""
    away = (place(observation, where) - centre) / width
    return pushed(observation, velocity, -strength * math.exp(-away * away) * observation[velocity]), action


# ---------------------------------------------------------------------------- motors with any signal


def act_dead_zone(observation: Any, action: Any, *, width: float) -> Any:
    """Small signals do nothing, and all others lose as much."""
    return observation, (abs(action) > width) * (action - width * (2 * (action > 0) - 1))


def act_saturation(observation: Any, action: Any, *, level: float) -> Any:
    """Great signals count less and less."""
    return observation, action / (1 + abs(action) / level)


def act_unequal(observation: Any, action: Any, *, share: float) -> Any:
    """Negative signals count less."""
    return observation, action * (1 - (1 - share) * (action < 0))


def act_power(observation: Any, action: Any, *, largest: float, share: float) -> Any:
    """A part of the signal counts by its third power."""
    return observation, action * (1 - share + share * (action / largest) ** 2)


def act_by_place(observation: Any, action: Any, *, where: Any, number: float, share: float) -> Any:
    """Motors are stronger here and weaker there."""
    return observation, action * (1 + share * math.sin(number * place(observation, where)))


def act_by_speed(observation: Any, action: Any, *, velocity: int, strength: float) -> Any:
    """Motors lose their force at speed."""
    return observation, action / (1 + strength * abs(observation[velocity]))


# ---------------------------------------------------------------------------- rewards of motion


def then_speed_costs(observation: Any, action: Any, after: Any, reward: float, done: bool, *, velocity: int,
                     weight: float) -> Any:  # fmt: skip
    """A reward for the square of a velocity."""
    return after, reward - weight * float(after[velocity]) ** 2, done


def then_place_pays(observation: Any, action: Any, after: Any, reward: float, done: bool, *, where: Any, number: float,
                    weight: float) -> Any:  # fmt: skip
    """A reward that rises and falls along the way."""
    return after, reward + weight * math.sin(number * place(after, where)), done


# ---------------------------------------------------------------------------- grids


def cell(number: int, columns: int, parts: int) -> tuple[int, int, int]:
    """Row, column and the rest of a state that numbers them in this order."""
    rest, part = divmod(int(number), parts)
    return rest // columns, rest % columns, part


def act_rows(observation: Any, action: Any, *, columns: int, parts: int, border: int, turn: Any) -> Any:
    """From some row on each move goes another way."""
    row, _, _ = cell(observation, columns, parts)
    return observation, turn[action] if row >= border and action < len(turn) else action


def act_columns(observation: Any, action: Any, *, columns: int, parts: int, border: int, turn: Any) -> Any:
    """In the first columns each move goes another way."""
    _, column, _ = cell(observation, columns, parts)
    return observation, turn[action] if column < border and action < len(turn) else action


def act_checks(observation: Any, action: Any, *, columns: int, parts: int, colour: int, turn: Any) -> Any:
    """On the cells of one colour of a chequerboard each move goes another way."""
    row, column, _ = cell(observation, columns, parts)
    return observation, turn[action] if (row + column) % 2 == colour and action < len(turn) else action


def then_ice(observation: Any, action: Any, after: Any, reward: float, done: bool, *, rows: int, columns: int,
             parts: int, border: int) -> Any:  # fmt: skip
    """From some column on a move to the neighbouring cell slides on by another one."""
    (row, column, _), (r, c, part) = cell(observation, columns, parts), cell(after, columns, parts)
    moved = abs(r - row) + abs(c - column) == 1
    r, c = 2 * r - row, 2 * c - column
    if done or not moved or column < border or not (0 <= r < rows and 0 <= c < columns):
        return after, reward, done
    return (r * columns + c) * parts + part, reward, done


def then_belt(observation: Any, action: Any, after: Any, reward: float, done: bool, *, columns: int, parts: int,
              border: int) -> Any:  # fmt: skip
    """A belt takes whoever arrives in the first rows one column on, and from the last one to the first."""
    row, column, part = cell(after, columns, parts)
    if done or row >= border:
        return after, reward, done
    return (row * columns + (column + 1) % columns) * parts + part, reward, done


def then_slope(observation: Any, action: Any, after: Any, reward: float, done: bool, *, rows: int, columns: int,
               parts: int, border: int) -> Any:  # fmt: skip
    """Whoever arrives from some column on gets one row up, and from the first row to the last."""
    row, column, part = cell(after, columns, parts)
    if done or column < border:
        return after, reward, done
    return ((row - 1) % rows * columns + column) * parts + part, reward, done


def then_teleport(observation: Any, action: Any, after: Any, reward: float, done: bool, *, columns: int, parts: int,
                  colour: int) -> Any:  # fmt: skip
    """Arriving on the cells of one colour of a chequerboard takes one to the column as far from the other side."""
    row, column, part = cell(after, columns, parts)
    if done or (row + column) % 2 != colour:
        return after, reward, done
    return (row * columns + columns - 1 - column) * parts + part, reward, done


def then_toll(observation: Any, action: Any, after: Any, reward: float, done: bool, *, columns: int, parts: int,
              border: int, toll: float) -> Any:  # fmt: skip
    """Steps from the last columns cost more."""
    return after, reward - toll * (cell(observation, columns, parts)[1] >= border), done


# ---------------------------------------------------------------------------- cards: points, dealer's card, usable ace


def act_by_card(observation: Any, action: Any, *, border: int) -> Any:
    """Against the dealer's higher cards the actions are exchanged."""
    return observation, 1 - action if observation[1] >= border else action


def act_by_parity(observation: Any, action: Any, *, where: int, odd: int) -> Any:
    """Where a number is odd (or even) the actions are exchanged."""
    return observation, 1 - action if observation[where] % 2 == odd else action


def act_no_more(observation: Any, action: Any, *, hit: int, limit: int, margin: int) -> Any:
    """Whoever is near the limit gets no more cards."""
    return observation, 1 - hit if observation[0] >= limit - margin else action


def move_burden(observation: Any, action: Any, *, hit: int, points: int) -> Any:
    """Each further card counts more."""
    own, card, ace = observation
    return (own + points if action == hit else own, card, ace), action


def then_low_pays(observation: Any, action: Any, after: Any, reward: float, done: bool, *, border: int,
                  factor: float) -> Any:  # fmt: skip
    """Against the dealer's lower cards every reward counts several times."""
    return after, reward * (factor if observation[1] < border else 1), done


def then_reversed(observation: Any, action: Any, after: Any, reward: float, done: bool, *, border: int) -> Any:
    """Against the dealer's higher cards rewards are paid, and losses bring them."""
    return after, reward * (-1 if observation[1] >= border else 1), done


def then_card_pays(observation: Any, action: Any, after: Any, reward: float, done: bool, *, weight: float) -> Any:
    """The dealer's card is paid."""
    return after, reward + weight * observation[1], done


def then_points_pay(observation: Any, action: Any, after: Any, reward: float, done: bool, *, weight: float) -> Any:
    """The player's points are paid."""
    return after, reward + weight * observation[0], done
