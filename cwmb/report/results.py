"""The result tables of runs: main, by environment, spend, intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from cwmb.benchmark.protocols import protocol
from cwmb.report.configuration import FLAGS, Configuration, each_group
from cwmb.report.statistics import bootstrap_interval, interquartile_mean, mean
from cwmb.report.table import Column, Table, Value, estimate, number

METRICS = {"accuracy": "accuracy", "skill": "skill", "normalised_return": "return"}

STRATEGY = Column("strategy", "strategy")
MODEL = Column("model", "model")
BUDGET = Column("budget", "calls")
MARKS = Column("marks", "marks")
# What calls may have come to that readers of a table must know.
ODD_CALLS = {
    "exceeded_calls": "the prompt did not fit into the context window",
    "refused_calls": "a content filter or the model refused",
    "reduced_calls": "the endpoint granted fewer new tokens than the protocol asks for",
    "thought_calls": "the program stood in the model's thoughts and nowhere else",
}
CONTEXT = tuple(Column(key, key, detail=True) for key in ("run_budget", "protocol", "descriptions", *FLAGS))

LEGEND = {
    "S": "S: simulated, no language model was asked.",
    "C": "C: custom, the budget or the number of seeds is not the protocol's.",
    "I": "I: incomplete, environments or seeds of the protocol are missing, have no score or were not planned.",
    "U": "U: unsandboxed, programs were not locked up while they ran.",
    "G": "G: guessed, tokens of calls that the endpoint did not count are estimated from the characters.",
    "E": "E: early, what a larger run had found after its first calls.",
}
SIMULATED = (
    "No language model was asked for the rows of the simulated model: they are a test of the software, and nothing "
    "follows from them about strategies. Name a model with MODEL=openai:NAME (make) or --model openai:NAME (cwmb eval)."
)


def main_table(configurations: Sequence[Configuration]) -> Table:
    """Accuracy, skill and normalised return of each configuration over the two halves and all environments."""
    columns = (
        STRATEGY,
        MODEL,
        BUDGET,
        Column("group", "actions"),
        Column("cells", "cells"),
        Column("failed", "failed"),
        Column("accuracy", "accuracy"),
        Column("skill", "skill"),
        Column("normalised_return", "return"),
        Column("normalised_return_iqm", "IQM"),
        MARKS,
        Column("environments", "environments", detail=True),
        Column("environments_skill", "environments with skill", detail=True),
        Column("environments_return", "environments with normalised return", detail=True),
        Column("train_accuracy", "train accuracy", detail=True),
        *CONTEXT,
    )
    rows = []
    for configuration in configurations:
        for part in each_group(configuration):
            returns = part.averages("normalised_return")
            rows.append(
                (
                    *identity(part),
                    part.group,
                    int(part["scored"].sum()),
                    int((part["state"] != "done").sum()),
                    *(average(part, name) for name in METRICS),
                    number(float(interquartile_mean(returns))) if len(returns) else None,
                    part.marks,
                    *(len(part.averages(name)) for name in METRICS),
                    average(part, "train_accuracy"),
                    *context(part),
                )
            )
    return Table(
        "main",
        f"Main results. {scope(configurations)} Averages over environments (of their averages over seeds); ± is one "
        "standard error over the cells, one for each environment and seed. The return is normalised (random policy 0, "
        "oracle 1, not clipped) and counts where the oracle beats the random policy; IQM is its interquartile mean.",
        columns,
        tuple(rows),
        notes(configurations),
    )


_AVERAGED = ("floor", "ceiling", "skill", "exact", "precision", "unseen_accuracy")
_PARTS = ("state_part", "reward_part", "done_part", "ran", "random_actions", "limited")


def environment_tables(configurations: Sequence[Configuration]) -> Iterator[Table]:
    """One table for each configuration, with a row for each environment."""
    columns = (
        Column("environment", "environment"),
        Column("cells", "cells", detail=True),
        Column("accuracy", "accuracy"),
        Column("floor", "floor"),
        Column("ceiling", "ceil."),
        Column("skill", "skill"),
        Column("exact", "exact"),
        Column("precision", "digits"),
        Column("unseen_accuracy", "unseen"),
        Column("return_mean", "return", digits=None),
        Column("normalised_return", "norm."),
        Column("calls", "calls", digits=0, detail=True),
        Column("failure", "failure"),
        *(Column(key, key, detail=True) for key in ("strategy", "model", "budget", "group", "train_accuracy")),
        *(Column(key, key, detail=True) for key in _PARTS),
        *CONTEXT,
    )
    for configuration in configurations:
        rows = []
        for environment, index in configuration.environments.items():
            part = configuration.take(index)
            rows.append(
                (
                    environment,
                    int(part["scored"].sum()),
                    average(part, "accuracy"),
                    *(part.mean(name) for name in _AVERAGED),
                    estimate(part.mean("return_mean"), combined_error(part, "return_mean", "return_sem")),
                    estimate(
                        part.mean("normalised_return"), combined_error(part, "normalised_return", "normalised_sem")
                    ),
                    part.mean("calls"),
                    failures(part),
                    *identity(configuration),
                    str(part.first("group")),
                    average(part, "train_accuracy"),
                    *(part.mean(name) for name in _PARTS),
                    *context(configuration),
                )
            )
        marked = f" [{configuration.marks}]" if configuration.marks else ""
        yield Table(
            f"environments {configuration.label} {configuration.model} {configuration.budget}",
            f"{configuration.label} with {configuration.model}, {configuration.budget} calls{marked}: results by "
            f"environment. {scope([configuration])} Averages over seeds; ± of the accuracy is one standard error over "
            "seeds, that of the returns also has the episodes' and, where normalised, the baselines'. digits: share of "
            "five decimal digits that are right (precision).",
            columns,
            tuple(rows),
            notes([configuration]),
        )


_SPEEDS = ("steps_per_second", "planned_per_second", "at_once_per_second")
_PLANNED = ("model_steps", "reference_seconds", "episodes", "wanted", "fit_seconds")


def speed_tables(configurations: Sequence[Configuration]) -> Iterator[Table]:
    """For each configuration whose timings are at hand: how fast its programs are, and what planning with them took."""
    fits = any(c.known("fit_seconds").any() for c in configurations)
    columns = (
        Column("environment", "environment"),
        Column("steps_per_second", "scored", digits=0),
        Column("planned_per_second", "planned", digits=0),
        Column("at_once_per_second", "step_many", digits=0),
        Column("model_steps", "model steps", digits=0),
        Column("reference_seconds", "seconds", digits=1),
        Column("episodes", "episodes", digits=1),
        Column("wanted", "of", digits=1),
        Column("fit_seconds", "fit", digits=1, detail=not fits),
        *(Column(key, key, detail=True) for key in ("strategy", "model", "budget")),
        *CONTEXT,
    )
    for configuration in configurations:
        if configuration.flags["early"] or not len(configuration.known("steps_per_second")):
            continue
        rows = []
        for environment, index in configuration.environments.items():
            part = configuration.take(index)
            means = (part.mean(name) for name in (*_SPEEDS, *_PLANNED))
            rows.append((environment, *means, *identity(configuration), *context(configuration)))
        yield Table(
            f"speed {configuration.label} {configuration.model} {configuration.budget}",
            f"{configuration.label} with {configuration.model}, {configuration.budget} calls: how fast the programs "
            "are, in steps a second while they are scored, while they are planned with, and the latter by their own "
            "step_many where they have one; and what planning took. Averages over seeds. Seconds are CPU time of the "
            "reference machine.",
            columns,
            tuple(rows),
        )


_COUNTED = ("calls", "prompt_tokens", "cached_tokens", "written_tokens", "completion_tokens", "reasoning_tokens")
_SECONDS = ("call_seconds", "score_seconds", "episode_seconds")


def spend_table(configurations: Sequence[Configuration]) -> Table:
    """What each run has cost, summed over its cells, those without a score included."""
    columns = (
        STRATEGY,
        MODEL,
        BUDGET,
        Column("cells", "cells"),
        Column("calls", "made"),
        Column("prompt_tokens", "prompt"),
        Column("cached_tokens", "cached"),
        Column("written_tokens", "written"),
        Column("completion_tokens", "completion"),
        Column("reasoning_tokens", "reasoning"),
        Column("dollars", "dollars"),
        Column("call_seconds", "asking", digits=0),
        Column("score_seconds", "scoring", digits=0),
        Column("episode_seconds", "planning", digits=0),
        MARKS,
        *CONTEXT,
    )
    whole = [c for c in configurations if not c.flags["early"]]
    rows = [
        (
            *identity(c),
            len(c),
            *(int(c[name].sum()) for name in _COUNTED),
            number(c["dollars"].sum()),
            *(float(c.known(name).sum()) if len(c.known(name)) else None for name in _SECONDS),
            c.marks,
            *context(c),
        )
        for c in whole
    ]
    return Table(
        "spend",
        f"Spend: LLM calls, tokens, dollars and seconds, summed over all cells. {scope(configurations)} "
        "Cached and written tokens (read from and written to a cache) are among those of the prompt, reasoning tokens "
        "among those of the completion. Dollars are missing where a price is unknown, seconds (asking the model, "
        "scoring programs, planning with them) where they were not noted.",
        columns,
        tuple(rows),
        notes(whole),
    )


_STATISTICS: tuple[tuple[str, str, Any], ...] = (
    *((title, name, mean) for name, title in METRICS.items()),
    ("IQM of return", "normalised_return", interquartile_mean),
)


def interval_table(configurations: Sequence[Configuration]) -> Table:
    """95 % bootstrap intervals of each configuration's averages."""
    columns = (
        STRATEGY,
        MODEL,
        BUDGET,
        Column("metric", "metric"),
        Column("group", "actions"),
        Column("estimate", "estimate", digits=3),
        Column("low", "low", digits=3),
        Column("high", "high", digits=3),
        Column("resampled", "resampled"),
        MARKS,
        Column("environments", "environments", detail=True),
        *CONTEXT,
    )
    rows: list[tuple[Value, ...]] = []
    for configuration in configurations:
        parts = list(each_group(configuration))
        for title, name, statistic in _STATISTICS:
            for part in parts:
                strata = part.strata(name)
                if not strata:
                    continue
                interval = bootstrap_interval(strata, statistic)
                rows.append(
                    (
                        *identity(part),
                        title,
                        part.group,
                        float(statistic(np.array([values.mean() for values in strata]))),
                        interval.low if interval else None,
                        interval.high if interval else None,
                        interval.resampled if interval else None,
                        part.marks,
                        len(strata),
                        *context(part),
                    )
                )
    return Table(
        "intervals",
        f"95 % bootstrap intervals of the averages over environments. {scope(configurations)} Seeds are resampled "
        "within each environment; where an environment has but one, the environments are resampled instead, which "
        "tells how much the average hangs on their choice.",
        columns,
        tuple(rows),
        notes(configurations),
    )


# --------------------------------------------------------------------------------------------- parts of tables


def identity(part: Configuration) -> tuple[str, str, int]:
    """Strategy, model and budget, the first columns of a row."""
    return part.label, part.model, part.budget


def context(part: Configuration) -> tuple[Value, ...]:
    """The last columns of a row: those of CONTEXT."""
    return int(part.first("run_budget")), part.protocol, part.descriptions, *part.flags.values()


def average(part: Configuration, name: str) -> Value:
    """Average over environments of a column with its standard error over cells."""
    values = part.averages(name)
    return estimate(float(values.mean()) if len(values) else None, part.sem(name))


def combined_error(part: Configuration, values: str, errors: str) -> float | None:
    """Standard error of an average over seeds whose values each have an error of their own.

    The episodes' start states and the baselines are the same for all seeds, so that their part does not shrink with
    more of them: it is added to the spread between seeds.
    """
    own = part.known(errors)
    return float(np.hypot(np.sqrt(np.mean(own**2)), part.sem(values) or 0.0)) if len(own) else None


def failures(part: Configuration) -> str | None:
    """The kinds of failure among cells, and how often each where there are several cells; None where there is none."""
    kinds = [kind for kind in part["failure"] if isinstance(kind, str)]
    if not kinds:
        return None
    return ", ".join(kind if len(part) == 1 else f"{kind} {kinds.count(kind)}×" for kind in dict.fromkeys(kinds))


def scope(configurations: Sequence[Configuration]) -> str:
    """Protocol and descriptions, as a sentence for a caption."""
    return f"Protocol {configurations[0].protocol}, descriptions {configurations[0].descriptions}."


def notes(configurations: Sequence[Configuration]) -> tuple[str, ...]:
    """What readers of a table must know: the marks' meaning, failures, versions."""
    letters = set("".join(c.marks for c in configurations))
    lines = [line for letter, line in LEGEND.items() if letter in letters]
    if "S" in letters:
        lines.append(SIMULATED)
    states = [state for c in configurations if not c.flags["early"] for state in c["state"]]
    if failed := states.count("failed"):
        lines.append(f"{failed} of {len(states)} cells failed since the strategy raised: they have no score, not 0.")
    if lost := states.count("infrastructure"):
        lines.append(
            f"{lost} of {len(states)} cells were lost to infrastructure: they have no score, not 0, and are tried "
            "again when the run is resumed."
        )
    if unplanned := sum(c.unplanned for c in configurations):
        lines.append(
            f"{unplanned} of {len(states)} cells have no planning result: returns are those of the others. The run's "
            "command, without --no-plan, makes it up."
        )
    limits = [limit for c in configurations if not c.flags["early"] for limit in c["limit"] if isinstance(limit, str)]
    for limit in sorted({*limits} - {"calls"}):
        lines.append(f"{limits.count(limit)} of {len(states)} searches were ended by their limit of {limit}.")
    for dropped, model in dict.fromkeys((d, c.model) for c in configurations for d in _distinct(c["dropped"])):
        lines.append(f"{model} refused parameters, which were left out: {dropped}.")
    lines += [
        f"{model}: in {number} of {of} calls {what}."
        for model in dict.fromkeys(c.model for c in configurations)
        for name, what in ODD_CALLS.items()
        if (number := _calls(configurations, model, name)) and (of := _calls(configurations, model, "calls"))
    ]
    commits = dict.fromkeys(commit for c in configurations for commit in _distinct(c["commit"]))
    if len(commits) > 1:
        lines.append(f"Measured with {len(commits)} versions of cwmb: {', '.join(c[:12] for c in commits)}.")
    if any(c["dirty"].any() for c in configurations):
        lines.append("Some cells ran in a checkout that was changed since its commit.")
    if any(c.first("protocol_sha256") != protocol(c.protocol).checksum for c in configurations):
        lines.append(f"The file of protocol {configurations[0].protocol} was changed since these cells ran.")
    return tuple(lines)


def _calls(configurations: Sequence[Configuration], model: str, name: str) -> int:
    """The sum over a model's cells of a column that counts calls."""
    return int(sum(c.known(name).sum() for c in configurations if c.model == model and not c.flags["early"]))


def _distinct(values: Iterable[object]) -> list[str]:
    return [value for value in dict.fromkeys(values) if isinstance(value, str)]
