"""Calls of tools: offered to an endpoint, read as the text that says the same, and given up where it takes none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from endpoint import REQUEST, endpoint
from scripted_server import Body, Script, ScriptedServer, answer, chunk, events, json_body, status

from cwmb import reference
from cwmb.cli import app
from cwmb.errors import InfrastructureError
from cwmb.models.extraction import extract
from cwmb.models.openai import calls
from cwmb.models.prompts.agent import TOOLS
from cwmb.strategies.agent import script_of
from cwmb.types import Completion, Usage

ASKED = replace(REQUEST, tools=TOOLS)


def call(name: str, arguments: Any, number: int = 0, **more: Any) -> Body:
    """One call as chat completions have it; arguments that are no text become one."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": text}, **more}


def calling(*said: Body, text: str | None = None) -> Any:
    """An answer with calls."""
    return answer(text, finish_reason="tool_calls", message={"tool_calls": list(said)})


def test_tools_are_offered_as_functions_of_one_text_and_only_where_there_are_some() -> None:
    with endpoint([answer("four")]) as asked:
        asked.complete(ASKED)
        asked.complete()
        offered, nothing = asked.server.bodies
    assert "tools" not in nothing
    assert [tool["function"]["name"] for tool in offered["tools"]] == ["run_script", "try_program", "submit"]
    assert offered["tools"][0]["type"] == "function"
    assert offered["tools"][0]["function"]["parameters"] == {
        "type": "object",
        "properties": {"script": {"type": "string"}},
        "required": ["script"],
        "additionalProperties": False,
    }
    assert offered["tools"][2]["function"]["parameters"]["required"] == []


def test_several_calls_in_one_answer_stand_in_its_text_in_order() -> None:
    program = 'class Environment:\n    """```"""\n'
    said = [
        call("run_script", {"script": "print(1)"}),
        call("run_script", {"script": "print(2)\n"}, 1),
        call("try_program", {"program": program}, 2),
        call("submit", {}, 3),
    ]
    with endpoint([calling(*said, text="Let me look.")]) as asked:
        reply = asked.complete(ASKED)
    assert reply.finish_reason == "tool_calls"
    assert reply.text == (
        f"Let me look.\n\n```analysis\nprint(1)\n```\n\n```analysis\nprint(2)\n```\n\n````python\n{program}````\n\nDONE"
    )
    completion = Completion(0, reply.text, None, None, Usage(), "tool_calls")
    assert script_of(completion) == "print(1)\n\nprint(2)\n"


def test_a_program_with_fences_of_its_own_is_found_whole() -> None:
    steps = "    def set_state(self, o): ...\n    def step(self, a): ...\n"
    program = f'class Environment:\n    """\n```python\nx\n```\n    """\n{steps}'
    text = calls.written({"tool_calls": [call("try_program", {"program": program})]}, TOOLS)
    found, failure = extract(text)
    assert failure is None
    assert found is not None
    assert found.source == program


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (call("run_script", '{"script": "print(1)'), "CALL FAILED: the arguments of run_script are no JSON (Untermin"),
        (call("run_script", "print(1)"), "CALL FAILED: the arguments of run_script are no JSON"),
        (call("run_script", "[" * 100_000), "CALL FAILED: the arguments of run_script are no JSON"),
        (call("run_script", '["print(1)"]'), "CALL FAILED: run_script needs the argument script, a text"),
        (call("run_script", {"code": "print(1)"}), "CALL FAILED: run_script needs the argument script, a text"),
        (call("browse", {"url": "x"}), "CALL FAILED: there is no tool 'browse', only run_script, try_program, submit"),
        (call("submit", "nonsense"), "DONE"),
        (call("run_script", '{"script": "print(1)\nprint(2)"}'), "```analysis\nprint(1)\nprint(2)\n```"),
        ({"function": {"name": "run_script", "arguments": {"script": "print(1)"}}}, "```analysis\nprint(1)\n```"),
        ({"function": None}, ""),
        ("call", ""),
    ],
)
def test_what_models_send(said: Any, expected: str) -> None:
    written = calls.written({"tool_calls": [said]}, TOOLS)
    assert written.startswith(expected)
    assert bool(written) == bool(expected)


def test_calls_come_in_pieces_in_a_stream() -> None:
    def piece(index: int, arguments: str, **more: Any) -> Body:
        return chunk(tool_calls=[{"index": index, "function": {"arguments": arguments, **more.pop("f", {})}, **more}])

    chunks = [
        chunk(role="assistant", content="Look."),
        piece(0, "", id="a", type="function", f={"name": "run_script"}),
        piece(0, '{"script": '),
        piece(0, '"print(1)"}'),
        piece(1, "{}", id="b", type="function", f={"name": "submit"}),
        chunk(finish_reason="tool_calls"),
    ]
    with endpoint([events(*chunks)]) as asked:
        assert asked.complete(ASKED).text == "Look.\n\n```analysis\nprint(1)\n```\n\nDONE"


def test_calls_with_one_index_and_names_of_their_own_are_several() -> None:
    said = [call("run_script", {"script": f"print({n})"}, n, index=0) for n in range(2)]
    assert calls.written({"tool_calls": said}, TOOLS).count("```analysis") == 2


def test_the_responses_api_has_flat_tools_and_calls_as_items(monkeypatch: pytest.MonkeyPatch) -> None:
    output = [{"type": "function_call", "call_id": "c", "name": "run_script", "arguments": '{"script": "print(1)"}'}]
    body = {"id": "r", "object": "response", "status": "completed", "output": output, "model": "m"}
    from cwmb.models.openai import OpenAI

    with ScriptedServer([json_body(body)]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        reply = OpenAI("m?api=responses").complete(ASKED)
    assert reply.text == "```analysis\nprint(1)\n```"
    assert server.bodies[0]["tools"][0]["name"] == "run_script"
    assert "function" not in server.bodies[0]["tools"][0]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (400, "registry.ollama.ai/library/llama3:latest does not support tools"),
        (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
        (400, "Function calling is not enabled for models/gemma-3-27b-it"),
        (404, 'No endpoints found that support tool use. Try disabling "run_script".'),
        (500, "Unsupported param: tools"),
        (500, "tools param requires --jinja flag"),
    ],
)
def test_an_endpoint_that_takes_no_tools_is_asked_without_them_from_then_on(code: int, words: str) -> None:
    """The words are those of Ollama, vLLM, Google, OpenRouter and two versions of llama.cpp's server."""
    with endpoint([status(code, words), answer("four")]) as asked:
        assert asked.complete(ASKED).dropped == ("tools",)
        assert asked.complete(ASKED).dropped == ("tools",)
        assert ["tools" in body for body in asked.server.bodies] == [True, False, False]
        assert asked.waits == []


def test_without_tools_such_words_are_an_error_as_any() -> None:
    with endpoint([status(400, "m does not support tools")]) as asked, pytest.raises(InfrastructureError):
        asked.complete()


# ------------------------------------------------------------------------------------- the agent, as a user runs it

RIGHT = reference.simple("CliffWalking-v0").source
WRONG = RIGHT.replace("-100", "-99")
RUN = ["--strategy", "agent", "--envs", "CliffWalking-v0", "--no-plan"]


@contextmanager
def served(script: Script, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """An endpoint on loopback, for the command line."""
    with ScriptedServer(script) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        yield server


def evaluated(model: str, out: Path) -> tuple[Body, list[Body], str]:
    """The record, the ledger, and what was printed."""
    done = CliRunner().invoke(app.app, ["eval", *RUN, "--model", model, "--out", str(out)], catch_exceptions=False)
    assert done.exit_code in (0, None), done.output
    ledger = [json.loads(line) for line in (out / "cells/CliffWalking-v0/seed-0/ledger.jsonl").open()]
    return json.loads((out / "records.jsonl").read_text()), ledger, done.output


def test_an_agent_calls_its_tools_and_its_run_can_be_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = [
        calling(call("run_script", {"script": "print(sorted(set(rewards.tolist())))"})),
        calling(call("browse", {"url": "x"}), call("try_program", {"program": WRONG}, 1)),
        calling(call("run_script", "{")),
        calling(call("run_script", {"script": "print(len(rewards))"}), call("try_program", {"program": RIGHT}, 1)),
    ]
    with served(script, monkeypatch) as server:
        record, ledger, _ = evaluated("openai:m", tmp_path / "run")
        told = [body["messages"][-1]["content"] for body in server.bodies]
    assert all(body["tools"] for body in server.bodies)
    assert "[-100.0, -1.0]" in told[1]
    assert "Score 0.8" in told[2]
    assert "CALL FAILED: there is no tool 'browse'" in told[2]
    assert told[3].startswith("CALL FAILED: the arguments of run_script are no JSON")
    assert (record["stop"], record["test"]["accuracy"], record["prompts"]) == ("perfect", 1.0, {"agent": 4})
    assert [entry["type"] for entry in ledger].count("call") == 4

    again, replayed, _ = evaluated(f"replay:{tmp_path / 'run'}", tmp_path / "again")
    for name in ("program", "stop", "prompts", "train", "test", "usage"):
        assert again[name] == record[name], name
    assert [(e["type"], e["key"], e["value"]) for e in replayed] == [(e["type"], e["key"], e["value"]) for e in ledger]


def test_an_agent_goes_on_in_text_where_tools_are_refused_which_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = [
        status(400, "m does not support tools"),
        answer(f"```python\n{WRONG}\n```"),
        answer(f"```python\n{RIGHT}\n```"),
    ]
    with served(script, monkeypatch) as server:
        record, _, printed = evaluated("openai:m", tmp_path / "run")
    assert ["tools" in body for body in server.bodies] == [True, False, False]
    assert record["test"]["accuracy"] == 1.0
    assert record["provenance"]["dropped_parameters"] == ["tools"]
    assert printed.count("openai:m refused parameters, which were left out: tools.") == 1
