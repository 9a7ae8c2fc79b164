"""Plain values to dataclasses. All of the package converts through here, as cells run in threads.

msgspec (0.22) gathers what it must know of a dataclass when the class is first used. Where two threads do so at once,
the second one finds it half gathered and the process crashes. So one thread converts at a time.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_one_at_a_time = Lock()


def convert(value: Any, type_: type[T], *, strict: bool = True) -> T:
    """A value of plain JSON types as one of a dataclass; strict: strings are not taken for numbers.

    Raises:
        msgspec.ValidationError: it does not fit.
    """
    with _one_at_a_time:
        return msgspec.convert(value, type_, strict=strict)
