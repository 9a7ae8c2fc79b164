"""Reseeding every generator before every row, so that a program that draws random numbers is deterministic.

The prediction of a transition must be a function of the protocol's seed and the transition alone, the same in a fresh
process. So at the start of a row Python's and numpy's global generators are seeded from the seed and what the row
holds, which tells a program nothing that it does not see; what is created without a seed during the row takes its
entropy from there too; and a generator that a program made earlier and kept goes back to its beginning: to this row's
if it had no seed, to its own seed if it had one.
"""

from __future__ import annotations

import importlib
import os
import random
import weakref
from hashlib import blake2b
from typing import Any

import numpy as np

_BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
_plain_bit_generators = {name: getattr(np.random, name) for name in _BIT_GENERATORS}
_plain_seed = random.Random.seed
_shared: random.Random = random._inst  # the generator behind the module's functions


class Randomness:
    """All sources of randomness of a child. Made once, before the fork.

    distinct: whether generators made without a seed differ from each other. They do in planning, where many steps
    belong to one plan; for a single transition they must not, since a fresh process may have made fewer of them.
    """

    def __init__(self) -> None:
        self.distinct = False
        self._seed = 0
        self._key = 0
        self._made = self._drawn = 0
        self._kept: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._patch_numpy()
        self._patch_python()

    def begin(self, seed: int, row: bytes) -> None:
        """Start a row: from here on every draw follows from (seed, row)."""
        digest = blake2b(b"%d %b" % (seed, row), digest_size=8).digest()
        self._key = key = int.from_bytes(digest, "little")
        self._made = self._drawn = 0
        _plain_seed(_shared, key)
        np.random.seed(key & 0xFFFFFFFF)
        if self._kept:
            for generator, own_seed in list(self._kept.items()):
                generator._rewind(own_seed)

    @staticmethod
    def planner_generator(seed: int) -> np.random.Generator:
        """A generator that programs have nothing to do with."""
        return np.random.Generator(_plain_bit_generators["PCG64"](seed))

    def keep(self, generator: Any, own_seed: Any) -> None:
        """Note a generator that a program made. own_seed: None if it was given none."""
        self._kept[generator] = own_seed

    def entropy(self, bits: int) -> int:
        """Bits for a generator that is made without a seed."""
        self._made += self.distinct
        return int.from_bytes(self._bytes(b"made", self._made, (bits + 7) // 8), "little") & ((1 << bits) - 1)

    def system_bytes(self, size: int) -> bytes:
        """What the operating system's generator gives: other bytes each time."""
        self._drawn += 1
        return self._bytes(b"drawn", self._drawn, size)

    def _bytes(self, purpose: bytes, count: int, size: int) -> bytes:
        blocks = (blake2b(b"%d %s %d %d" % (self._key, purpose, count, i)).digest() for i in range(size // 64 + 1))
        return b"".join(blocks)[:size]

    def _patch_numpy(self) -> None:
        # What a SeedSequence without entropy asks, and what default_rng makes.
        vars(importlib.import_module("numpy.random.bit_generator"))["randbits"] = self.entropy
        vars(importlib.import_module("numpy.random._generator"))["PCG64"] = tracked_pcg64 = self._tracked("PCG64")
        for name in _BIT_GENERATORS:
            vars(np.random)[name] = tracked_pcg64 if name == "PCG64" else self._tracked(name)
        vars(np.random)["RandomState"] = _tracked_random_state(self)

    def _tracked(self, name: str) -> Any:
        return _tracked_bit_generator(self, _plain_bit_generators[name])

    def _patch_python(self) -> None:
        randomness = self

        def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
            _plain_seed(self, randomness.entropy(64) if a is None else a, version)
            if self is not _shared:
                randomness.keep(self, a)

        def rewind(self: random.Random, own_seed: Any) -> None:
            _plain_seed(self, randomness.entropy(64) if own_seed is None else own_seed)

        setattr(random.Random, "seed", seed)  # noqa: B010
        setattr(random.Random, "_rewind", rewind)  # noqa: B010
        vars(random).update(seed=_shared.seed, _urandom=self.system_bytes)
        vars(os).update(urandom=self.system_bytes)


def _tracked_bit_generator(randomness: Randomness, plain: Any) -> Any:
    class Tracked(plain):  # type: ignore[misc]
        def __init__(self, seed: Any = None, **options: Any) -> None:
            super().__init__(seed, **options)
            randomness.keep(self, seed)

        def _rewind(self, own_seed: Any) -> None:
            self.state = plain(own_seed).state

    Tracked.__name__ = Tracked.__qualname__ = plain.__name__
    Tracked.__module__ = "numpy.random"  # where it is found when it is copied
    return Tracked


def _tracked_random_state(randomness: Randomness) -> Any:
    plain: Any = np.random.RandomState

    class Tracked(plain):  # type: ignore[misc]
        def __init__(self, seed: Any = None) -> None:
            super().__init__(seed)
            randomness.keep(self, seed)

        def _rewind(self, own_seed: Any) -> None:
            self.set_state(plain(own_seed).get_state())

    Tracked.__name__ = Tracked.__qualname__ = plain.__name__
    Tracked.__module__ = "numpy.random"  # where it is found when it is copied
    return Tracked
