"""How long an endpoint is waited for, and who sees it."""

from __future__ import annotations

import email.utils
import os
import time
from unittest.mock import patch

import pytest
from endpoint import KEY, REQUEST, endpoint
from scripted_server import ScriptedServer, answer, json_body, status

from cwmb.errors import InfrastructureError
from cwmb.models import load
from cwmb.models.pausing import pause, pausing

PAST = email.utils.formatdate(time.time() - 500, usegmt=True)


@pytest.mark.parametrize(
    "headers",
    [{"retry-after": value} for value in ("0", "0.0", "-5", PAST, "nan", "inf", "soon", "", "0.01")]
    + [{"retry-after-ms": value} for value in ("0", "1", "-3", "x")]
    + [{}],
)
def test_no_wait_is_shorter_than_the_back_off(headers: dict[str, str]) -> None:
    with endpoint([status(429, headers=headers)]) as asked, pytest.raises(InfrastructureError):
        asked.complete()
    for wait, longest in zip(asked.waits, (1, 2, 4, 8, 16, 32, 60), strict=True):
        assert longest / 2 <= wait <= longest


@pytest.mark.parametrize(
    "fault",
    [
        status(429, headers={"retry-after": "90"}),
        status(429, headers={"retry-after-ms": "90000"}),
        status(503, headers={"x-ms-retry-after-ms": "90000"}),
        status(429, headers={"retry-after": "0", "retry-after-ms": "90000"}),
        json_body({"error": {"code": 429, "details": [{"retryDelay": "90s"}]}}, 429),
    ],
)
def test_a_longer_one_is_kept_to(fault: object) -> None:
    with endpoint([fault, answer("four")]) as asked:  # type: ignore[list-item]
        asked.complete()
    assert asked.waits == [90.0]


class Over(BaseException):
    """What ends a wait."""


def test_waits_are_said_and_can_be_ended() -> None:
    said: list[tuple[float, str]] = []

    def see(seconds: float, why: str) -> None:
        said.append((seconds, why))
        if len(said) == 3:
            raise Over

    with (
        ScriptedServer([status(503, f"busy\n{KEY}")]) as server,
        patch.dict(os.environ, {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY}),
        pausing(see),
        pytest.raises(Over),
    ):
        load("openai:m").complete(REQUEST)
    assert [why for _, why in said] == [f"waiting, attempt {k} of 8: HTTP 503: busy ***" for k in (2, 3, 4)]
    assert len(server.bodies) == 3


def test_elsewhere_a_pause_is_a_sleep() -> None:
    with patch("cwmb.models.pausing.time.sleep") as sleep:
        pause(3.0, "why")
        with pausing(lambda seconds, why: None):
            pause(4.0, "why")
        pause(5.0, "why")
    assert [call.args for call in sleep.call_args_list] == [(3.0,), (5.0,)]
