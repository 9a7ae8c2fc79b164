"""The recorded transitions as a Minari folder that plain Minari reads: every episode one of Minari's, in a namespace.

What lies in ``trajectories/`` is Minari's too, but packed: many short episodes stand there in one table, where the next
observation is not the following row's. Here it always is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cwmb.benchmark.baselines import of_environment
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.suites import ORIGINAL, shipped
from cwmb.benchmark.trajectories import spaces, transitions
from cwmb.collect.recording import Recording
from cwmb.collect.storage import create
from cwmb.errors import CwmbError
from cwmb.types import SPLITS, Split, Transitions

UNKNOWN = "unknown"  # whoever publishes the data says it
PROTOCOL = "standard"  # whose baselines are Minari's reference scores


def export(
    root: Path,
    suite: str = ORIGINAL,
    contact: str = UNKNOWN,
    code: str = UNKNOWN,
    say: Callable[[str], None] = print,
) -> None:
    """Write the data sets of a suite into a Minari folder: ``cwmb/<environment>/train-v0`` and ``test-v0``.

    The namespace of other suites is ``cwmb-<suite>``; their worlds were drawn, so that no environment of Gymnasium is
    named as theirs. contact: an address; code: a link to the version of the code, both of whoever publishes them.

    Raises:
        CwmbError: there is no such suite, or one of its data sets is there already.
    """
    worlds = shipped(suite)
    namespace = "cwmb" if suite == ORIGINAL else f"cwmb-{suite}"
    if (root / namespace).exists():
        raise CwmbError(f"{root / namespace} is there already: name a new folder")
    root.mkdir(parents=True, exist_ok=True)
    for spec in map(worlds.environment, worlds.ids):
        for split in SPLITS:
            recordings = [Recording(part, {}) for part in episodes(transitions(spec, split))]
            about = {"author_email": {contact}, "code_permalink": code, **_about(spec, split, suite)}
            name = f"{namespace}/{spec.id}/{split}-v0"
            create(root, name, spec, spaces(spec), recordings, recoverable=suite == ORIGINAL, about=about)
            say(f"{name}: {len(recordings)} episodes")


def episodes(data: Transitions) -> Iterator[Transitions]:
    """The episodes of recorded transitions, each a chain from its first observation on."""
    starts = np.flatnonzero(np.diff(data.episodes)) + 1
    for index in np.split(np.arange(len(data)), starts):
        yield data.take(index)


def _about(spec: EnvironmentSpec, split: Split, suite: str) -> dict[str, Any]:
    seen = "what a search sees" if split == "train" else "what its program is judged on"
    world = (
        "recover_environment makes the environment, if the installed simulator still has it."
        if suite == ORIGINAL
        else f"The world was drawn (suite {suite}) and is no environment of Gymnasium: Minari cannot recover it, but "
        f"cwmb.transitions({spec.id!r}, suite={suite!r}) and cwmb.task say what it is."
    )
    about: dict[str, Any] = {
        "algorithm_name": "mixed: ten levels of behaviour from random to strong, and short episodes from chosen states",
        "description": f"Code World Models Benchmark, {spec.id}, {split}: {seen}. {world} infos/determined says which "
        "parts of an outcome (elements of the next observation, reward, end) follow from observation and action alone. "
        "A recording that was cut after few steps ends neither terminated nor truncated.",
    }
    scale = of_environment(spec, PROTOCOL).scale
    if scale is not None:
        random, oracle = scale
        about |= {
            "ref_min_score": random.mean,
            "ref_max_score": oracle.mean,
            "num_episodes_average_score": oracle.episodes,
        }
    return about
