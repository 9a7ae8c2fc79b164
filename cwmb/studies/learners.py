"""What learns a world from its training data alone, measured on its test set.

The original's reference program shows what knowing the original by heart is worth; lookup and linear regression what
the data are worth without any model, small neural networks what a model-based agent without language would do with
them; the reference program with ``fit`` what can be found out.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cwmb import reference
from cwmb.benchmark import trajectories
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import Worlds
from cwmb.judging.bounds import bounds
from cwmb.judging.judge import Judge
from cwmb.judging.naive import regression
from cwmb.judging.scoring import evaluate, skill
from cwmb.report.table import Column, Table, number
from cwmb.sandbox import Sandbox
from cwmb.types import Floats, Program
from cwmb.worlds import make
from cwmb.worlds.constants import varying

if TYPE_CHECKING:
    import pandas as pd

PROTOCOL = "quick"  # whose scoring rules are those of standard
MEMBERS, HIDDEN, ROUNDS = 5, (64, 64), 500  # of the ensemble; units of a network's layers; passes at most
EXTRA = "offline-rl"


@dataclass(frozen=True)
class Learned:
    """Accuracies on the test set of a world. seconds: reference ones.

    fit is None where no reference program learns, networks where their library is not installed.
    """

    suite: str
    environment: str
    floor: float
    ceiling: float
    original: float
    lookup: float | None
    linear: float | None
    networks: float | None
    networks_seconds: float | None
    fit: float | None
    fit_skill: float | None
    fit_seconds: float | None


def measure(
    worlds: Worlds, names: Sequence[str], sandbox: Sandbox, progress: Callable[[str], None]
) -> Iterator[Learned]:
    """Measure the worlds named; without networks where their library is not installed."""
    if not installed():
        progress(f"without networks, which need the extra {EXTRA}")
    for name in names:
        spec = worlds.environment(name)
        if name in varying():
            progress(f"{worlds.label} {name}")
            yield _learned(worlds, spec, sandbox)


def _learned(worlds: Worlds, spec: EnvironmentSpec, sandbox: Sandbox) -> Learned:
    judge = Judge.of(sandbox, protocol(PROTOCOL), spec)
    train, test = trajectories.transitions(spec, "train"), trajectories.transitions(spec, "test")
    known = bounds(spec, judge, partial(make, spec), test, train, spec.dataset.test_sha256)

    def accuracy(program: Program) -> float:
        return judge.score(program, test).evaluation.accuracy

    spaces, begun = (judge.observation_space, judge.action_space), time.process_time()
    said = regression(test, train, spaces, judge.rules, networks) if installed() else None
    seconds = time.process_time() - begun
    learner = reference.learner_of(spec)
    found = None if learner is None else accuracy(learner)
    return Learned(
        suite=worlds.label,
        environment=spec.id,
        floor=known.floor,
        ceiling=known.ceiling,
        original=accuracy(reference.program(spec.id)),
        lookup=known.lookup,
        linear=known.linear,
        networks=None if said is None else evaluate(test, said, judge.rules).accuracy,
        networks_seconds=None if said is None else round(seconds, 1),
        fit=found,
        fit_skill=None if found is None else skill(found, known.floor, known.ceiling),
        fit_seconds=None if learner is None else round(judge.fitted(learner).seconds, 2),
    )


def installed() -> bool:
    """Whether there is the library of the networks."""
    return find_spec("sklearn") is not None


def networks(inputs: Floats, outputs: Floats, other: Floats) -> Floats:
    """The mean of a small ensemble of neural networks (a Regressor of cwmb.judging.naive)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    said = []
    for member in range(MEMBERS):
        network = MLPRegressor(
            hidden_layer_sizes=HIDDEN, early_stopping=True, n_iter_no_change=20, max_iter=ROUNDS, random_state=member
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(inputs, outputs[:, 0] if outputs.shape[1] == 1 else outputs)
        said.append(network.predict(other).reshape(len(other), -1))
    return np.asarray(np.mean(said, axis=0))


def to_csv(measured: Sequence[Learned], known: pd.DataFrame | None = None) -> str:
    """One line for each world; what is known stays where nothing new was measured."""
    import pandas as pd

    frame = pd.DataFrame([asdict(one) for one in measured], columns=[f.name for f in fields(Learned)])
    if known is not None:
        keys = ["suite", "environment"]
        frame = pd.concat([known, frame.astype(known.dtypes)]).groupby(keys, as_index=False, sort=False).last()
    order = {name: i for i, name in enumerate(reference.environments())}
    frame = frame.sort_values(["suite", "environment"], key=lambda column: column.map(lambda x: order.get(x, x)))
    text: str = frame.round(6).to_csv(index=False, lineterminator="\n")
    return text


def table(frame: pd.DataFrame) -> Table:
    """The worlds that were measured."""
    columns = (
        Column("suite", "suite"),
        Column("environment", "environment"),
        Column("floor", "floor", digits=3),
        Column("original", "original's program", digits=3),
        Column("linear", "linear", digits=3),
        Column("lookup", "lookup", digits=3),
        Column("networks", "networks", digits=3),
        Column("fit", "reference fit", digits=3),
        Column("ceiling", "ceiling", digits=3),
        Column("fit_skill", "its skill", digits=3),
        Column("fit_seconds", "its seconds", digits=1),
        Column("networks_seconds", "the networks'", digits=1),
    )

    def value(row: Any, key: str) -> str | float | None:
        return str(row[key]) if key in ("suite", "environment") else number(row[key])

    rows = tuple(tuple(value(row, c.key) for c in columns) for _, row in frame.iterrows())
    return Table(
        "learners",
        "What is to be had from a world's training data: accuracies on its test set. Original's program: the reference "
        "program of the original environment. Linear: a regression of the change on observation and action. Lookup: "
        f"what followed on the nearest transition. Networks: {MEMBERS} neural networks of scikit-learn with layers of "
        f"{' and '.join(map(str, HIDDEN))} units. Reference fit: the program that finds the constants itself, "
        "in reference seconds; the networks' are CPU seconds.",
        columns,
        rows,
    )


def stored(path: Path) -> pd.DataFrame:
    """What was measured before. Raises CwmbError: nothing was."""
    from cwmb.studies.stored import read_frame

    return read_frame(path, "python -m cwmb.studies learners")
