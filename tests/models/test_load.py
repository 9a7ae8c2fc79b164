from __future__ import annotations

import pytest

from cwmb.errors import CwmbError
from cwmb.models import load


def test_a_provider_gets_what_follows_the_first_colon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    assert load("openai:qwen:7b").name == "openai:qwen:7b"


def test_an_unknown_provider_lists_those_that_exist() -> None:
    with pytest.raises(
        CwmbError, match=r"'opanai' \(did you mean 'openai'\?\); there are: .*local, manual, openai, replay"
    ):
        load("opanai:gpt-5")
