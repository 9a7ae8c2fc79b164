"""What there is: suites, environments, what a strategy is told about one, and recorded transitions."""

from __future__ import annotations

from cwmb.benchmark import tasks, trajectories
from cwmb.benchmark.descriptions import DEFAULT
from cwmb.benchmark.suites import ORIGINAL, shipped, suite_names
from cwmb.errors import unknown
from cwmb.types import SPLITS, Split, Task, Transitions


def suites() -> tuple[str, ...]:
    """The names of all suites, ``cwmb18`` (the originals) first."""
    return suite_names()


def environments(suite: str = ORIGINAL) -> tuple[str, ...]:
    """The ids of a suite's environments, those with discrete actions first.

    Raises:
        CwmbError: there is no such suite.
    """
    return shipped(suite).ids


def task(env: str, suite: str = ORIGINAL, descriptions: str = DEFAULT) -> Task:
    """All that a strategy learns about an environment: texts, spaces and the training transitions.

    descriptions: which set of texts (``cwmb list descriptions``).

    Raises:
        CwmbError: there is no such suite, environment or set.
    """
    return tasks.task(shipped(suite).environment(env), descriptions)


def transitions(env: str, split: Split = "train", suite: str = ORIGINAL) -> Transitions:
    """Recorded transitions of an environment as NumPy arrays, which are read-only; ``.frame()`` makes a DataFrame.

    split: ``train``, which strategies see, or ``test``, which they never see.

    Raises:
        CwmbError: there is no such suite, environment or split, or the data are damaged.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    return trajectories.transitions(shipped(suite).environment(env), split)
