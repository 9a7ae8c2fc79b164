"""``cwmb baseline``: policies learned from the training data, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import Worlds
from cwmb.harness.offline_rl import PolicyReturn, learned_return, store
from cwmb.report.offline import offline_table
from cwmb.report.render import text


def learn_policies(
    algorithm: str,
    names: Sequence[str],
    worlds: Worlds,
    protocol_name: str,
    updates: int,
    count: int | None,
    seeds: int,
    episodes: int | None,
    out: Path | None,
) -> str:
    """Learn and evaluate a policy for each environment and seed, keep the results, and return their table.

    out: the file of results; the benchmark's own unless said.
    """
    console = Console(stderr=True)
    found: list[PolicyReturn] = []
    for name in names or worlds.ids:
        for seed in range(seeds):
            with console.status("") as status:

                def progress(what: str, done: int, of: int, name: str = name, seed: int = seed) -> None:
                    status.update(f"{name} seed {seed}: {what} {done} of {of}")

                result = learned_return(
                    algorithm,
                    worlds.environment(name),
                    protocol(protocol_name),
                    updates=updates,
                    count=count,
                    seed=seed,
                    episodes=episodes,
                    progress=progress,
                )
            if episodes is None or out is not None:  # the benchmark's own have the protocol's episodes
                store(result, out)
            found.append(result)
    return text([offline_table(found)])
