"""Language models: providers, prompts and the extraction of programs."""

from __future__ import annotations

from cwmb.benchmark.suites import ORIGINALS, Worlds
from cwmb.errors import CwmbError
from cwmb.types import Provider

GROUP = "cwmb.models"


def load(spec: str, worlds: Worlds = ORIGINALS) -> Provider:
    """The language model that ``provider:model`` names; what follows the colon is the provider's own business.

    worlds: about which it will be asked, for models that know the answers.

    Raises:
        CwmbError: there is no such provider, it cannot be imported, or it refuses what follows the colon.
    """
    from cwmb import plugins  # whoever only reads records needs none

    provider, _, model = spec.partition(":")
    make = plugins.load(plugins.find(GROUP, "language model provider", provider), "provider")
    try:
        made: Provider = make(model)
    except CwmbError:
        raise
    except (Exception, SystemExit) as error:
        raise CwmbError(
            f"provider {provider!r} cannot be made for {model!r} ({type(error).__name__}: {error})"
        ) from error
    if isinstance(getattr(made, "worlds", None), Worlds):
        made.worlds = worlds  # type: ignore[attr-defined]
    return made
