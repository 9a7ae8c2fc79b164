"""``cwmb sample-efficiency``: what is made of few training transitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console


def sample_efficiency(
    names: Sequence[str],
    strategy_name: str,
    model: str,
    options: Sequence[str],
    protocol_name: str,
    calls: int | None,
    seeds: int,
    algorithms: Sequence[str],
    updates: int,
    out: Path | None,
) -> str:
    """Search and learn from 1, 10, 100 and all transitions; returns the table. The figure lies in the folder."""
    from cwmb import models, plugins
    from cwmb.benchmark.catalog import environment
    from cwmb.benchmark.protocols import protocol
    from cwmb.harness.metering import Budget
    from cwmb.harness.setup import Setup
    from cwmb.report.render import text
    from cwmb.sandbox import Sandbox
    from cwmb.studies import efficiency

    rules = protocol(protocol_name)
    strategy = plugins.chosen_strategy(strategy_name, plugins.options(options))
    folder = out or Path("runs") / f"efficiency-{strategy_name}-{model.replace(':', '-').replace('/', '-')}"
    console = Console(stderr=True)

    def progress(point: efficiency.Point) -> None:
        console.print(f"{point.environment} {point.who}: {point.transitions} transitions", highlight=False)

    with Sandbox() as sandbox:
        setup = Setup(
            strategy=strategy,
            model_name=model,
            protocol=rules,
            budget=Budget(calls or rules.calls),
            descriptions="default",
            provider=models.load(model),
            sandbox=sandbox,
        )
        specs = [environment(name) for name in names]
        points = efficiency.study(setup, specs, seeds, algorithms, updates, folder, progress)
    figure = folder / efficiency.FIGURE
    efficiency.draw(points, figure)
    return f"{text([efficiency.table(points)])}\n\nFigure: {figure}"
