"""The paper's tables, from its figures in ``results/published/``, with our rows in the same layout beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from cwmb.benchmark.baselines import baselines
from cwmb.benchmark.data import data_path
from cwmb.benchmark.suites import ORIGINAL
from cwmb.errors import CwmbError
from cwmb.harness.episodes import summary
from cwmb.harness.inference import stored
from cwmb.harness.offline_rl import PolicyReturn
from cwmb.harness.offline_rl import stored as stored_policies
from cwmb.report.baselines import fewer_episodes, returns_estimate
from cwmb.report.configuration import Configuration
from cwmb.report.problems import problem_rows
from cwmb.report.results import BUDGET, MARKS, MODEL, STRATEGY, average, combined_error, identity, notes
from cwmb.report.table import Column, Estimate, Table, Value, estimate

FILE = "arxiv-2405.15383.json"
PAPER = "paper"
OURS = "cwmb"
SOURCE = Column("source", "source")

Row = Mapping[str, Any]


@cache
def published_rows(table: str) -> list[dict[str, Any]]:
    """The rows of a table of the paper, by its number (``10 and 11`` is one).

    Raises:
        CwmbError: the file with the paper's figures is missing or malformed.
    """
    path = data_path("results", "published", FILE)
    try:
        content = msgspec.json.decode(path.read_bytes())
        return list(content["tables"][table]["rows"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError) as error:
        raise CwmbError(f"{path}: cannot read table {table} ({error}); restore the file") from error


def published_tables(
    ours: Sequence[Configuration],
    rtfm: Sequence[Configuration] = (),
    apps: Sequence[Path] = (),
    inference: Sequence[Path] = (),
) -> list[Table]:
    """Every table of the paper that holds results; ours may be empty.

    rtfm: those of that suite; apps, inference: folders of runs over problems, and of inference times.
    """
    return [
        _apps(apps),
        _main(ours),
        _rtfm(rtfm),
        _ablations(ours),
        _inference_time(inference),
        *_by_environment(ours),
        _raw_returns(ours),
    ]


def missing(command: str, what: str = "A row of cwmb") -> tuple[str, ...]:
    """The note that says how a row comes to be."""
    return (f"{what} is made by: {command}",)


RUN = "cwmb eval --protocol paper --strategy STRATEGY --model MODEL"


# -------------------------------------------------------------------- tables of other things than the 18 environments


def _apps(folders: Sequence[Path]) -> Table:
    columns = (
        SOURCE,
        MODEL,
        STRATEGY,
        Column("samples", "samples"),
        Column("problems", "problems"),
        Column("strict_accuracy", "strict, %", digits=1),
        Column("average_accuracy", "average, %", digits=1),
        Column("any_accuracy", "any script, %", digits=1),
    )
    rows: list[tuple[Value, ...]] = [
        (PAPER, r["model"], r["strategy"], r["samples"], 1000, _figure(r["strict_accuracy"]), None, None)
        for r in published_rows("1")
    ]
    for strategy, model, problems, budget, strict, average_, any_, _ in problem_rows(folders):
        rows.append((OURS, model, strategy, budget, problems, strict, average_, any_))
    return Table(
        "published 1",
        "Table 1 of arXiv 2405.15383: APPS, competition split, share of problems solved completely.",
        columns,
        tuple(rows),
        (
            "Strict and average are of the judged script; any script counts a problem if one of those that were tried "
            "passes all tests. Searches see the first half of the tests only.",
            *missing("cwmb eval --suite apps --apps FILE --protocol paper --strategy STRATEGY --model MODEL"),
        ),
    )


def _rtfm(ours: Sequence[Configuration]) -> Table:
    columns = (
        SOURCE,
        MODEL,
        STRATEGY,
        BUDGET,
        Column("manuals", "manuals"),
        Column("accuracy", "accuracy"),
        Column("return", "return"),
        Column("won", "won"),
        MARKS,
    )
    rows: list[tuple[Value, ...]] = [
        (
            PAPER,
            r["model"],
            r["strategy"],
            r["budget"],
            "fixed",
            _figure(r["accuracy"]),
            _figure(r["return"]),
            None,
            None,
        )
        for r in published_rows("3")
    ]
    for configuration in ours:
        label, model, budget = identity(configuration)
        for manuals, part in _manuals(configuration):
            figures = (average(part, name) for name in ("accuracy", "normalised_return", "won"))
            rows.append((OURS, model, label, budget, manuals, *figures, configuration.marks))
    return Table(
        "published 3",
        "Table 3 of arXiv 2405.15383: RTFM, accuracy and normalised return.",
        columns,
        tuple(rows),
        (
            "won: share of the planned episodes that were won. drawn: mean over the manuals that were drawn.",
            *_notes(ours),
            *missing(f"{RUN} --suite rtfm"),
        ),
    )


def _manuals(configuration: Configuration) -> Iterator[tuple[str, Configuration]]:
    """The rows of the fixed manual, and those of the drawn ones, so far as there are any."""
    fixed = configuration["environment"] == "RTFM-fixed"
    for name, rows in (("fixed", fixed), ("drawn", ~fixed)):
        if rows.any():
            yield name, configuration.take(rows)


def _inference_time(folders: Sequence[Path]) -> Table:
    columns = (
        SOURCE,
        Column("environment", "environment"),
        MODEL,
        Column("language_model", "language model, s", digits=1),
        Column("program", "program, s", digits=5),
        Column("model_accuracy", "its accuracy"),
        Column("program_accuracy", "the program's"),
    )
    rows: list[tuple[Value, ...]] = [
        (PAPER, row["environment"], "GPT-4", row["language_model"], row["program"], None, None)
        for row in published_rows("8")
    ]
    for i in (i for folder in folders for i in stored(folder)):
        seconds = (i.model_seconds, i.program_seconds)
        rows.append((OURS, i.environment, i.model, *seconds, i.model_accuracy, i.program_accuracy))
    return Table(
        "published 8",
        "Table 8 of arXiv 2405.15383: seconds for one predicted step, by GPT-4 itself and by a program.",
        columns,
        tuple(rows),
        missing("cwmb bench-inference PROGRAM.py --env ENV --model MODEL"),
    )


# ------------------------------------------------------------------------------------------- tables with rows of ours

_FIGURES = {
    "discrete_accuracy": "discrete acc.",
    "discrete_return": "return",
    "continuous_accuracy": "continuous acc.",
    "continuous_return": "return",
}


def _main(ours: Sequence[Configuration]) -> Table:
    columns = (SOURCE, MODEL, STRATEGY, BUDGET, *(Column(*item) for item in _FIGURES.items()), MARKS)
    rows: list[tuple[Value, ...]] = [
        (PAPER, row["model"], row["strategy"], row["budget"], *_figures(row), None) for row in published_rows("2")
    ]
    for configuration in ours:
        label, model, budget = identity(configuration)
        rows.append((OURS, model, label, budget, *_averages(configuration), configuration.marks))
    return Table(
        "published 2",
        "Table 2 of arXiv 2405.15383: accuracy and normalised return over the environments with discrete and with "
        "continuous actions.",
        columns,
        tuple(rows),
        (
            "The paper's errors of accuracies are standard errors over environments and seeds, as ours are; those of "
            "its returns are smaller than that, and are not explained.",
            *_notes(ours),
            *missing(RUN),
        ),
    )


def _ablations(ours: Sequence[Configuration]) -> Table:
    columns = (SOURCE, MODEL, Column("variant", "variant"), BUDGET, *(Column(*i) for i in _FIGURES.items()), MARKS)
    rows: list[tuple[Value, ...]] = [
        (PAPER, "Llama 3 70B", row["variant"], 50, *_figures(row), None) for row in published_rows("6")
    ]
    own = [c for c in ours if c.first("strategy") == "gif_mcts"]
    for configuration in own:
        _, model, budget = identity(configuration)
        rows.append((OURS, model, _variant(configuration), budget, *_averages(configuration), configuration.marks))
    return Table(
        "published 6",
        "Table 6 of arXiv 2405.15383: GIF-MCTS without one of its actions.",
        columns,
        tuple(rows),
        (*_notes(own), *missing(f"{RUN.replace('STRATEGY', 'gif_mcts')} -o fix=false (or improve, or generate)")),
    )


def _variant(configuration: Configuration) -> str:
    """``full``, ``no_fix``, …, then the options that the paper does not vary."""
    options = msgspec.json.decode(configuration.first("options"))
    without = [f"no_{action}" for action in ("generate", "improve", "fix") if options.get(action) is False]
    others = [word for word in configuration.label.split()[1:] if not word.endswith("=false")]
    return " ".join([*(without or ["full"]), *others])


def _by_environment(ours: Sequence[Configuration]) -> Iterator[Table]:
    published = published_rows("10 and 11")
    strategies = list(dict.fromkeys(row["strategy"] for row in published))
    environments = list(dict.fromkeys(row["environment"] for row in published))
    for model in dict.fromkeys(row["model"] for row in published):
        figures = {(row["environment"], row["strategy"]): row for row in published if row["model"] == model}
        columns = [Column("environment", "environment")]
        for strategy in strategies:
            columns += _pair(f"paper_{strategy}", f"{strategy}, paper")
        for i, configuration in enumerate(ours):
            columns += _pair(f"cwmb_{i}", _heading(configuration))
        rows = [
            (
                environment,
                *(figures[environment, s][key] for s in strategies for key in ("accuracy", "return")),
                *(value for c in ours for value in _accuracy_and_return(c, environment)),
            )
            for environment in environments
        ]
        yield Table(
            f"published 10 and 11, {model}",
            f"Tables 10 and 11 of arXiv 2405.15383, {model}: accuracy and normalised return by environment.",
            tuple(columns),
            tuple(rows),
            (*_notes(ours), *missing(RUN, "A column of cwmb")),
        )


def _pair(key: str, title: str) -> list[Column]:
    return [Column(f"{key}_accuracy", f"{title}: accuracy"), Column(f"{key}_return", "return")]


_RETURNS = {
    "random": "random",
    "cql": "CQL",
    "gif_mcts_llama3_70b": "gif_mcts, Llama 3 70B",
    "gif_mcts_gpt4_turbo": "gif_mcts, GPT-4 Turbo",
    "oracle": "oracle",
}


def _raw_returns(ours: Sequence[Configuration]) -> Table:
    planned = [c for c in ours if len(c.known("return_mean"))]
    columns = [
        Column("environment", "environment"),
        *(Column(f"paper_{key}", f"{title}, paper", digits=1) for key, title in _RETURNS.items()),
    ]
    if ours:
        columns += [Column(f"cwmb_{key}", f"{key}, cwmb", digits=1) for key in ("random", "oracle")]
    columns += [Column(f"cwmb_{i}_return", _heading(c), digits=1) for i, c in enumerate(planned)]
    learned = _learned(ours[0].protocol if ours else "paper")
    columns += [Column(f"cwmb_{a}_{n}", f"{a}, {n:,} updates, cwmb", digits=1) for a, n in learned]
    rows = []
    for row in published_rows("12"):
        environment = row["environment"]
        values: list[Value] = [environment, *(row[key] for key in _RETURNS)]
        if ours:
            known = baselines(ours[0].protocol).of(environment)
            values += [returns_estimate(known.random), returns_estimate(known.oracle)]
        policies = (returns.get(environment) for returns in learned.values())
        rows.append((*values, *(_return(c, environment) for c in planned), *policies))
    return Table(
        "published 12",
        "Table 12 of arXiv 2405.15383: returns by environment.",
        tuple(columns),
        tuple(rows),
        (
            *_notes(ours),
            *(fewer_episodes(ours[0].protocol) if ours else ()),
            *missing(RUN, "A column of cwmb"),
            *missing("cwmb baseline cql ENV (extra offline-rl)", "A policy learned without a model"),
        ),
    )


def _learned(protocol: str) -> dict[tuple[str, int], dict[str, Estimate]]:
    """Returns of policies learned from all training data, by algorithm and updates: environment by environment."""
    found: dict[tuple[str, int], dict[str, list[PolicyReturn]]] = {}
    most: dict[str, int] = {}
    for r in stored_policies():
        if r.suite == ORIGINAL and r.protocol == protocol:
            most[r.environment] = max(most.get(r.environment, 0), r.transitions)
            found.setdefault((r.algorithm, r.updates), {}).setdefault(r.environment, []).append(r)
    whole = {
        key: {
            name: [r for r in results if r.transitions == most[name]]
            for name, results in by_environment.items()
            if any(r.transitions == most[name] for r in results)
        }
        for key, by_environment in found.items()
    }
    return {
        key: {name: Estimate(*summary([x for r in results for x in r.returns])) for name, results in by_name.items()}
        for key, by_name in sorted(whole.items())
        if by_name
    }


# --------------------------------------------------------------------------------------------------- parts of tables


def _figure(pair: Sequence[float]) -> Estimate:
    return Estimate(*pair)


def _figures(row: Row) -> Iterator[Estimate]:
    return (_figure(row[key]) for key in _FIGURES)


def _averages(configuration: Configuration) -> Iterator[Value]:
    for group in ("discrete", "continuous"):
        part = configuration.of_group(group)
        for name in ("accuracy", "normalised_return"):
            yield average(part, name) if len(part) else None


def _accuracy_and_return(configuration: Configuration, environment: str) -> tuple[Value, Value]:
    index = configuration.environments.get(environment)
    if index is None:
        return None, None
    part = configuration.take(index)
    return part.mean("accuracy"), part.mean("normalised_return")


def _return(configuration: Configuration, environment: str) -> Value:
    index = configuration.environments.get(environment)
    if index is None:
        return None
    part = configuration.take(index)
    return estimate(part.mean("return_mean"), combined_error(part, "return_mean", "return_sem"))


def _heading(configuration: Configuration) -> str:
    label, model, budget = identity(configuration)
    marked = f" [{configuration.marks}]" if configuration.marks else ""
    return f"{label}, {model}, {budget} calls{marked}"


def _notes(ours: Sequence[Configuration]) -> tuple[str, ...]:
    if not ours:
        return ()
    name = ours[0].protocol
    if name == "paper":
        return notes(ours)
    return (
        f"The rows of cwmb are of protocol {name}, whose data, metric and planners are not the paper's: only those of "
        "protocol paper can be held against the published figures.",
        *notes(ours),
    )
