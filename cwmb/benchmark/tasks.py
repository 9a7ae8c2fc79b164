"""What a strategy is told about an environment."""

from __future__ import annotations

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.descriptions import DEFAULT, contract
from cwmb.benchmark.suites import told
from cwmb.benchmark.trajectories import spaces, transitions
from cwmb.types import Task


def task(spec: EnvironmentSpec, set_name: str = DEFAULT) -> Task:
    """Texts, spaces and the training transitions. set_name: of the texts (``cwmb list descriptions``).

    Raises:
        CwmbError: there is no such set, it does not cover the environment, or the data are damaged.
    """
    return Task(
        spec.id, told(spec, set_name), contract(spec.fit, spec.contract), *spaces(spec), transitions(spec, "train")
    )
