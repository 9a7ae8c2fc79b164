from __future__ import annotations

import pytest

from cwmb.models.prices import dollars
from cwmb.types import Usage

HOSTED = "https://api.openai.com/v1"
MILLION = Usage(1, prompt_tokens=10**6, completion_tokens=10**6)


def test_known_models_are_priced_by_the_name_that_the_endpoint_reports() -> None:
    assert dollars(MILLION, HOSTED, "gpt-4o-2024-08-06", "gpt-4o-mini") == pytest.approx(2.5 + 10.0)
    assert dollars(MILLION, HOSTED, "unheard-of", "gpt-4o-mini") == pytest.approx(0.15 + 0.6)


def test_cached_tokens_are_cheaper() -> None:
    cached = Usage(1, prompt_tokens=10**6, cached_tokens=10**6)
    assert dollars(cached, HOSTED, "gpt-4o") == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("url", "model"), [(HOSTED, "unheard-of"), (HOSTED, ""), ("https://models.example.org/v1", "gpt-4o")]
)
def test_an_unknown_price_is_no_price(url: str, model: str) -> None:
    assert dollars(MILLION, url, model) is None
