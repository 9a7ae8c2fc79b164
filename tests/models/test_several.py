"""One model behind several endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from endpoint import REQUEST
from scripted_server import ScriptedServer, answer, status

from cwmb.errors import CwmbError, EndpointRefused, InfrastructureError
from cwmb.models import load
from cwmb.models.openai.several import Several


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float, why: str) -> None:
        assert "busy" in why
        self.waits.append(seconds)
        self.now += seconds


@contextmanager
def several(*scripts: Any, **options: Any) -> Iterator[tuple[Several, list[ScriptedServer], Clock]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(ScriptedServer(script)) for script in scripts]
        clock = Clock()
        urls = [server.url for server in servers]
        yield Several("m", urls, [""], clock=clock, sleep=clock.sleep, **options), servers, clock


def asked(servers: list[ScriptedServer]) -> list[int]:
    return [len(server.bodies) for server in servers]


def test_they_are_asked_in_turn() -> None:
    with several([answer("a")], [answer("b")]) as (model, servers, clock):
        assert [model.complete(REQUEST).text for _ in range(4)] == ["a", "b", "a", "b"]
        assert asked(servers) == [2, 2]
        assert clock.waits == []


def test_one_that_fails_is_left_alone_for_a_while_and_then_asked_again() -> None:
    busy = status(429, headers={"retry-after": "30"})
    with several([busy, answer("a")], [answer("b")]) as (model, servers, clock):
        assert [model.complete(REQUEST).text for _ in range(3)] == ["b", "b", "b"]
        assert asked(servers) == [1, 3]
        clock.now = 31.0
        assert {model.complete(REQUEST).text for _ in range(2)} == {"a", "b"}
        assert clock.waits == []


def test_where_all_are_busy_the_first_that_is_free_is_waited_for() -> None:
    scripts = [[status(429, headers={"retry-after": wait}), answer(wait)] for wait in ("50", "20")]
    with several(*scripts) as (model, _, clock):
        assert model.complete(REQUEST).text == "20"
        assert clock.waits == [pytest.approx(20.0)]


def test_one_that_refuses_everybody_is_asked_no_more() -> None:
    with several([status(401)], [answer("b")]) as (model, servers, _):
        assert [model.complete(REQUEST).text for _ in range(3)] == ["b", "b", "b"]
        assert asked(servers) == [1, 3]
    with several([status(401)], [status(401)]) as (model, _, _), pytest.raises(EndpointRefused, match="401"):
        model.complete(REQUEST)


def test_what_waiting_does_not_cure_is_an_error_and_attempts_have_an_end() -> None:
    with several([status(400, "no")], [answer("b")]) as (model, _, _), pytest.raises(InfrastructureError, match="no"):
        model.complete(REQUEST)
    with several([status(503)], [status(503)], attempts=2) as (model, servers, _):
        with pytest.raises(InfrastructureError, match="503"):
            model.complete(REQUEST)
        assert sum(asked(servers)) == 4


def test_the_environment_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer("a")]) as one, ScriptedServer([answer("b")]) as other:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{one.url}, {other.url}")
        monkeypatch.setenv("OPENAI_API_KEY", "first-key-0123,second-key-0123")
        model = load("openai:m?effort=low")
        assert [model.complete(REQUEST).text for _ in range(2)] == ["a", "b"]
        assert model.name == "openai:m?effort=low"
        keys = [server.headers[0]["authorization"] for server in (one, other)]
        assert keys == ["Bearer first-key-0123", "Bearer second-key-0123"]
        monkeypatch.setenv("OPENAI_API_KEY", "a,b,c")
        with pytest.raises(CwmbError, match="3 keys for 2 addresses"):
            load("openai:m")
