"""How a model is asked: reasoning effort, the Responses API, caches of prompts."""

from __future__ import annotations

from typing import Any

import pytest
from endpoint import REQUEST, endpoint
from scripted_server import ScriptedServer, answer, completion, json_body, status

from cwmb.errors import CwmbError, InfrastructureError
from cwmb.models import prompts
from cwmb.models.openai import OpenAI
from cwmb.models.openai.name import Name
from cwmb.models.prices import dollars
from cwmb.testing import PROGRAM, Script, tiny_task
from cwmb.types import Program, Reply, Usage


def ask(name: str, script: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Reply, ScriptedServer, OpenAI]:
    with ScriptedServer(script) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        model = OpenAI(name, sleep=lambda _: None, attempts=2)
        return model.complete(REQUEST), server, model


def test_an_effort_is_sent_named_and_leaves_room_to_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    _, server, model = ask("m?effort=high", [answer("hi")], monkeypatch)
    body = server.bodies[0]
    assert (body["model"], body["reasoning_effort"], body["max_tokens"]) == ("m", "high", 100 + 16000)
    assert model.name == "openai:m?effort=high"


def test_an_effort_that_is_refused_is_an_error_and_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = status(400, "Unsupported value: 'reasoning_effort' does not support 'huge'", param="reasoning_effort")
    with pytest.raises(InfrastructureError, match="reasoning_effort"):
        ask("m?effort=huge", [refusal], monkeypatch)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "which model"),
        ("?effort=high", "which model"),
        ("m?efort=high", "unknown option of openai:m 'efort'"),
        ("m?effort=", "are no options"),
        ("m?effort=high&effort=low", "are no options"),
        ("m?api=chatty", "unknown api of openai 'chatty'"),
    ],
)
def test_a_name_that_says_nothing_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(CwmbError, match=complaint):
        Name.of(name)


def test_one_way_of_asking_has_one_name() -> None:
    assert str(Name.of("a/b:c?api=responses&effort=low")) == "openai:a/b:c?effort=low&api=responses"
    assert str(Name.of("a/b:c?api=chat")) == "openai:a/b:c"


def a_response(**changes: Any) -> Any:
    """An answer as the Responses API gives it."""
    content = [{"type": "output_text", "text": "four", "annotations": []}]
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "m-2026-01-01",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Two and two."}]},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content},
        ],
        "usage": {
            "input_tokens": 75,
            "input_tokens_details": {"cached_tokens": 64},
            "output_tokens": 300,
            "output_tokens_details": {"reasoning_tokens": 250},
            "total_tokens": 375,
        },
    } | changes


def test_the_responses_api(monkeypatch: pytest.MonkeyPatch) -> None:
    reply, server, _ = ask("m?api=responses&effort=low", [json_body(a_response())], monkeypatch)
    assert server.paths == ["/v1/responses"]
    assert server.bodies == [
        {
            "model": "m",
            "input": [{"role": "user", "content": "What is two and two?"}],
            "max_output_tokens": 16100,
            "temperature": 1.0,
            "top_p": 0.95,
            "reasoning": {"effort": "low"},
            "store": False,
        }
    ]
    assert (reply.text, reply.thoughts, reply.finish_reason, reply.model) == (
        "four",
        "Two and two.",
        "stop",
        "m-2026-01-01",
    )
    assert reply.usage == Usage(1, 75, 64, 300, 250, 0.0)
    assert reply.dropped == ("seed",)


@pytest.mark.parametrize(
    ("changes", "text", "reason"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "four", "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "four", "content_filter"),
        (
            {"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "I will not."}]}]},
            "I will not.",
            "refused",
        ),
    ],
)
def test_how_a_response_may_end(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], text: str, reason: str
) -> None:
    reply, _, _ = ask("m?api=responses", [json_body(a_response(**changes))], monkeypatch)
    assert (reply.text, reply.finish_reason) == (text, reason)


def test_an_error_inside_a_response_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = a_response(status="failed", output=[], error={"code": "server_error", "message": "overloaded"})
    reply, server, _ = ask("m?api=responses", [json_body(failed), json_body(a_response())], monkeypatch)
    assert reply.text == "four"
    assert len(server.bodies) == 2


def test_parameters_that_the_responses_api_refuses_are_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = status(400, "Unsupported parameter: 'temperature'", param="temperature")
    reply, server, _ = ask("m?api=responses", [refusal, json_body(a_response())], monkeypatch)
    assert "temperature" not in server.bodies[1]
    assert reply.dropped == ("seed", "temperature")


CACHES: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "OpenAI": (
        {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 64}},
        (100, 64, 0),
    ),
    "a gateway to Anthropic": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "total_tokens": 105,
            "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 60},
        },
        (100, 30, 60),
    ),
    "Anthropic's own names": (
        {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 30,
            "cache_creation_input_tokens": 60,
        },
        (100, 30, 60),
    ),
    "more than there is": (
        {"prompt_tokens": 50, "completion_tokens": 5, "prompt_tokens_details": {"cache_write_tokens": 60}},
        (50, 0, 50),
    ),
}


@pytest.mark.parametrize("shape", CACHES)
def test_what_a_cache_gave_and_took_is_counted(shape: str) -> None:
    said, (prompt, cached, written) = CACHES[shape]
    with endpoint([json_body(completion("four", usage=said))]) as asked:
        usage = asked.complete().usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.written_tokens) == (prompt, cached, written)


def test_what_a_cache_gave_and_took_has_its_price() -> None:
    url, name = "https://api.anthropic.com/v1", "claude-sonnet-4-5"
    plain, written, cached = (
        dollars(Usage(1, 10**5, **more), url, name)
        for more in ({}, {"written_tokens": 10**5}, {"cached_tokens": 10**5})
    )
    assert plain
    assert written == pytest.approx(1.25 * plain)
    assert cached == pytest.approx(0.1 * plain)


def test_usages_add_up() -> None:
    assert (Usage(written_tokens=3) + Usage(written_tokens=4)).written_tokens == 7


def test_prompts_begin_alike_so_that_a_cache_helps() -> None:
    task, program = tiny_task(), Program(PROGRAM)
    evaluation = Script([0.5]).evaluate(program)
    asked = [
        prompts.generate(task),
        prompts.improve(task, program, evaluation, parent=0),
        prompts.improve(task, Program("# other\n" + PROGRAM), evaluation, parent=0),
    ]
    texts = [prompt.messages[0].content for prompt in asked]
    beginning = texts[0].index("# Your task")
    assert task.contract in texts[0][:beginning]
    assert len({text[:beginning] for text in texts}) == 1
