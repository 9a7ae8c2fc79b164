"""Language models: providers, prompts and the extraction of programs."""

from __future__ import annotations

from importlib.metadata import entry_points

from cwmb.errors import CwmbError, unknown
from cwmb.types import Provider

GROUP = "cwmb.models"


def load(spec: str) -> Provider:
    """The language model that ``provider:model`` names; what follows the colon is the provider's own business.

    Raises:
        CwmbError: there is no such provider, it cannot be imported, or it refuses what follows the colon.
    """
    provider, _, model = spec.partition(":")
    points = {point.name: point for point in entry_points(group=GROUP)}
    if provider not in points:
        raise unknown("language model provider", provider, points)
    try:
        cls = points[provider].load()
    except ImportError as error:
        raise CwmbError(f"language model provider {provider!r} cannot be imported: {error}") from error
    made: Provider = cls(model)
    return made
