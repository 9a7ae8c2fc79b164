"""Where every random draw comes from. Strategy and model stay out of the seeds, so that comparisons are paired."""

from __future__ import annotations

from enum import IntEnum
from hashlib import blake2b
from zlib import crc32

import numpy as np


class Purpose(IntEnum):
    """What randomness is for; each purpose has generators of its own."""

    SEARCH = 0
    FEEDBACK = 1
    PLANNER = 2
    RANDOM_POLICY = 3
    AUDIT = 4
    REQUEST = 5
    ORACLE = 6
    DELIVERY = 7


def sequence(seed: int, environment: str, purpose: Purpose, *index: int) -> np.random.SeedSequence:
    """The seed sequence of a purpose (and of an index, where each draw stands alone)."""
    return np.random.SeedSequence([seed, crc32(environment.encode()), purpose, *index])


def generator(seed: int, environment: str, purpose: Purpose, *index: int) -> np.random.Generator:
    """A generator of a purpose."""
    return np.random.default_rng(sequence(seed, environment, purpose, *index))


def number(seed: int, environment: str, purpose: Purpose, *index: int) -> int:
    """An integer seed below 2**31, for those who take one (endpoints, the sandbox's planner)."""
    return int(sequence(seed, environment, purpose, *index).generate_state(1, np.uint32)[0] >> 1)


def unforeseen(seed: int, environment: str, purpose: Purpose, source: str) -> np.random.Generator:
    """A generator that a program cannot foresee, since it follows from a keyed hash over the program's own source.

    Whoever has the source can recompute it.
    """
    key = blake2b(f"{seed} {environment} {purpose:d}".encode()).digest()
    digest = blake2b(source.encode("utf-8", "surrogatepass"), key=key, digest_size=32).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))
