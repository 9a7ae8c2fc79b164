"""What tokens cost, by the price list of genai-prices as it is installed: nothing is fetched."""

from __future__ import annotations

from cwmb.types import Usage


def dollars(usage: Usage, url: str, *models: str) -> float | None:
    """The price of a call at the endpoint url for the first of the models' names that is known there, else None."""
    import genai_prices

    tokens = genai_prices.Usage(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.written_tokens,
        output_tokens=usage.completion_tokens,
    )
    for model in models:
        try:
            return float(genai_prices.calc_price(tokens, model, provider_api_url=url).total_price)
        except (LookupError, ValueError):
            continue
    return None
