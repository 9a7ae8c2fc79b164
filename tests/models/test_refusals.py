"""What endpoints say where they do not answer."""

from __future__ import annotations

import os
from typing import Any
from unittest.mock import patch

import pytest
from endpoint import KEY, REQUEST, endpoint
from scripted_server import Behaviour, answer, completion, json_body, page, raw, reset, status

from cwmb.errors import CwmbError, EndpointRefused, InfrastructureError
from cwmb.models import load
from cwmb.models.openai.refusals import REFUSED, stopped_by_a_filter

AZURE = {
    "error": {
        "message": "The response was filtered due to the prompt triggering the content management policy.",
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}},
    }
}
FILTERED = {
    "a code": status(400, "The prompt set off the policy.", code="content_filter"),
    "Azure": json_body(AZURE, 400),
    "Azure, only the inner error": json_body(
        {"error": {"message": "no", "code": "400", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, 400
    ),
    "OpenAI": status(400, "Invalid prompt: limited access", code="invalid_prompt"),
    "a policy": status(400, "This request may violate our usage policies", type="invalid_request_error"),
    "Anthropic": json_body(
        {"type": "error", "error": {"type": "invalid_request_error", "message": "Output blocked by content filtering"}},
        400,
    ),
    "OpenRouter": json_body(
        {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["violence"]}}}, 403
    ),
    "xAI": json_body(
        {"code": "no permission", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"},
        403,
    ),
    "DashScope": status(400, "Input data may contain inappropriate content.", code="data_inspection_failed"),
    "DeepSeek": status(400, "Content Exists Risk"),
    "Moonshot": status(400, "The request was rejected because it was considered high risk", type="content_filter"),
    "LiteLLM": status(400, "litellm.ContentPolicyViolationError: AzureException", code="content_policy_violation"),
    "inside an answer": json_body(AZURE),
    "451": status(451, "the prompt was blocked by a guardrail"),
}


@pytest.mark.parametrize("fault", FILTERED.values(), ids=FILTERED)
def test_a_filtered_prompt_is_answered_by_a_refusal(fault: Behaviour) -> None:
    with endpoint([fault, answer("four")]) as asked:
        reply = asked.complete()
        assert reply.finish_reason == REFUSED
        assert reply.text
        assert (reply.usage.calls, reply.usage.completion_tokens, reply.usage.dollars) == (1, 0, 0.0)
        assert asked.complete().text == "four"
        assert len(asked.server.bodies) == 2
        assert asked.waits == []


def blocked(**fields: Any) -> Behaviour:
    return json_body({"model": "m", "usage": {"prompt_tokens": 12, "completion_tokens": 0}, **fields})


STOPPED = {
    "content_filter": answer("", finish_reason="content_filter"),
    "no content": answer(None, finish_reason="content_filter"),
    "no message": json_body({"choices": [{"finish_reason": "content_filter"}]}),
    "Gemini's reason": answer(None, finish_reason="PROHIBITED_CONTENT"),
    "Gemini's safety": answer(None, finish_reason="SAFETY"),
    "recitation": answer("", finish_reason="content_filter: RECITATION"),
    "Gemini without choices": blocked(choices=[], promptFeedback={"blockReason": "PROHIBITED_CONTENT"}),
    "without choices, by another name": blocked(choices=None, prompt_feedback={"block_reason": "SAFETY"}),
    "Azure without choices": blocked(
        choices=[], prompt_filter_results=[{"content_filter_results": {"hate": {"filtered": True}}}]
    ),
    "Anthropic": answer("", finish_reason="refusal"),
    "Anthropic's own name": json_body({"choices": [{"stop_reason": "refusal", "message": {"content": ""}}]}),
    "OpenRouter": json_body(
        {"choices": [{"finish_reason": "stop", "native_finish_reason": "SAFETY", "message": {"content": ""}}]}
    ),
    "Zhipu": answer("", finish_reason="sensitive"),
    "Bedrock": answer("", finish_reason="guardrail_intervened"),
    "a refusal": answer(None, message={"refusal": "I won't."}),
}


@pytest.mark.parametrize("fault", STOPPED.values(), ids=STOPPED)
def test_an_answer_that_was_stopped_says_so(fault: Behaviour) -> None:
    with endpoint([fault]) as asked:
        reply = asked.complete()
        assert stopped_by_a_filter(reply.finish_reason)
        assert reply.text in ("", "I won't.")
        assert len(asked.server.bodies) == 1


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "eos", "end_turn", "STOP"])
def test_other_ends_are_none(reason: str) -> None:
    assert not stopped_by_a_filter(reason)


UPSTREAM = {"code": 502, "message": "Upstream provider went away"}
INSIDE = {
    "in the choice": json_body(
        {"choices": [{"finish_reason": "error", "message": {"content": ""}, "error": UPSTREAM}]}
    ),
    "in the choice, beside a text": json_body({"choices": [{"message": {"content": "class"}, "error": UPSTREAM}]}),
    "at the top": json_body({"error": UPSTREAM}),
    "at the top, a text": json_body({"error": "overloaded"}),
    "at the top, beside choices": json_body({"error": UPSTREAM, **completion("")}),
    "only a reason": answer("", finish_reason="error"),
    "network_error": answer("", finish_reason="network_error"),
    "insufficient_system_resource": answer("cl", finish_reason="insufficient_system_resource"),
    "abort": answer("", finish_reason="abort"),
    "no choices": json_body({"choices": []}),
    "no choices, with usage": blocked(choices=[]),
    "Azure's filter that let it pass": blocked(
        choices=[], prompt_filter_results=[{"content_filter_results": {"hate": {"filtered": False}}}]
    ),
    "detail": json_body({"detail": "worker died"}),
    "a vendor's status": json_body({"status": 500, "msg": "model is loading", "data": None}),
    "deep": raw(b"[" * 100_000),
}


@pytest.mark.parametrize("fault", INSIDE.values(), ids=INSIDE)
def test_an_error_inside_an_answer_is_never_an_answer(fault: Behaviour) -> None:
    with endpoint([fault, fault, answer("four")]) as asked:
        assert asked.complete().text == "four"
        assert len(asked.waits) == 2
    with endpoint([fault], attempts=3) as asked, pytest.raises(InfrastructureError, match=r"\(3 attempts\)"):
        asked.complete()


SHAPES = {
    "OpenAI": {"error": {"message": "REASON"}},
    "a text": {"error": "REASON"},
    "message": {"message": "REASON"},
    "detail": {"detail": "REASON"},
    "details": {"detail": [{"loc": ["body", "model"], "msg": "REASON"}]},
    "vLLM": {"object": "error", "message": "REASON", "type": "Forbidden", "code": 403},
    "Gemini": [{"error": {"code": 403, "message": "REASON", "status": "PERMISSION_DENIED"}}],
    "errors": {"errors": [{"message": "REASON"}]},
    "xAI": {"code": "REASON", "error": ""},
    "OpenRouter": {"error": {"message": "Provider returned error", "metadata": {"raw": "REASON"}}},
    "a bare text": "REASON",
}


@pytest.mark.parametrize("data", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("code", [401, 403])
def test_the_endpoints_own_words_are_told(data: Any, code: int) -> None:
    reason = f"Country,\nregion or territory not supported {KEY}"
    text = json_body(data, code)
    with endpoint([text]) as asked, pytest.raises(InfrastructureError) as caught:
        asked.complete()
    assert f"HTTP {code}" in str(caught.value)
    assert "REASON" in str(caught.value)
    with endpoint([status(code, reason)]) as asked, pytest.raises(InfrastructureError) as caught:
        asked.complete()
    assert f"HTTP {code}: Country, region or territory not supported ***" in str(caught.value)
    assert len(asked.server.bodies) == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (page("Access denied", 403), "HTTP 403: Access denied"),
        (raw(b"", 403), r"HTTP 403: no explanation \(Forbidden\)"),
        (raw(rb"no\ud83d way".replace(b"\\ud83d", b"\xff"), 403), "HTTP 403: no"),
        (status(403, "x" * 5000), "x{200}…"),
        (status(403, "half \ud800 a pair"), "half \ufffd a pair"),
        (status(401), r"OPENAI_API_KEY"),
    ],
)
def test_words_are_short_and_in_one_line(fault: Behaviour, told: str) -> None:
    with endpoint([fault]) as asked, pytest.raises(InfrastructureError, match=told) as caught:
        asked.complete()
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)
    str(caught.value).encode()


NOT_THERE = {
    "404": status(404, "Not Found"),
    "405": json_body({"detail": "Method Not Allowed"}, 405),
    "a page": page(),
    "a page that calls itself JSON": raw(b"\n <html></html>"),
    "404 page": page("nginx", 404),
    "LM Studio": json_body({"error": "Unexpected endpoint or method. (POST /chat/completions)"}),
}


@pytest.mark.parametrize("fault", NOT_THERE.values(), ids=NOT_THERE)
def test_an_address_that_is_none(fault: Behaviour) -> None:
    for path, advice in {
        "": "OPENAI_BASE_URL may lack /v1: try http://127.0.0.1:{port}/v1",
        "/": "OPENAI_BASE_URL may lack /v1: try http://127.0.0.1:{port}/v1",
        "/api": "OPENAI_BASE_URL may lack /v1: try http://127.0.0.1:{port}/api/v1",
        "/v1": "asked was http://127.0.0.1:{port}/v1/chat/completions",
        "/v1beta/openai": "asked was http://127.0.0.1:{port}/v1beta/openai/chat/completions",
        "/v1/chat/completions": "set OPENAI_BASE_URL to http://127.0.0.1:{port}/v1",
    }.items():
        with endpoint([fault], path=path) as asked, pytest.raises(EndpointRefused) as caught:
            asked.complete()
        port = asked.server.url.split(":")[2].removesuffix("/v1")
        assert advice.format(port=port) in str(caught.value)
        assert f"{path.rstrip('/')}/chat/completions" in str(caught.value)
        assert ("lack /v1" in str(caught.value)) == ("/v1" not in path)
        assert len(asked.server.bodies) == 1
        assert asked.waits == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", "ALL_PROXY=socks5://127.0.0.1:9 cannot be used.*socksio"),
        ("https_proxy", "socks5h://me:secret@127.0.0.1:9", r"https_proxy=socks5h://\*\*\*@127.0.0.1:9"),
        ("HTTPS_PROXY", "foo://x", "HTTPS_PROXY=foo://x cannot be used"),
        ("HTTP_PROXY", "http://[::1", r"HTTP_PROXY=http://\[::1 cannot be used"),
        ("SSL_CERT_FILE", "/nowhere", "SSL_CERT_FILE=/nowhere cannot be used"),
        ("SSL_CERT_FILE", __file__, "SSL_CERT_FILE=.* cannot be used"),
    ],
)
def test_settings_around_it_are_named(name: str, value: str, told: str) -> None:
    with (
        endpoint([answer("four")]),
        patch.dict(os.environ, {name: value}),
        pytest.raises(CwmbError, match=told) as caught,
    ):
        load("openai:gpt-test")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_proxy_that_refuses_is_named() -> None:
    with (
        endpoint([reset()]) as asked,
        patch.dict(os.environ, {"HTTP_PROXY": "http://me:secret@127.0.0.1:9", "NO_PROXY": ""}),
        pytest.raises(InfrastructureError, match=r"refused by 127\.0\.0\.1:9 \(the proxy in HTTP_PROXY\)") as caught,
    ):
        type(asked.model)("gpt-test", attempts=1).complete(REQUEST)
    assert "secret" not in str(caught.value)
