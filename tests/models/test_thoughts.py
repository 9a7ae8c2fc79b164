"""Thoughts of every spelling: no part of the answer, kept, counted, and a reason to give more room."""

from __future__ import annotations

from typing import Any

import pytest
from endpoint import endpoint
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import answer, completion, json_body

from cwmb.models.extraction import extract
from cwmb.models.openai import thoughts

T, A = "Let me think, carefully.", "The answer."
INLINE = {
    "think": f"<think>{T}</think>{A}",
    "thinking": f"<thinking>\n{T}\n</thinking>\n\n{A}",
    "thought": f"<thought>{T}</thought>\n{A}",
    "reasoning": f"<reasoning>{T}</reasoning>\n{A}",
    "upper case": f"<THINK>{T}</THINK>\n{A}",
    "attributes": f'<think duration="3" lang="en">{T}</think>\n{A}',
    "a prefix": f"<seed:think>{T}</seed:think>\n{A}",
    "without an opening tag": f"{T}</think>\n\n{A}",
    "without an opening tag, another spelling": f"{T}</thought>\n\n{A}",
    "begin and end": f"<|begin_of_thought|>{T}<|end_of_thought|>\n{A}",
    "start and end": f"<|START_THINKING|>{T}<|END_THINKING|>\n{A}",
    "brackets": f"[THINK]{T}[/THINK]\n{A}",
    "triangles": f"◁think▷{T}◁/think▷\n{A}",
    "channels": f"<|channel|>analysis<|message|>{T}<|end|><|start|>assistant<|channel|>final<|message|>{A}",
    "at the end": f"{A}\n<think>{T}</think>",
}
UNFINISHED = ["<think>", "<thinking>\n", "<THOUGHT>", "<|begin_of_thought|>", "[THINK]", "<reasoning effort='high'>"]
BESIDE: dict[str, dict[str, Any]] = {
    "reasoning_content": {"reasoning_content": T},
    "reasoning": {"reasoning": T},
    "reasoning_details": {"reasoning_details": [{"type": "reasoning.text", "text": T}]},
    "summaries": {"reasoning_details": [{"type": "reasoning.summary", "summary": T}]},
    "the same twice": {"reasoning": T, "reasoning_details": [{"type": "reasoning.text", "text": T}]},
    "thinking": {"thinking": T},
    "blocks": {"thinking_blocks": [{"type": "thinking", "thinking": T, "signature": "x"}]},
    "parts": {"content": [{"type": "thinking", "thinking": T}, {"type": "text", "text": A}]},
    "parts in parts": {
        "content": [{"type": "thinking", "thinking": [{"type": "text", "text": T}]}, {"type": "text", "text": A}]
    },
    "reasoning parts": {
        "content": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": T}]},
            {"type": "output_text", "text": A},
        ]
    },
    "marked parts": {"content": [{"text": T, "thought": True}, {"text": A}]},
    "both beside and in the content": {"reasoning_content": T, "content": f"<think>{T}</think>{A}"},
}


@pytest.mark.parametrize("text", INLINE.values(), ids=INLINE)
def test_tags_of_every_spelling(text: str) -> None:
    found, visible = thoughts.split(text)
    assert (found.removesuffix("<|end|><|start|>assistant"), visible) == (T, A)


@pytest.mark.parametrize("tag", UNFINISHED)
def test_unfinished_thoughts_go_on_to_the_end(tag: str) -> None:
    assert thoughts.split(f"{tag}{T}") == (T, "")
    assert thoughts.split(f"{A}\n{tag}{T}") == (T, A)


@pytest.mark.parametrize(
    "text",
    ["a < thought > b", "I write no `<think>` tags.", "x[think]", "def think(): ...", "List[reasoning]", "<think/>"],
)
def test_what_only_looks_like_thoughts(text: str) -> None:
    assert thoughts.split(text) == ("", text)


@given(st.text(alphabet="ab <>/|\n", max_size=30), st.sampled_from(["think", "thinking", "reasoning"]))
def test_nothing_is_lost(text: str, word: str) -> None:
    found, visible = thoughts.split(f"{text}<{word}>{text}</{word}>{text}")
    letters = [c for c in text * 3 if c in "ab"]
    assert sorted(c for c in found + visible if c in "ab") == sorted(letters)


def message(fields: dict[str, Any]) -> dict[str, Any]:
    data = completion(A, usage={"prompt_tokens": 10, "completion_tokens": 20})
    data["choices"][0]["message"] |= fields
    return data


EVERYWHERE = {**BESIDE, **{name: {"content": text} for name, text in INLINE.items()}}


@pytest.mark.parametrize("fields", EVERYWHERE.values(), ids=EVERYWHERE)
def test_they_are_kept_and_counted_and_get_room(fields: dict[str, Any]) -> None:
    with endpoint([json_body(message(fields))]) as asked:
        reply = asked.complete()
        assert (reply.text, reply.thoughts.removesuffix("<|end|><|start|>assistant")) == (A, T)
        assert 0 < reply.usage.reasoning_tokens < reply.usage.completion_tokens == 20
        asked.complete()
        assert [body["max_tokens"] for body in asked.server.bodies] == [100, 16_100]


def test_empty_thoughts_are_none() -> None:
    with endpoint([answer(f"<think>\n\n</think>\n\n{A}")]) as asked:
        assert (asked.complete().text, asked.complete().thoughts) == (A, "")
        assert [body["max_tokens"] for body in asked.server.bodies] == [100, 100]


@pytest.mark.parametrize("text", [f"<think>{T}", f"<thought>{T}", f"<|begin_of_thought|>{T}"])
def test_an_answer_cut_off_in_its_thoughts_is_asked_for_again(text: str) -> None:
    with endpoint([answer(text, finish_reason="length"), answer(f"<think>{T}</think>{A}")]) as asked:
        reply = asked.complete()
        assert (reply.text, reply.thoughts, reply.usage.calls) == (A, T, 1)


@pytest.mark.parametrize("reason", ["length", "MAX_TOKENS", "max_tokens", "model_length", "LENGTH"])
def test_cut_off_has_many_names(reason: str) -> None:
    with endpoint([answer("cut", finish_reason=reason)]) as asked:
        assert asked.complete().finish_reason == "length"


CODE = "class Environment:\n    def set_state(self, o): ...\n    def step(self, a):\n        return 0, 0.0, True\n"


@pytest.mark.parametrize("text", INLINE.values(), ids=INLINE)
def test_programs_in_thoughts_are_drafts(text: str) -> None:
    draft, final = (f"```python\n{CODE.replace('0.0', number)}```" for number in ("1.0", "2.0"))
    program, failure = extract(text.replace(T, f"{T}\n{draft}\nNo.").replace(A, f"\n{final}\n"))
    assert failure is None
    assert program is not None
    assert "2.0" in program.source
