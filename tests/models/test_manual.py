from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cwmb.errors import CwmbError, InfrastructureError
from cwmb.models import load
from cwmb.models.manual import Manual
from cwmb.models.requests import request_hash
from cwmb.types import Message, Request, Sampling

REQUEST = Request((Message("user", "Write the\nprogram \ud800."),), Sampling(), seed=1)


class Person:
    """Answers when the model next looks: what is given for each look, in turn."""

    def __init__(self, *looks: Callable[[], object]) -> None:
        self._looks = list(looks)

    def __call__(self, seconds: float, why: str) -> None:
        assert self._looks, "nobody answers any more"
        self._looks.pop(0)()


def nothing() -> None:
    pass


def test_a_prompt_is_written_and_its_answer_read(tmp_path: Path) -> None:
    answer = tmp_path / "0001.answer.md"
    steps = (
        nothing,
        answer.touch,
        lambda: answer.write_text("half"),
        lambda: answer.write_text("an answer, é"),
        nothing,
    )
    reply = Manual(str(tmp_path), sleep=Person(*steps)).complete(REQUEST)
    assert reply.text == "an answer, é"
    assert reply.usage.calls == 1
    assert reply.usage.completion_tokens == 3
    assert reply.usage.dollars is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001.answer.md", "0001.prompt.md"]
    first, prompt = (tmp_path / "0001.prompt.md").read_text().split("\n\n")
    assert request_hash(REQUEST) in first
    assert "0001.answer.md" in first
    assert prompt == "Write the\nprogram ?.\n"


def test_a_run_that_is_started_again_finds_its_prompts(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="nobody answers"):
        Manual(str(tmp_path), sleep=Person()).complete(REQUEST)
    (tmp_path / "0001.answer.md").write_text("late")
    assert Manual(str(tmp_path), sleep=Person(nothing)).complete(REQUEST).text == "late"
    second = tmp_path / "0002.answer.md"
    other = replace(REQUEST, seed=2)
    model = Manual(str(tmp_path), sleep=Person(lambda: second.write_text("other"), nothing))
    assert model.complete(other).text == "other"
    assert len(list(tmp_path.glob("*.prompt.md"))) == 2


def test_several_cells_wait_at_once(tmp_path: Path) -> None:
    requests = [replace(REQUEST, seed=seed) for seed in range(4)]

    def answer_all() -> None:
        for prompt in tmp_path.glob("*.prompt.md"):
            found = re.search("request ([0-9a-f]+)", prompt.read_text())
            assert found is not None
            (tmp_path / prompt.name.replace("prompt", "answer")).write_text(found[1])

    everybody = threading.Barrier(4, action=answer_all)  # passed when all four prompts are written
    looked = threading.local()

    def answered(_: float, why: str) -> None:
        if not hasattr(looked, "once"):
            looked.once = True
            everybody.wait(60)

    model = Manual(str(tmp_path), sleep=answered)
    texts: dict[int, str] = {}
    threads = [threading.Thread(target=lambda r=r: texts.update({r.seed: model.complete(r).text})) for r in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {r.seed: request_hash(r) for r in requests}


def test_several_messages_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "0001.answer.md").write_text("yes")
    messages = (Message("system", "Be brief."), Message("user", "Well?"))
    Manual(str(tmp_path), sleep=Person(nothing)).complete(replace(REQUEST, messages=messages))
    text = (tmp_path / "0001.prompt.md").read_text()
    assert text.index("<!-- system -->") < text.index("Be brief.") < text.index("<!-- user -->") < text.index("Well?")


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(CwmbError, match="which folder"):
        load("manual:")
    (tmp_path / "file").touch()
    with pytest.raises(CwmbError, match="cannot create the folder"):
        load(f"manual:{tmp_path / 'file' / 'inside'}")
    model = load(f"manual:{tmp_path / 'new' / 'folder'}")
    assert model.name == "manual:folder"
    (tmp_path / "new" / "folder").rmdir()
    with pytest.raises(InfrastructureError, match="No such file"):
        model.complete(REQUEST)


@pytest.mark.parametrize(
    ("said", "name", "model"),
    [
        ("answers", "manual:answers", "manual"),
        ("answers?name=Ada", "manual:Ada", "Ada"),
        ("answers?name=org/model-1%3F+b", "manual:org/model-1? b", "org/model-1? b"),
    ],
)
def test_records_say_who_answered_and_never_where(tmp_path: Path, said: str, name: str, model: str) -> None:
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "0001.answer.md").write_text("yes")
    why: list[str] = []
    made = Manual(f"{tmp_path}/{said}", sleep=lambda seconds, text: why.append(text))
    reply = made.complete(REQUEST)
    assert (made.name, reply.model, reply.usage.estimated_calls) == (name, model, 1)
    assert why == ["waiting for answers/0001.answer.md"]


@pytest.mark.parametrize("query", ["name=", "who=Ada", "name=a&seed=2", "Ada", "name= "])
def test_a_name_that_is_none(tmp_path: Path, query: str) -> None:
    with pytest.raises(CwmbError, match=r"is no name: say who answers like this, manual:.*\?name=NAME"):
        load(f"manual:{tmp_path}?{query}")


def test_a_folder_that_is_gone_is_not_told_in_full(tmp_path: Path) -> None:
    model = load(f"manual:{tmp_path / 'new'}")
    (tmp_path / "new").rmdir()
    with pytest.raises(InfrastructureError) as caught:
        model.complete(REQUEST)
    assert str(tmp_path) not in str(caught.value)
