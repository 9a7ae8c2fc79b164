"""``python -m cwmb.bench.growth``: how cost grows with size, as data and as a figure. ``make growth``."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import click
import numpy as np

from cwmb.bench import search
from cwmb.bench.probe import timed
from cwmb.bench.scoring import judge
from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.data import data_path
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.trajectories import transitions
from cwmb.harness.files import dumps, write_whole
from cwmb.harness.ledger import Ledger
from cwmb.harness.records import SCHEMA, Planning, Provenance, Record, Score
from cwmb.reference import program
from cwmb.sandbox import Sandbox
from cwmb.strategies.gif_mcts import GifMcts
from cwmb.strategies.gif_mcts.search import Tree
from cwmb.types import Program, Reply, Space, Transitions, Usage


@dataclass(frozen=True)
class Curve:
    """Cost (in unit) against size. exponent: slope in the logarithms of both, over the upper half of the sizes."""

    name: str
    size: str
    unit: str
    points: list[tuple[int, float]]
    exponent: float


def curve(name: str, size: str, unit: str, points: Sequence[tuple[int, float]]) -> Curve:
    """A curve with its exponent."""
    upper = np.log(np.array(points[len(points) // 2 :], dtype=np.float64))
    exponent = float(np.polyfit(upper[:, 0], upper[:, 1], 1)[0])
    return Curve(name, size, unit, list(points), round(exponent, 2))


def sizes(largest: int, smallest: int = 100) -> list[int]:
    """About two sizes for each factor of ten, up to the largest."""
    count = max(3, round(2 * np.log10(largest / smallest)) + 1)
    return [round(n) for n in np.geomspace(smallest, largest, count)]


def least(call: Callable[[], float], repeats: int = 3) -> float:
    """The least of a few measurements: what is above it was not this software's doing."""
    return min(call() for _ in range(repeats))


def scoring_by_transitions(sandbox: Sandbox, largest: int) -> Curve:
    """Scoring CartPole's reference program on its transitions, repeated."""
    judging, reference, data = judge(sandbox, "CartPole-v1"), program("CartPole-v1"), _training("CartPole-v1")
    points = []
    for n in sizes(largest):
        truth = data.take(np.resize(np.arange(len(data)), n))
        points.append((n, least(lambda truth=truth: timed(lambda: judging.score(reference, truth)))))  # type: ignore[misc]
    return curve("scoring", "transitions", "s", points)


def scoring_by_dimensions(sandbox: Sandbox, largest: int) -> Curve:
    """A program that copies its observation, on 700 transitions."""
    copies = Program(
        "class Environment:\n"
        "    def set_state(self, observation):\n        self.observation = observation\n"
        "    def step(self, action):\n        return self.observation, 0.0, False\n"
    )
    data, points = _training("CartPole-v1"), []
    action = Space("discrete", (0.0,), (1.0,), "int64")
    for d in sizes(largest, 3):
        space = Space("box", (-1.0,) * d, (1.0,) * d, "float64")
        rows = np.zeros((len(data), d))
        truth = replace(data, observations=rows, next_observations=rows)
        judging = replace(judge(sandbox, "CartPole-v1"), observation_space=space, action_space=action)
        points.append((d, least(lambda j=judging, t=truth: timed(lambda: j.score(copies, t)))))  # type: ignore[misc]
    return curve("scoring", "dimensions", "s", points)


def selection_by_nodes(largest: int) -> Curve:
    """One GIF-MCTS selection in trees that were expanded at random, so that their depth grows with the logarithm."""
    answers, rng, checkpoints = search.Answers(largest), np.random.default_rng(0), set(sizes(largest))
    tree, points = Tree(GifMcts()), []
    while len(tree.nodes) < largest:
        node = tree.nodes[rng.integers(len(tree.nodes))]
        offers = tree.offers(node)
        if not offers:
            continue
        completion = answers.answer(search.PROMPT)
        child = tree.expand(node, offers[rng.integers(len(offers))], completion, answers.evaluate)
        tree.backup(child)
        if len(tree.nodes) in checkpoints:
            points.append((len(tree.nodes), least(lambda: timed(lambda: tree.select(rng)), 50)))
    return curve("gif_mcts: a selection", "nodes", "s", points)


def search_by_calls(largest: int) -> Curve:
    """A whole GIF-MCTS search, per call. Its tree gets deeper, and each selection walks down from the root."""
    points = [(n, search.search(n) / n) for n in sizes(largest, 10)]
    return curve("gif_mcts: a search, per call", "calls", "s", points)


def ledger_by_calls(folder: Path, largest: int) -> Iterator[Curve]:
    """Opening a ledger, appending to it, and the memory that it takes."""
    opened, appended, held = [], [], []
    reply = Reply("x" * 100, Usage(1, 3000, 0, 700))
    plain = {"text": reply.text, "usage": {"calls": 1}, "finish_reason": "stop", "model": "", "dropped": []}
    for n in sizes(largest, 1000):
        place = folder / f"ledger-{n}"
        place.mkdir()
        with (place / "ledger.jsonl").open("w") as file:
            for i in range(n):
                file.write(json.dumps({"type": "call", "index": i, "key": "0" * 64, "value": plain}) + "\n")
        before, start = _resident(), perf_counter()
        ledger = Ledger(place)
        opened.append((n, perf_counter() - start))
        held.append((n, max(_resident() - before, 1e5) / 1e6))

        counter = iter(range(n, n + 20))

        def append(ledger: Ledger = ledger, counter: Iterator[int] = counter) -> float:
            return timed(lambda: ledger.entry("call", next(counter), "key", Reply, lambda: reply))

        appended.append((n, least(append, 20)))
        (place / "ledger.jsonl").unlink()
    yield curve("ledger: open and resume", "entries", "s", opened)
    yield curve("ledger: append", "entries", "s", appended)
    yield curve("ledger: memory", "entries", "MB", held)


def tables_by_records(folder: Path, largest: int) -> Curve:
    """Reading records and making all tables of them."""
    from cwmb.report import report

    points = []
    for n in [10, *sizes(largest)]:  # the first one pays for what is imported, and does not count
        run = folder / f"records-{n}"
        run.mkdir()
        (run / "records.jsonl").write_text("".join(dumps(record(i)) + "\n" for i in range(n)))
        points.append((n, timed(lambda run=run: report([run]))))  # type: ignore[misc]
        (run / "records.jsonl").unlink()
    return curve("tables", "records", "s", points[1:])


def measure_all(folder: Path, share: float = 1.0) -> list[Curve]:
    """All curves. share: of the largest sizes, for tests."""

    def upto(n: int) -> int:
        return max(1000, round(n * share))

    with Sandbox(workers=1) as sandbox:
        return [
            scoring_by_transitions(sandbox, upto(30_000)),
            scoring_by_dimensions(sandbox, upto(1_000)),
            selection_by_nodes(upto(10_000)),
            search_by_calls(upto(1_000)),
            *ledger_by_calls(folder, max(2000, upto(1_000_000))),
            tables_by_records(folder, upto(100_000)),
        ]


def draw(curves: Sequence[Curve], path: Path) -> None:
    """The curves as one figure, both axes logarithmic. Needs matplotlib (extra ``figures``)."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "cwmb"
    from matplotlib import pyplot

    columns = 4
    figure, axes = pyplot.subplots(-(-len(curves) // columns), columns, figsize=(14, 6.5), layout="constrained")
    for axis in axes.flat[len(curves) :]:
        axis.set_axis_off()
    for axis, found in zip(axes.flat, curves, strict=False):
        x, y = np.array(found.points).T
        axis.loglog(x, y, "o-", markersize=4)
        axis.loglog(x, y[-1] * x / x[-1], ":", color="grey", linewidth=1)  # proportional
        axis.set_title(f"{found.name}  (∝ n^{found.exponent:g})", fontsize=10)
        axis.set_xlabel(found.size)
        axis.set_ylabel(found.unit)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


@click.command()
def main() -> None:
    """Measure how cost grows, and write results/bench-growth.json and .svg."""
    runs = Path("runs")
    runs.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=runs) as folder:
        curves = measure_all(Path(folder))
    for found in curves:
        (n, cost) = found.points[-1]
        print(f"{found.name} by {found.size}: {cost:.4g} {found.unit} at {n:,}, ∝ n^{found.exponent:g}")
    write_whole(data_path("results", "bench-growth.json"), dumps(curves, indent=1) + "\n")
    draw(curves, data_path("results", "bench-growth.svg"))


def _training(name: str) -> Transitions:
    return transitions(environment(name), "train")


def _resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def record(i: int) -> Record:
    """The record of a cell that nobody ran: one run of all environments with ever more seeds."""
    names = environment_ids()
    name, seed, chosen = names[i % len(names)], i // len(names), protocol("standard")
    accuracy = 0.5 + 0.5 * ((i * 0.618) % 1.0)
    score = Score(
        accuracy, accuracy, accuracy, accuracy, accuracy / 2, 1.0, 700, 0.4, 1.0, (accuracy - 0.4) / 0.6, None
    )
    return Record(
        schema=SCHEMA,
        strategy="gif_mcts",
        options={},
        model="openai:m",
        simulated=False,
        environment=name,
        group=environment(name).group,
        seed=seed,
        protocol=chosen.name,
        descriptions="default",
        state="done",
        budget=chosen.calls,
        custom=False,
        stop="budget",
        program="0" * 64,
        program_call=0,
        train=score,
        test=score,
        anytime=[],
        planning=Planning([1.0], 1.0, 0.1, accuracy, 0.1, 1, 100, 0, 1000, 0, 0, None),
        usage=Usage(50, 1000, 0, 1000, 0, 0.1),
        prompts={"generate": 50},
        answers={"program": 50},
        failure=None,
        provenance=Provenance(
            "0", None, None, "3", "2", "1", "3", "x", [], [], chosen.checksum, "", "", "", "", "cwmb 0", {}, [], ["m"]
        ),
    )


if __name__ == "__main__":
    main()
