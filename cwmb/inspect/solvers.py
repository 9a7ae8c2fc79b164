"""Search strategies as solvers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from inspect_ai.log import transcript
from inspect_ai.solver import Generate, Solver, TaskState, solver

from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import ORIGINAL, shipped
from cwmb.benchmark.trajectories import transitions
from cwmb.harness.ledger import Forgetful
from cwmb.harness.metering import Budget, Meter
from cwmb.harness.search import Found, search, write_search
from cwmb.harness.setup import Job, Setup
from cwmb.inspect.model import Asking
from cwmb.judging.judge import Judge
from cwmb.plugins import Chosen, chosen_strategy
from cwmb.plugins import options as split
from cwmb.sandbox import Sandbox
from cwmb.types import SPLITS, Provider


def listed(value: str | Sequence[str]) -> list[str]:
    """What is separated by commas. On its command line Inspect has separated it already where there are several."""
    parts = value.split(",") if isinstance(value, str) else value
    return [part.strip() for part in parts if part.strip()]


@cache
def sandbox() -> Sandbox:
    """The sandbox that all samples share."""
    return Sandbox()


@solver
def strategy(
    name: str = "zero_shot",
    suite: str = ORIGINAL,
    protocol_name: str = "standard",
    calls: int | None = None,
    descriptions: str = "default",
    options: str | Sequence[str] = "",
) -> Solver:
    """Let a search strategy ask the model and try programs on the training transitions.

    name: as ``cwmb list strategies`` has it; calls: of a search, the protocol's unless said; options: the strategy's,
    ``name=value`` separated by commas. The answer is the program that the search ends with; each call is in Inspect's
    log, the search tree among its information, and the seed is the epoch.
    """
    chosen = chosen_strategy(name, split(listed(options)))

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        provider, seed = Asking(), state.epoch - 1
        run = partial(_search, chosen, provider, state.sample_id, suite, protocol_name, calls, descriptions, seed)
        found, tree = await anyio.to_thread.run_sync(run)
        transcript().info({"search": tree, "stop": found.stop, "limit": found.limit}, source="cwmb")
        if found.failure is not None:
            raise RuntimeError(f"strategy {name}: {found.failure.message}")
        source = found.program.source if found.program else ""
        state.output.completion = f"```python\n{source}\n```" if source else ""
        return state

    return solve


def _search(
    chosen: Chosen,
    provider: Provider,
    env: Any,
    suite: str,
    protocol_name: str,
    calls: int | None,
    descriptions: str,
    seed: int,
) -> tuple[Found, list[Mapping[str, Any]]]:
    """A search without a ledger, as Inspect keeps its own; returns its tree, too."""
    spec, rules = shipped(suite).environment(str(env)), protocol(protocol_name)
    budget = Budget(calls or rules.calls)
    with TemporaryDirectory(prefix="cwmb-inspect-") as folder:
        setup = Setup(
            strategy=chosen,
            model_name=provider.name,
            protocol=rules,
            budget=budget,
            descriptions=descriptions,
            worlds=shipped(suite),
            provider=provider,
            sandbox=sandbox(),
        )
        meter = Meter(budget)
        job = Job(
            setup=setup,
            spec=spec,
            seed=seed,
            folder=Path(folder),
            ledger=Forgetful(),
            meter=meter,
            judge=Judge.of(setup.sandbox, rules, spec, setup.cores.share),
            data={each: transitions(spec, each) for each in SPLITS},
        )
        found = search(job, chosen.make())
        write_search(job.folder, meter)
        return found, json.loads((job.folder / "tree.json").read_text())
