"""What is trivial and what is attainable in every environment, as a table."""

from __future__ import annotations

from cwmb.benchmark.baselines import Bounds, EnvironmentBaselines, Returns, baselines, of_environment
from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import ORIGINALS, Worlds
from cwmb.harness.episodes import episode_count, normalise
from cwmb.judging.scoring import skill
from cwmb.report.table import Column, Estimate, Table, Value, estimate

LOW_CEILING = 0.9  # docs/fidelity.md gives the reason for each that is lower

COLUMNS = (
    Column("environment", "environment"),
    Column("floor", "floor", digits=3),
    Column("lookup", "lookup", digits=3),
    Column("linear", "linear", digits=3),
    Column("ceiling", "ceiling", digits=3),
    Column("restored", "simulator", digits=3),
    Column("reference", "reference program", digits=3),
    Column("reference_skill", "its skill"),
    Column("train_floor", "floor (train)", digits=3, detail=True),
    Column("train_ceiling", "ceiling (train)", digits=3, detail=True),
    Column("train_reference", "reference program (train)", digits=3, detail=True),
    Column("random", "random"),
    Column("oracle", "oracle"),
    Column("episodes", "episodes"),
    Column("error_of_one", "error of 1"),
    Column("cpu_hours", "CPU hours"),
)


def baseline_table(protocol_name: str, worlds: Worlds = ORIGINALS) -> Table:
    """The stored baselines of a protocol: accuracies on the test set (in CSV and JSON on train too) and returns."""
    rules = protocol(protocol_name)
    rows, unfinished = [], []
    for name in worlds.ids:
        spec = worlds.environment(name)
        found = of_environment(spec, protocol_name)
        rows.append(
            (
                name,
                *_accuracies(found.test),
                *((t.floor, t.ceiling, t.reference) if (t := found.train) else (None,) * 3),
                *_returns(found),
            )
        )
        asked = episode_count(spec, rules)
        if found.oracle is None or found.oracle.episodes < asked:
            unfinished.append(f"{name} {found.oracle.episodes if found.oracle else 0} of {asked}")
    originals = worlds == ORIGINALS
    of_suite = "" if originals else f", suite {worlds.label}"
    notes = low_ceilings(protocol_name) + fewer_episodes(protocol_name) if originals else ()
    if unfinished:
        notes += (f"Oracles that were not measured to the end: {', '.join(unfinished)} episodes.",)
    return Table(
        f"baselines-{protocol_name}",
        f"Baselines of protocol {protocol_name}{of_suite}. Accuracies on the test set. Floor: the program that says "
        "nothing changes. Lookup: what followed on the nearest training transition; linear: a regression of the change "
        "on observation and action. Simulator: the true one, restored from the observation. Ceiling: the best of "
        "simulator, reference program and modal guess. Random, oracle: returns ± one standard error. Error of 1: the "
        "standard error that the normalised return of a program as good as the oracle would have. CPU hours: "
        "of both returns.",
        COLUMNS,
        tuple(rows),
        notes,
    )


def low_ceilings(protocol_name: str) -> tuple[str, ...]:
    """A note on the environments in which no program gets near 1, if there are any."""
    found = ((name, known.test) for name, known in baselines(protocol_name).environments.items())
    low = [f"{name} ({test.ceiling:.3f})" for name, test in found if test and test.ceiling < LOW_CEILING]
    return (f"Ceilings below {LOW_CEILING} (docs/fidelity.md says why): {', '.join(low)}.",) if low else ()


def fewer_episodes(protocol_name: str) -> tuple[str, ...]:
    """A note on the environments in which a protocol plans fewer episodes than in the others, if there are any."""
    rules = protocol(protocol_name)
    counts = {name: episode_count(environment(name), rules) for name in environment_ids()}
    fewer = [f"{name} ({count})" for name, count in counts.items() if count < rules.episodes]
    return (f"Fewer episodes than the {rules.episodes} of {rules.name}: {', '.join(fewer)}.",) if fewer else ()


def _accuracies(found: Bounds | None) -> tuple[Value, ...]:
    if found is None:
        return (None,) * 7
    share = None if found.reference is None else skill(found.reference, found.floor, found.ceiling)
    return found.floor, found.lookup, found.linear, found.ceiling, found.restored, found.reference, share


def _returns(found: EnvironmentBaselines) -> tuple[Value, ...]:
    error = None
    if found.scale is not None:
        random, oracle = found.scale
        error = normalise(oracle.mean, oracle.sem, random, oracle)[1]
    hours = sum(r.cpu_seconds for r in (found.random, found.oracle) if r is not None) / 3600
    episodes = found.oracle.episodes if found.oracle else None
    return returns_estimate(found.random), returns_estimate(found.oracle), episodes, error, hours or None


def returns_estimate(found: Returns | None) -> Estimate | None:
    """Mean and standard error, which a single episode does not have."""
    if found is None:
        return None
    return estimate(found.mean, found.sem if found.episodes > 1 else None)
