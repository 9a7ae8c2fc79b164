from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import ScriptedServer, answer, status

from cwmb.models.openai import OpenAI
from cwmb.models.openai.pace import MINUTE, WAITS, Minute, Pace, Paced, Rate, paced
from cwmb.models.pausing import pausing
from cwmb.types import Message, Reply, Request, Sampling, Usage


class Clock:
    """Time that passes only while somebody pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def request(characters: int = 40, answer: int = 90) -> Request:
    """One of characters / 4 + answer tokens."""
    return Request((Message("user", "x" * characters),), Sampling(max_new_tokens=answer), seed=1)


def reply(tokens: int) -> Reply:
    return Reply("", Usage(1, tokens, 0, 0, 0, 0.0))


@given(
    requests=st.none() | st.integers(1, 5),
    tokens=st.none() | st.integers(1, 100),
    asked=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 40)), max_size=40),
)
def test_no_minute_has_more_than_allowed(
    requests: int | None, tokens: int | None, asked: list[tuple[int, int]]
) -> None:
    clock = Clock()
    minute = Minute(Rate(requests, tokens), clock)
    started: list[tuple[float, int]] = []
    for amount, idle in asked:
        clock.now += idle
        while (turn := minute.take(amount)).seconds > 0:
            assert turn.seconds <= MINUTE
            clock.now += turn.seconds
        started.append((clock.now, amount))
    for start, _ in started:
        window = [amount for time, amount in started if start <= time < start + MINUTE]
        assert requests is None or len(window) <= requests
        assert tokens is None or sum(window) <= tokens or (len(window) == 1 or sum(window[1:]) == 0)


def test_nobody_waits_for_longer_than_needed() -> None:
    clock = Clock()
    minute = Minute(Rate(3, 100), clock)
    assert [minute.take(30).seconds for _ in range(3)] == [0, 0, 0]
    clock.now = 10.0
    assert minute.take(1).seconds == 50.0  # three requests
    clock.now = 60.0
    assert minute.take(100).seconds == 0
    clock.now = 61.0
    assert minute.take(1).seconds == 59.0  # a hundred tokens


def test_the_usage_that_was_reported_makes_room() -> None:
    clock = Clock()
    minute = Minute(Rate(None, 100), clock)
    turn = minute.take(90)
    assert minute.take(50).seconds == MINUTE
    minute.correct(turn.number, 20)
    assert minute.take(50).seconds == 0
    minute.correct(turn.number, 60)  # more than was thought
    assert minute.take(1).seconds == MINUTE
    clock.now = 1000.0
    minute.correct(turn.number, 5)  # long forgotten
    assert minute.take(100).seconds == 0


def test_a_request_over_the_limit_goes_alone() -> None:
    clock = Clock()
    minute = Minute(Rate(None, 100), clock)
    minute.take(1)
    clock.now = 20.0
    assert minute.take(5000).seconds == 40.0
    clock.now = 60.0
    assert minute.take(5000).seconds == 0
    assert minute.take(1).seconds == MINUTE


def test_pace_estimates_waits_and_corrects() -> None:
    clock = Clock()
    pace = Pace(Minute(Rate(None, 150), clock), clock.pause)
    assert pace.ask(request(), lambda: reply(50)) == reply(50)  # estimated as 100
    assert pace.ask(request(), lambda: reply(150)).usage.prompt_tokens == 150
    assert clock.now == 0.0
    pace.ask(request(), lambda: reply(1))
    assert clock.now == MINUTE


def test_an_attempt_that_fails_counts() -> None:
    clock = Clock()
    pace = Pace(Minute(Rate(None, 150), clock), clock.pause)
    with pytest.raises(ZeroDivisionError):
        pace.ask(request(), lambda: reply(1 // 0))
    pace.ask(request(), lambda: reply(1))
    assert clock.now == MINUTE


class Stopped(BaseException):
    pass


def test_a_stop_ends_all_who_wait() -> None:
    """One waits for its turn and the others for that one; none of them asks any more."""
    stop, waiting = threading.Event(), threading.Event()

    def pause(seconds: float) -> None:
        if seconds:
            waiting.set()
        if stop.wait(seconds):
            raise Stopped

    pace = Pace(Minute(Rate(1, None)), pause)
    pace.ask(request(), lambda: reply(1))
    ended: list[str] = []

    def wait() -> None:
        try:
            pace.ask(request(), lambda: pytest.fail("asked"))
        except Stopped:
            ended.append("stopped")

    threads = [threading.Thread(target=wait) for _ in range(10)]
    for thread in threads:
        thread.start()
    assert waiting.wait(60)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert ended == ["stopped"] * 10


def test_every_attempt_of_an_endpoint_is_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    with ScriptedServer([status(503), answer("hello")]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        provider = OpenAI("m", sleep=lambda _: None)
        assert paced(provider, Pace(Minute(Rate(1, None), clock), clock.pause)) is provider
        assert provider.complete(request()).text == "hello"
        assert len(server.bodies) == 2
    assert clock.now == MINUTE


def test_any_other_provider_is_paced_by_the_call() -> None:
    class Plugin:
        name = "plugin:m"

        def complete(self, _: Request) -> Reply:
            return reply(1)

    clock = Clock()
    provider = paced(Plugin(), Pace(Minute(Rate(1, None), clock), clock.pause))
    assert isinstance(provider, Paced)
    assert provider.name == "plugin:m"
    assert [provider.complete(request()) for _ in range(3)] == [reply(1)] * 3
    assert clock.now == 2 * MINUTE


def test_who_waits_for_a_turn_says_so_once() -> None:
    clock, shown = Clock(), list[str]()
    pace = Pace(Minute(Rate(1, None), clock), clock.pause)
    with pausing(lambda seconds, why: shown.append(why)):
        pace.ask(request(), lambda: reply(1))
        assert shown == []
        pace.ask(request(), lambda: reply(1))
    assert shown == [WAITS]
    assert sum(clock.pauses) == MINUTE
