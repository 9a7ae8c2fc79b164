"""A task for each suite: ``inspect eval cwmb/cwmb18 -T strategy=gif_mcts --model …``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from inspect_ai import Epochs, Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser

from cwmb.api.benchmark import task as told
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import shipped, suite_names
from cwmb.inspect.scorers import accuracy, normalised_return
from cwmb.inspect.solvers import listed
from cwmb.inspect.solvers import strategy as strategy_solver
from cwmb.models import prompts


def _task_of(suite: str) -> Callable[..., Any]:
    @task(name=suite)
    def made(
        strategy: str = "zero_shot",
        protocol_name: str = "standard",
        envs: str | Sequence[str] = "all",
        calls: int | None = None,
        seeds: int | None = None,
        descriptions: str = "default",
        options: str | Sequence[str] = "",
        plan: bool = False,
    ) -> Task:
        """A sample for each environment, an epoch for each seed; protocol, calls and seeds as in ``cwmb eval``."""
        rules, worlds = protocol(protocol_name), shipped(suite)
        names = list(worlds.ids) if envs == "all" else [worlds.environment(n).id for n in listed(envs)]
        scorers = [accuracy(suite, protocol_name)]
        if plan:
            scorers.append(normalised_return(suite, protocol_name))
        return Task(
            dataset=MemoryDataset([_sample(name, suite, descriptions) for name in names], name=f"cwmb {suite}"),
            solver=strategy_solver(strategy, suite, protocol_name, calls, descriptions, options),
            scorer=scorers,
            epochs=Epochs(seeds or rules.seeds),
            metadata={"suite": suite, "protocol": protocol_name, "protocol_sha256": rules.checksum},
        )

    made.__doc__ = f"Suite {suite} of the Code World Models Benchmark."
    return made  # type: ignore[no-any-return]


def _sample(name: str, suite: str, descriptions: str) -> Sample:
    (message,) = prompts.generate(told(name, suite, descriptions)).messages
    return Sample(id=name, input=[ChatMessageUser(content=message.content)], target=name)


for _suite in suite_names():
    globals()[_suite] = _task_of(_suite)
