"""Probes of whole processes: how long they take to start, and how much memory they hold."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cwmb.bench.growth import record
from cwmb.bench.probe import Probe, timed
from cwmb.harness.files import dumps

PLANNED_STEPS = 2
RECORDS = 18


# Ends its process at the first row: what is left of scoring and planning is what comes before and after.
ENDS = """
import sys
end = sys.modules["os"]._exit


class Environment:
    def set_state(self, observation):
        pass

    def step(self, action):
        end(1)
"""


def startup_probes(folder: Path) -> Iterator[Probe]:
    """The command line, against an interpreter that does nothing. folder: for a program and a run."""
    right = Path(__file__).parents[1] / "reference" / "CartPole-v1.py"
    ends = folder / "ends.py"
    ends.write_text(ENDS)
    run = folder / "run"
    run.mkdir(exist_ok=True)
    (run / "records.jsonl").write_text("".join(dumps(record(i)) + "\n" for i in range(RECORDS)))
    quick = ("--protocol", "quick")
    yield _startup("cwmb --help", ["--help"], 0.2, published=2.2)
    yield _startup("cwmb score CartPole-v1", ["score", "CartPole-v1", str(right), *quick], 0.5)
    yield _startup("cwmb score CartPole-v1 before the first row", ["score", "CartPole-v1", str(ends), *quick])
    yield _startup("cwmb plan CartPole-v1 before the first row", ["plan", "CartPole-v1", str(ends), *quick])
    yield _startup(f"cwmb tables of {RECORDS} cells", ["tables", str(run)], 0.8, bare="import numpy, pandas")


def _startup(
    name: str, arguments: list[str], target: float | None = None, published: float | None = None, bare: str = "pass"
) -> Probe:
    return Probe(
        name=f"start {name}",
        unit="s",
        scale=1.0,
        ours=lambda: _run("-c", "from cwmb.cli import main; main()", *arguments),
        bare=lambda: _run("-c", bare),
        against=f"python -c '{bare}'",
        repeats=9,
        published=published,
        value_target=target,
    )


def _run(*arguments: str) -> float:
    return timed(lambda: subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True))


def memory_probes() -> Iterator[Probe]:
    """A worker that has scored and planned with the largest environment: its own memory and its sandbox's."""
    measured: dict[str, float] = {}

    def worker() -> float:
        command = [sys.executable, "-m", "cwmb.bench.processes"]
        measured.update(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
        return measured["total"]

    yield Probe(
        name="memory of a worker, Humanoid-v4",
        unit="MB",
        scale=1e-6,
        ours=worker,
        repeats=3,
        value_target=300.0,
    )


def hold() -> dict[str, float]:
    """Do once what a worker does for Humanoid-v4. Returns bytes: peak of this process, of a program's, and both."""
    from cwmb.bench.scoring import judge
    from cwmb.benchmark.catalog import environment
    from cwmb.benchmark.protocols import protocol
    from cwmb.benchmark.trajectories import transitions
    from cwmb.harness.episodes import planned_episode
    from cwmb.reference import program
    from cwmb.sandbox import Sandbox
    from cwmb.types import SPLITS
    from cwmb.worlds import make

    name = "Humanoid-v4"
    spec, reference, chosen = environment(name), program(name), protocol("quick")
    simulator = make(spec)
    with Sandbox(workers=1) as sandbox:
        for split in SPLITS:
            judge(sandbox, name).score(reference, transitions(spec, split))
        spaces = simulator.observation_space, simulator.action_space
        with sandbox.planning(reference, *spaces, chosen.continuous, chosen.limits, 0) as session:
            planned_episode(simulator, spec, 0, PLANNED_STEPS, session.plan)
    own, programs = (
        resource.getrusage(who).ru_maxrss * 1024.0 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {"worker": own, "programs": programs, "total": own + programs}


if __name__ == "__main__":
    print(json.dumps(hold()))
