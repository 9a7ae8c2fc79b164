"""REx (Tang et al. 2024, arXiv 2405.17503), what WorldCoder's authors use in practice: refine, expand, exploit."""

from __future__ import annotations

from dataclasses import dataclass

from cwmb.strategies.worldcoder import Arm, WorldCoder


@dataclass(frozen=True)
class Rex(WorldCoder):
    """WorldCoder with a sharper prior and one more arm, which writes a program from scratch.

    Its distribution is Beta(1, 1 + N) after N programs from scratch that were not perfect (their equation 10).
    """

    concentration: float = 20.0

    def first_arms(self) -> list[Arm]:
        """The arm that writes from scratch."""
        return [Arm(None)]
