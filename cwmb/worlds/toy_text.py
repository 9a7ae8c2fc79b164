"""Gymnasium's toy text environments: tables and cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from gymnasium.envs.toy_text import blackjack

from cwmb.types import Floats
from cwmb.worlds import variants
from cwmb.worlds.base import GymnasiumSimulator
from cwmb.worlds.simulator import Snapshot

ACE_BONUS = 10  # points that a usable ace counts beyond its 1


class _Table(GymnasiumSimulator):
    """An environment whose state is the observation, one integer."""

    state_attributes: ClassVar[Sequence[str]] = ("s", "lastaction")

    def _restore(self, observation: Floats) -> None:
        self.env.s = int(observation[0])
        self.env.lastaction = None


class CliffWalking(_Table):
    """CliffWalking: the observation is 12 · row + column."""

    variant = variants.CliffWalking


class Taxi(_Table):
    """Taxi: the observation encodes taxi, passenger and destination; dry and with a steady passenger."""

    variant = variants.Taxi
    state_attributes = ("s", "lastaction", "fickle_step")

    def _restore(self, observation: Floats) -> None:
        super()._restore(observation)
        self.env.fickle_step = False


class Blackjack(GymnasiumSimulator):
    """Blackjack, an infinite deck: the dealer's hole card and all further cards are hidden from the player."""

    variant = variants.Blackjack
    state_attributes = ("player", "dealer")

    def _restore(self, observation: Floats) -> None:
        """Some hand with this total and usable ace; the hole card is drawn from the environment's generator.

        A soft 21 may be a natural or have been drawn to, and what it is worth differs: a fair coin decides.
        """
        total, dealer, ace = (int(x) for x in observation)
        bonus, naturals = getattr(self.env, "ace_bonus", ACE_BONUS), getattr(self.env, "natural_wins", True)
        self.env.player = _soft_hand(total - bonus, naturals, self.env.np_random) if ace else _hard_hand(total)
        self.env.dealer = [dealer, self._card(self.env.np_random)]

    def load(self, snapshot: Snapshot, rng: np.random.Generator | None = None) -> None:
        """Return to a snapshot.

        Without rng the dealer's hand is the true one and cards come from the episode's own generator. A planner gives
        an rng: then the hole card is drawn anew, and so are all further cards. Cards are drawn with replacement and
        the dealer does not peek, so the hole card is independent of all that the player has seen.
        """
        super().load(snapshot)
        if rng is not None:
            self.env.np_random = rng
            self.env.dealer = [self.env.dealer[0], self._card(rng)]

    def _card(self, rng: np.random.Generator) -> int:
        draw = getattr(self.env, "card", blackjack.draw_card)
        return int(draw(rng))


def _soft_hand(points: int, naturals: bool, rng: np.random.Generator) -> list[int]:
    """Cards with an ace that count so much without its bonus: two, or three for half of what may be a natural."""
    if points == 11 and naturals and rng.random() < 0.5:
        return [1, 5, 5]
    return [1, points - 1]


def _hard_hand(total: int) -> list[int]:
    """Cards of a total (at least 4) without an ace."""
    return [2, total - 2]
