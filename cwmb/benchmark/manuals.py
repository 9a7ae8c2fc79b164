"""Manuals of Read to Fight Monsters: which monsters are in which group, what beats what, and whom to beat.

A manual is a world's constants and a text; ``manual_in`` reads the text back, which the simulated model relies on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

EMPTY, WALL, YOU = "empty", "wall", "you"
SIZE = 6  # of the board, walls included
BOARD = (SIZE, SIZE, 2)
ACTIONS = ("stay", "up", "down", "left", "right")
CELLS = SIZE * SIZE * 2 + 1  # of an observation: the words of the board, and what is carried

_GROUPS = ("Order of the Forest", "Rebel Enclave", "Star Alliance", "Iron Covenant", "Tidal Court", "Ashen Circle")
_MONSTERS = (
    *("bat", "goblin", "jackal", "jaguar", "lynx", "panther", "spider", "warg", "wolf"),
    *("adder", "badger", "crow", "golem", "hornet", "imp", "moth", "rat", "toad"),
)
_ELEMENTS = ("cold", "fire", "lightning", "poison", "acid", "shadow")
_MODIFIERS = (
    *("arcane", "blessed", "fanatical", "gleaming", "grandmaster", "mysterious", "shimmering", "soldier"),
    *("ancient", "brazen", "carved", "dull", "etched", "forged", "hollow", "ornate"),
)
_ITEMS = ("axe", "cutlass", "hammer", "katana", "knife", "morningstar", "polearm", "spear", "sword")


@dataclass(frozen=True)
class Manual:
    """What a player has to read.

    groups: monsters of each group; beats: the modifiers of items that beat each element; goal: the group to beat;
    items: names of items, of which none matters.
    """

    groups: Mapping[str, Sequence[str]]
    beats: Mapping[str, Sequence[str]]
    goal: str
    items: Sequence[str] = _ITEMS

    @property
    def monsters(self) -> tuple[str, ...]:
        """All monsters, sorted."""
        return tuple(sorted(m for monsters in self.groups.values() for m in monsters))

    @property
    def modifiers(self) -> tuple[str, ...]:
        """All modifiers of items, sorted."""
        return tuple(sorted(m for modifiers in self.beats.values() for m in modifiers))

    @property
    def words(self) -> tuple[str, ...]:
        """All that a cell can hold, and all that can be carried: what the numbers of an observation's row stand for."""
        carried = (f"{modifier} {item}" for modifier in self.modifiers for item in sorted(self.items))
        return (EMPTY, WALL, YOU, *sorted(self.beats), *self.monsters, *self.modifiers, *sorted(self.items), *carried)

    @property
    def constants(self) -> dict[str, Any]:
        """The manual as a world's constants, with the words of its rows."""
        return {**asdict(self), "words": list(self.words)}

    @property
    def text(self) -> str:
        """The manual in words."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for group, monsters in sorted(self.groups.items()):
            yield f"- These monsters belong to the {group}: {', '.join(monsters)}."
        for element, modifiers in sorted(self.beats.items()):
            yield f"- A monster of {element} is beaten by an item that is {' or '.join(modifiers)}."
        yield f"- Your task is to beat the {self.goal}."


# As in the figure of the game's paper (Zhong et al. 2020), which shows a whole manual.
PUBLISHED = Manual(
    groups={
        "Order of the Forest": ("goblin", "jaguar", "lynx"),
        "Rebel Enclave": ("jackal", "spider", "warg"),
        "Star Alliance": ("bat", "panther", "wolf"),
    },
    beats={
        "cold": ("gleaming", "mysterious"),
        "fire": ("fanatical", "shimmering"),
        "lightning": ("grandmaster", "soldier"),
        "poison": ("arcane", "blessed"),
    },
    goal="Order of the Forest",
)


def manual_of(constants: Mapping[str, Any]) -> Manual:
    """The manual that a world's constants are."""
    return Manual(**{name: constants[name] for name in ("groups", "beats", "goal", "items")})


def drawn(rng: np.random.Generator) -> Manual:
    """Another manual: three groups of three monsters, four elements with two modifiers each, from larger pools."""

    def some(pool: Sequence[str], count: int) -> list[str]:
        return [str(x) for x in rng.choice(pool, count, replace=False)]

    groups, monsters = some(_GROUPS, 3), some(_MONSTERS, 9)
    elements, modifiers = some(_ELEMENTS, 4), some(_MODIFIERS, 8)
    return Manual(
        groups={group: sorted(monsters[3 * i : 3 * i + 3]) for i, group in enumerate(groups)},
        beats={element: sorted(modifiers[2 * i : 2 * i + 2]) for i, element in enumerate(elements)},
        goal=groups[0],
    )


_GROUP = re.compile(r"^- These monsters belong to the (.+?): (.+)\.$", re.MULTILINE)
_BEATEN = re.compile(r"^- A monster of (\w+) is beaten by an item that is (.+)\.$", re.MULTILINE)
_GOAL = re.compile(r"^- Your task is to beat the (.+)\.$", re.MULTILINE)


def manual_in(text: str) -> Manual | None:
    """The manual that a text holds, if it does."""
    goal = _GOAL.search(text)
    if goal is None:
        return None
    groups = {group: tuple(monsters.split(", ")) for group, monsters in _GROUP.findall(text)}
    beats = {element: tuple(modifiers.split(" or ")) for element, modifiers in _BEATEN.findall(text)}
    return Manual(groups, beats, goal[1])
