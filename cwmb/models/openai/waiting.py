"""How long to wait before an endpoint is asked again."""

from __future__ import annotations

import email.utils
import math
import random
import re
import time
from collections.abc import Mapping

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds between attempts, doubling
LONGEST_RETRY_AFTER = 600.0  # seconds: an endpoint that asks for more is not worth waiting for

_DELAY = re.compile(rb'"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"')  # as Google says it


def back_off(attempt: int, generator: random.Random) -> float:
    """Seconds to wait after the attempt of this number, from 0."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0**attempt) * generator.uniform(0.5, 1.0)


def asked_to_wait(headers: Mapping[str, str], content: bytes) -> float:
    """The seconds that an endpoint asks to wait, as a number, a date or milliseconds; 0 if it does not."""
    in_body = _DELAY.search(content)
    seconds = [
        _number(headers.get("retry-after-ms", "")) / 1000,
        _number(headers.get("x-ms-retry-after-ms", "")) / 1000,
        _number(headers.get("retry-after", "")),
        _until(headers.get("retry-after", "")),
        float(in_body[1]) if in_body else 0.0,
    ]
    return max(seconds)


def _number(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        return 0.0
    return number if 0 <= number < math.inf else 0.0


def _until(value: str) -> float:
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
