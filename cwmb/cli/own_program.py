"""A program of the user's own: scored on recorded transitions, planned with in the real environment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cwmb.benchmark import trajectories
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import protocol
from cwmb.errors import CwmbError, unknown
from cwmb.harness.cores import Cores
from cwmb.harness.records import Planning, Score, score
from cwmb.judging.bounds import bounds
from cwmb.judging.horizon import program_horizon, recorded_trajectories
from cwmb.judging.judge import Judge
from cwmb.machine import cores
from cwmb.models.prompts.boards import board_mistake
from cwmb.reference import MANUAL
from cwmb.sandbox import Sandbox
from cwmb.seeds import Purpose, generator, unforeseen
from cwmb.text import in_html, line
from cwmb.types import SPLITS, Evaluation, Failure, Mistake, Program, Space, Split, Transitions
from cwmb.worlds import make

SHOWN_MISTAKES = 3


def read_program(file: Path) -> Program:
    """A program from a file.

    Raises:
        CwmbError: there is none, it is no text, or defines no class Environment.
    """
    try:
        source = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise CwmbError(f"cannot read the program {file}: {getattr(error, 'strerror', None) or error}") from error
    if "Environment" not in source:
        raise CwmbError(f"{file} defines no class Environment: see 'cwmb describe ENV' for the class to write")
    return Program(source)


@dataclass(frozen=True)
class ProgramScore:
    """How well a program predicts recorded transitions of an environment; as text, what ``cwmb score`` prints.

    score: beside what is trivial and attainable, with the open-loop horizon; evaluation: the same with the mistakes
    drawn; seconds, fit_seconds: reference seconds that the program computed, and that it learned for.
    """

    spec: EnvironmentSpec
    score: Score
    evaluation: Evaluation
    seconds: float
    fit_seconds: float
    observation_space: Space
    action_space: Space

    @property
    def accuracy(self) -> float:
        """The benchmark's score, from 0 to 1."""
        return self.score.accuracy

    @property
    def skill(self) -> float | None:
        """(accuracy - floor) / (ceiling - floor); None where these lie too close together or are not known."""
        return self.score.skill

    @property
    def failure(self) -> Failure | None:
        """The first thing that went wrong, fatal or not."""
        return self.score.failure

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """Wrong transitions, at most three."""
        return self.evaluation.mistakes

    def __str__(self) -> str:
        return "\n".join(_score_lines(self))

    def _repr_html_(self) -> str:
        return f"<pre>{in_html(str(self))}</pre>"

    def plain(self) -> dict[str, Any]:
        """What ``cwmb score --json`` prints."""
        fields = (
            *("accuracy", "state", "reward", "done", "exact", "determined", "precision", "lost", "ran", "valid"),
            *("floor", "ceiling", "skill", "n"),
        )
        found = {name: getattr(self.score, name) for name in fields}
        if self.score.horizon is not None:
            found["horizon"] = {"steps": self.score.horizon.steps, "length": self.score.horizon.length}
        found["reference_seconds"] = round(self.seconds, 6)
        found["fit_seconds"] = round(self.fit_seconds, 6)
        return {**found, "failure": _brief(self.failure)}


def score_program(
    sandbox: Sandbox, spec: EnvironmentSpec, program: Program, split: str, data: str | None, protocol_name: str
) -> ProgramScore:
    """Score a program on recorded transitions: of a split, or of a file of one's own."""
    rules_of = protocol(protocol_name)
    truth, train, checksum = _data(spec, split, data)
    lent = Cores(cores())
    judge = Judge.of(sandbox, rules_of, spec, lent.share)
    with lent.scoring():
        evaluation, _, seconds = judge.score(
            program,
            truth,
            unforeseen(0, spec.id, Purpose.AUDIT, program.source),
            show=SHOWN_MISTAKES,
            feedback=None if rules_of.scoring.feedback == "first" else generator(0, spec.id, Purpose.FEEDBACK, 0),
        )
        fit = judge.fitted(program).seconds
        known = bounds(spec, judge, partial(make, spec), truth, train, checksum)
        rolled = program_horizon(judge, program, recorded_trajectories(truth, train))
    found = score(evaluation, known.floor, known.ceiling, horizon=rolled)
    return ProgramScore(spec, found, evaluation, seconds, fit, judge.observation_space, judge.action_space)


def _brief(failure: Failure | None) -> dict[str, str] | None:
    return {"kind": failure.kind, "message": failure.message} if failure else None


def _data(spec: EnvironmentSpec, split: str, data: str | None) -> tuple[Transitions, Transitions, str]:
    """The transitions to score on, those that the trivial program learns from, and the checksum of the former."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    chosen: Split = "train" if split == "train" else "test"
    if data is None:
        truth = trajectories.transitions(spec, chosen)
        return truth, trajectories.transitions(spec, "train"), trajectories.dataset(spec, chosen)[1]
    path = Path(data)
    truth = trajectories.load_folder(path, spec) if path.is_dir() else trajectories.load_npz(path, spec)
    return truth, truth, ""


def _score_lines(scored: ProgramScore) -> Iterator[str]:
    spec, result, evaluation = scored.spec, scored.score, scored.evaluation
    seconds, fit = scored.seconds, scored.fit_seconds
    skill = "–" if result.skill is None else f"{result.skill:.4f}"
    yield f"{spec.id}: accuracy {result.accuracy:.4f} on {result.n} transitions"
    yield f"  skill    {skill}   (floor {result.floor:.4f}, ceiling {result.ceiling:.4f})"
    yield f"  exact    {result.exact:.4f}   all parts right"
    if evaluation.determined > result.exact:
        yield f"           {evaluation.determined:.4f}   all right that follows from observation and action"
    yield f"  precision {result.precision:.4f}  right digits of five"
    yield f"  state    {result.state:.4f}   reward {result.reward:.4f}   done {result.done:.4f}"
    if result.valid is not None:
        yield f"  valid    {result.valid:.4f}   actions"
    if result.horizon is not None:
        one, ten, hundred = (f"{steps:g}" for steps in result.horizon.steps)
        yield f"  horizon  {one} of {result.horizon.length:g} steps along recorded actions"
        yield f"           {ten} and {hundred} with 10 and 100 times the tolerance"
    if evaluation.loses_state:
        yield f"  steps    step does not keep the new state in {result.lost:.0%} of the pairs of steps tried: planners"
        yield "           set the state once and then only call step"
    yield f"  speed    {_speed(round(result.ran * result.n), seconds)}"
    if fit:
        yield f"  fit      {fit:.3g} s of CPU time"
    if result.ran < 1:
        yield f"  ran      {result.ran:.4f}   of the transitions"
    failure = evaluation.failure
    if failure is not None:
        where = f" (line {failure.line}: {failure.code})" if failure.line else ""
        yield f"  failure  {failure.kind}: {line(failure.message + where)}"
    for mistake in evaluation.mistakes:
        yield ""
        yield from _mistake_lines(mistake, scored.observation_space, scored.action_space)


def _speed(steps: int, seconds: float) -> str:
    """How many steps a program takes in a reference second of CPU time, and what one costs."""
    if not (steps and seconds):
        return "–"
    return f"{steps / seconds:,.0f} steps a second of CPU time, {1e3 * seconds / steps:.3g} ms each"


def _mistake_lines(mistake: Mistake, observations: Space, actions: Space) -> Iterator[str]:
    if observations.kind == "board":
        yield f"transition {mistake.index}:"
        yield from board_mistake(mistake, observations).split("\n")
        return
    observation = observations.decode(np.array(mistake.observation))
    action = actions.decode(np.array(mistake.action))
    yield f"transition {mistake.index}: observation {_value(observation)}, action {_value(action)}"
    wrong = mistake.wrong_elements
    if mistake.malformed:
        yield f"  {mistake.malformed}"
    for column in [] if mistake.malformed else mistake.shown:
        truth, said = mistake.next_observation[column], mistake.predicted_observation[column]
        name = f"observation[{column}]" if observations.size > 1 else "observation"
        yield f"  {name:18} {said:.9g} should be {truth:.9g}"
    if len(wrong) > len(mistake.shown):
        yield f"  … and {len(wrong) - len(mistake.shown)} more elements"
    if mistake.reward_wrong:
        yield f"  {'reward':18} {mistake.predicted_reward:.9g} should be {mistake.reward:.9g}"
    if mistake.done_wrong:
        yield f"  {'done':18} {mistake.predicted_done} should be {mistake.done}"


def _value(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=6, threshold=40, max_line_width=10**6)
    return repr(value)


@dataclass(frozen=True)
class ProgramPlan:
    """What a planner achieves with a program in the real environment; as text, what ``cwmb plan`` prints.

    reference_seconds: that planning took.
    """

    spec: EnvironmentSpec
    planning: Planning
    reference_seconds: float

    @property
    def return_mean(self) -> float:
        """Mean return of the episodes."""
        return self.planning.return_mean

    @property
    def normalised_return(self) -> float | None:
        """0 is the random policy's, 1 the same planner's on the true environment; None where these are too close."""
        return self.planning.normalised_return

    @property
    def failure(self) -> Failure | None:
        """What went wrong in the first episode where something did."""
        return self.planning.failure

    def __str__(self) -> str:
        return "\n".join(_plan_lines(self))

    def _repr_html_(self) -> str:
        return f"<pre>{in_html(str(self))}</pre>"

    def plain(self) -> dict[str, Any]:
        """What ``cwmb plan --json`` prints."""
        fields = ("return_mean", "return_sem", "normalised_return", "normalised_sem", "episodes", "wanted")
        counts = ("random_actions", "model_steps", "step_many")
        found = {name: getattr(self.planning, name) for name in (*fields, *counts)}
        return {**found, "reference_seconds": round(self.reference_seconds, 3), "failure": _brief(self.failure)}


def plan_with_program(
    sandbox: Sandbox, spec: EnvironmentSpec, program: Program, protocol_name: str, episodes: int | None
) -> ProgramPlan:
    """Plan with a program in the real environment, showing how far it is. episodes: the protocol's unless said."""
    from rich.console import Console

    from cwmb.cli.progress import PlanProgress
    from cwmb.harness.episodes import episode_count, length
    from cwmb.harness.planning import Allowance, plan_episodes, planning

    rules_of = protocol(protocol_name)
    count = episodes or episode_count(spec, rules_of)
    allowance = Allowance(rules_of.limits.planning_seconds)
    with PlanProgress(Console(stderr=True), count, length(spec, rules_of)) as progress:
        planned = plan_episodes(
            sandbox,
            spec,
            rules_of,
            program,
            count=count,
            allowance=allowance,
            watch=progress.steps,
            done=progress.done,
        )
    return ProgramPlan(spec, planning(spec, rules_of, planned, count), allowance.all_spent)


def _plan_lines(plan: ProgramPlan) -> Iterator[str]:
    result, count = plan.planning, plan.planning.wanted or plan.planning.episodes
    normalised = (
        "– (the oracle does not clearly beat the random policy here, or was not measured)"
        if result.normalised_return is None
        else f"{result.normalised_return:.3f} ± {result.normalised_sem:.3f}"
    )
    of = f" of {count}, for which there was time" if result.episodes < count else ""
    mean = f"{result.return_mean:.3f} ± {result.return_sem:.3f}"
    yield f"{plan.spec.id}: return {mean} over {result.episodes} episodes{of}"
    yield f"  normalised   {normalised}"
    yield f"  model steps  {result.model_steps:,} ({result.failed_steps:,} failed)"
    yield f"  speed        {_speed(result.model_steps, plan.reference_seconds)}"
    yield f"  random       {result.random_actions} actions of {result.steps}"
    if plan.spec.reference == MANUAL:
        yield f"  won          {sum(r > 0 for r in result.returns)} of {result.episodes} episodes"
    if result.step_many is not None:
        yield f"  step_many    {result.step_many}"
    if result.failure is not None:
        yield f"  failure      {result.failure.kind}: {line(result.failure.message)}"
