from __future__ import annotations

from dataclasses import replace

from cwmb.models.requests import request_hash
from cwmb.types import Message, Request, Sampling

REQUEST = Request((Message("user", "é\ud800"),), Sampling(), seed=3)


def test_the_hash_is_of_the_canonical_json() -> None:
    """Written down, since recorded runs are found by it."""
    assert request_hash(REQUEST) == "f09d12fabe34c0b5eafd7a841ff9e3524a71fd32bdff595193dd344b6cfbdff6"


def test_everything_that_is_asked_is_part_of_it() -> None:
    others = [
        replace(REQUEST, seed=4),
        replace(REQUEST, sampling=Sampling(temperature=None)),
        replace(REQUEST, messages=(Message("system", "é\ud800"),)),
        replace(REQUEST, messages=(Message("user", "é"),)),
        replace(REQUEST, messages=()),
    ]
    assert len({request_hash(r) for r in [REQUEST, *others]}) == 6
