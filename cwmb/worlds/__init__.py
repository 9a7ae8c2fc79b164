"""The real environments, one module per Gymnasium family; only these modules import Gymnasium and MuJoCo."""

from __future__ import annotations

from importlib import import_module
from threading import Lock
from typing import Any

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.errors import CwmbError
from cwmb.worlds.simulator import Simulator

# Gymnasium's modules import each other in circles: two threads at once may find one of them half made.
_importing = Lock()


def make(spec: EnvironmentSpec) -> Simulator:
    """The real environment of a specification, reset with seed 0.

    Raises:
        CwmbError: ``spec.adapter`` is not the import path of a class.
    """
    module, _, name = spec.adapter.partition(":")
    try:
        with _importing:
            adapter = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise CwmbError(
            f"environment {spec.id}: adapter {spec.adapter!r} cannot be loaded ({error}); "
            "it has the form 'package.module:Class'"
        ) from error
    with _importing:  # what an environment's entry point names is imported here
        made: Any = adapter(spec)
    simulator: Simulator = made
    if spec.world is not None and spec.world.alterations:
        from cwmb.worlds.alterations import Altered

        simulator = Altered(spec, made)
    return simulator
