"""Verification: everything in a bundle that can be recomputed without a model, recomputed."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

from cwmb.benchmark import trajectories
from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.suites import ORIGINAL, drawn, suite, told_sha256
from cwmb.conversion import convert
from cwmb.errors import CwmbError, InfrastructureError
from cwmb.harness import provenance
from cwmb.harness.cores import Cores
from cwmb.harness.episodes import Episode, episode_count
from cwmb.harness.planning import planning
from cwmb.harness.records import Record
from cwmb.journal import entries as entries_of
from cwmb.judging.judge import Judge
from cwmb.judging.scoring import evaluate, persistence
from cwmb.machine import cores, processes
from cwmb.models import prompts
from cwmb.models.simulated import Simulated
from cwmb.sandbox import Sandbox
from cwmb.seeds import Purpose, unforeseen
from cwmb.submission import figures
from cwmb.submission.again import Again, Bench, Recorded, built_in, programs_of, prompt_of, run_again
from cwmb.submission.figures import VERDICTS, Figure, Verdict, worst
from cwmb.submission.opening import Bundle, BundleRun
from cwmb.types import Evaluation, FittedProgram, Program, Prompt, Request, Transitions

Entries = list[dict[str, Any]]
Draw = Callable[[EnvironmentSpec, int], Transitions]


def fresh_test_set(spec: EnvironmentSpec, seed: int) -> Transitions:
    """Of an environment of suite ``cwmb18``: the public test set's recipe with seeds that nobody knew."""
    from cwmb.collect import fresh

    return fresh(spec, seed)


def fresh_test_set_of_world(spec: EnvironmentSpec, seed: int) -> Transitions:
    """Of a drawn world: its test set chosen anew, by the rules of the drawing, from steps that nobody knew."""
    from cwmb.collect.worlds import fresh

    return fresh(spec, seed)


def fresh_world(spec: EnvironmentSpec, seed: int, folder: Path) -> EnvironmentSpec:
    """Another world of the same environment and suite, in a folder: what the description tells of constants stays."""
    from cwmb.collect.worlds import write_world
    from cwmb.worlds.constants import constants

    assert spec.world is not None
    told = {c.name: spec.world.constants[c.name] for c in constants(spec.id) if not c.hidden}
    write_world(spec.id, suite(spec.world.suite), seed, folder, told)
    return drawn(folder).environment(spec.id)


# What a program of a suite is scored on besides the public test set, from the verification's seed.
FRESH: Mapping[str, Draw] = {
    ORIGINAL: fresh_test_set,
    **dict.fromkeys(("varied", "hidden", "altered"), fresh_test_set_of_world),
}
Key = tuple[str, str]  # suite, environment


@dataclass(frozen=True)
class Fresh:
    """What is drawn for a verification, by suite and environment: test sets, and worlds for programs that learn."""

    sets: Mapping[Key, Future[Transitions]] = field(default_factory=dict)
    worlds: Mapping[Key, Future[EnvironmentSpec]] = field(default_factory=dict)


@dataclass(frozen=True)
class CellReport:
    """What was found of a cell."""

    run: int
    environment: str
    seed: int
    figures: list[Figure]

    @property
    def verdict(self) -> Verdict:
        """The worst but for what cannot be checked in any bundle."""
        return worst([f.verdict for f in self.figures if f.verdict != "not checkable"])


@dataclass(frozen=True)
class Verification:
    """The report on a bundle. cells_of: how many it has; episodes: at most so many were planned of each cell."""

    name: str
    bundle: str
    seed: int
    episodes: int | None
    cells_of: int
    versions: dict[str, str]
    cells: list[CellReport]

    @property
    def verdict(self) -> Verdict:
        """The worst of all cells."""
        return worst([cell.verdict for cell in self.cells])

    @property
    def counts(self) -> dict[str, int]:
        """How many figures got each verdict."""
        found = Counter(figure.verdict for cell in self.cells for figure in cell.figures)
        return {verdict: found[verdict] for verdict in VERDICTS}


def verify(
    bundle: Bundle,
    seed: int,
    *,
    episodes: int | None = None,
    cells: int | None = None,
    fresh: bool = True,
    progress: Callable[[CellReport], None] = lambda _: None,
) -> Verification:
    """Verify an opened bundle.

    seed: of the fresh data and of the draw of cells; episodes: so many of those of each cell that count, all unless
    said; cells: so many of the bundle's, drawn, all unless said; fresh: whether to collect fresh test sets.

    Raises:
        InfrastructureError: the sandbox does not work.
        CwmbError: this version's own data are damaged.
    """
    every = [(number, record) for number, run in enumerate(bundle.runs) for record in run.records]
    drawn = sorted(Random(seed).sample(range(len(every)), min(cells or len(every), len(every))))
    chosen = [every[i] for i in drawn]
    stop = Event()
    with (
        Sandbox() as sandbox,
        tempfile.TemporaryDirectory(prefix="cwmb-verify-") as folder,
        _fresh(*_environments(bundle, chosen if fresh else []), seed, Path(folder) / "worlds") as drawn_now,
    ):
        bench = Bench(sandbox, Cores(cores()), stop.is_set)

        def work(number: int, record: Record) -> CellReport:
            checked = _Cell(bench, bundle.runs[number], record, Path(folder) / str(number), episodes, drawn_now)
            report = CellReport(number, record.environment, record.seed, list(checked.figures()))
            progress(report)
            return report

        with ThreadPoolExecutor(cores(), thread_name_prefix="verify") as pool:
            try:
                reports = list(pool.map(work, *zip(*chosen, strict=True)))
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise
    return Verification(bundle.manifest.name, bundle.sha256, seed, episodes, len(every), provenance.versions(), reports)


Specs = Mapping[Key, EnvironmentSpec]


def _environments(bundle: Bundle, chosen: Sequence[tuple[int, Record]]) -> tuple[Specs, Specs]:
    """Of which test sets are drawn (there is a program), and of which worlds (it may learn)."""
    every, learning = dict[Key, EnvironmentSpec](), dict[Key, EnvironmentSpec]()
    for number, record in chosen:
        run, key = bundle.runs[number], (record.suite, record.environment)
        if record.program and record.suite in FRESH:
            every[key] = spec = run.environment(record.environment)
            program = run.programs(record.cell).get(record.program)
            if spec.fit and program is not None and "fit" in program.source:
                learning[key] = spec
    return every, learning


@contextmanager
def _fresh(every: Specs, learning: Specs, seed: int, folder: Path) -> Iterator[Fresh]:
    """Fresh test sets and worlds of these environments, drawn in processes while other things are verified."""
    if not every:
        yield Fresh()
        return
    with processes(cores()) as pool:
        yield Fresh(
            {key: pool.submit(FRESH[key[0]], spec, seed) for key, spec in sorted(every.items())},
            {key: pool.submit(fresh_world, spec, seed, folder / key[0]) for key, spec in sorted(learning.items())},
        )


@dataclass(frozen=True)
class _Cell:
    """The figures of one cell."""

    bench: Bench
    run: BundleRun
    record: Record
    scratch: Path
    episodes: int | None
    fresh: Fresh

    @property
    def spec(self) -> EnvironmentSpec:
        """The environment that it is about."""
        return self.run.environment(self.record.environment)

    @property
    def exact(self) -> bool:
        """Whether versions and processor are those of the record, so that figures must be equal to the last bit."""
        p = self.record.provenance
        there = {"cwmb": p.cwmb, "python": p.python, "numpy": p.numpy, "gymnasium": p.gymnasium, "mujoco": p.mujoco}
        same_processor = (p.machine, p.cpu_features) == (provenance.machine(), list(provenance.cpu_features()))
        return same_processor and there == provenance.versions()

    def figures(self) -> Iterator[Figure]:
        """All of them. The search first, as the others are only worth what the program is that they are of."""
        record = self.record
        ledger = list(entries_of(self.run.cell_folder(record.cell) / "ledger.jsonl"))
        yield self._model(ledger)
        questions, again = self._searched(ledger)
        yield questions
        if record.state == "failed" and again is None:
            yield Figure("search", "not checkable", record.state, note="the strategy raised: there is no result")
            return
        if again is None:
            followed = self._again("followed", self._followed(ledger), _kept(ledger, "call", "evaluation", "analysis"))
            if isinstance(followed, Figure):
                yield followed
                return
            again = followed
        yield from self._search_figures(ledger, again, questions)
        yield self._evaluations(ledger)
        yield figures.scores("train", record.train, again.record.train, exact=self.exact)
        yield figures.scores("test", record.test, again.record.test, exact=self.exact)
        yield self._anytime(again)
        yield from self._planning(ledger, again)
        if record.program and (key := (record.suite, record.environment)) in self.fresh.sets:
            yield from self._fresh(key, programs_of(self.run, record, ledger), again)

    # ------------------------------------------------------------------------------------------------ search

    def _model(self, ledger: Entries) -> Figure:
        """Who answered, which no bundle can show; only the simulated model gives itself away."""
        first = next(iter(_kept(ledger, "call")), None)
        if first is not None and not self.record.simulated:
            request = Request(prompt_of(first).messages, self.run.protocol.sampling, first["request"]["seed"])
            if Simulated().complete(request).text == first["value"]["text"]:
                return Figure("model", "different", self.record.model, "simulated", "the simulated model answers so")
        note = "nothing shows which model wrote the answers, nor what it was allowed"
        return Figure("model", "not checkable", self.record.model, note=note)

    def _searched(self, ledger: Entries) -> tuple[Figure, Again | None]:
        """Whether the strategy asks these questions and evaluates these programs; what came of it if it does."""
        record, p = self.record, self.record.provenance
        try:
            made = built_in(record.strategy, record.options)
        except CwmbError as error:
            return Figure("questions", "different", note=str(error)), None
        if made is None:
            note = f"{record.strategy} is no strategy of this package, and a stranger's is not run"
            return Figure("questions", "not checkable", note=note), None
        here = prompts.checksum(), told_sha256(self.spec, record.descriptions)
        if here != (p.prompts_sha256, p.description_sha256):
            made_with = f"cwmb {p.cwmb} (commit {(p.commit or 'unknown')[:12]})"
            note = f"prompts or descriptions have changed since {made_with}: verify this with that version"
            return Figure("questions", "not checkable", note=note), None
        again = self._again("searched", made, _kept(ledger, "call", "evaluation", "analysis"))
        if isinstance(again, Figure):
            return again, None
        return self._same_questions(ledger, again), again

    def _same_questions(self, ledger: Entries, again: Again) -> Figure:
        entries = _kept(ledger, "call", "evaluation")
        recorded = [prompt_of(e) if e["type"] == "call" else e["key"] for e in entries]
        asked = (_as_recorded(asked.prompt) for asked in again.meter.asked)
        evaluated = (scored.program.hash for scored in again.meter.scored)
        now = [next(asked if e["type"] == "call" else evaluated, None) for e in entries]
        calls = len(again.meter.asked)
        if recorded == now and calls + len(again.meter.scored) == len(now):
            return Figure("questions", "confirmed", calls, calls)
        place = next((i for i, (a, b) in enumerate(zip(recorded, now, strict=False)) if a != b), len(now))
        note = f"entry {place + 1} of the ledger is not what the strategy asks or evaluates there"
        return Figure("questions", "different", self.record.usage.calls, calls, note)

    def _search_figures(self, ledger: Entries, again: Again, questions: Figure) -> Iterator[Figure]:
        record, now = self.record, again.record
        yield figures.same("program", record.program, now.program)
        yield figures.same("usage", record.usage, now.usage)
        names = ["state", "prompts", "answers", "program_call", "simulated", "failure"]
        if questions.verdict == "confirmed":
            names += ["stop", "limit"]
        recorded, recomputed = ({name: getattr(r, name) for name in names} for r in (record, now))
        yield figures.same("search", recorded, recomputed)
        written = {a.completion.program.hash for a in again.meter.asked if a.completion.program}
        yield figures.same("sources", sorted(self.run.programs(record.cell)), sorted(written), "programs/ differ")

    def _followed(self, ledger: Entries, anytime: bool | None = None) -> Callable[[], Recorded]:
        programs = programs_of(self.run, self.record, ledger)
        steps = bool(self.record.anytime) if anytime is None else anytime
        return lambda: Recorded(ledger, programs, self.record.program, steps)

    def _again(self, name: str, strategy: Callable[[], Any], entries: Entries, plan: bool = True) -> Again | Figure:
        """Run the cell again; a figure if that is not possible since it asks something else."""
        count = self._to_plan() if plan else 0
        folder = self.scratch / self.record.environment / str(self.record.seed) / name
        try:
            again = run_again(self.bench, self.run, self.record, strategy, entries, folder, count)
        except InfrastructureError:
            raise
        except CwmbError as error:
            return Figure("questions", "different", note=str(error).replace(f"{folder}/", "").partition(";")[0])
        if again.record.state != self.record.state:
            now = again.record.failure.message if again.record.failure else "it does not fail"
            return Figure("questions", "different", self.record.state, again.record.state, now)
        return again

    def _to_plan(self) -> int:
        """How many episodes are planned again: all, with one for which there was no time; of a share, none such."""
        planned = self.record.planning
        if planned is None:
            return 0
        if self.episodes is not None:
            return min(planned.episodes, self.episodes)
        return planned.episodes + (planned.episodes < (planned.wanted or 0))

    def _evaluations(self, ledger: Entries) -> Figure:
        """The training scores that the search saw, of all of its programs."""
        recorded = _kept(ledger, "evaluation")
        if not recorded:
            return Figure("evaluations", "confirmed", 0, 0)
        kept = _kept(ledger, "call", "analysis", "score")
        again = self._again("evaluated", self._followed(ledger, False), kept, plan=False)
        if isinstance(again, Figure):
            return Figure("evaluations", "different", note=again.note)
        pairs = zip(recorded, again.meter.scored, strict=True)
        found = [
            figures.scores("evaluations", convert(e["value"], Evaluation), s.evaluation, exact=self.exact)
            for e, s in pairs
        ]
        verdict = worst([f.verdict for f in found])
        first = next(i for i, f in enumerate(found) if f.verdict == verdict)
        best = [max(getattr(f, name) or 0.0 for f in found) for name in ("recorded", "recomputed")]
        note = f"{len(found)} programs" if verdict == "confirmed" else f"evaluation {first}: {found[first].note}"
        return Figure("evaluations", verdict, best[0], best[1], note)

    # ------------------------------------------------------------------------------------------------ results

    def _anytime(self, again: Again) -> Figure:
        before, now = self.record.anytime, again.record.anytime
        rest = [[(a.calls, a.program) for a in found] for found in (before, now)]
        if rest[0] != rest[1]:
            return Figure("anytime", "different", note="the programs of smaller budgets are others")
        pairs = list(zip(before, now, strict=True))
        found = [figures.scores("anytime", a.test, b.test, exact=self.exact) for a, b in pairs]
        trained = [figures.same("anytime", a.train_accuracy, b.train_accuracy) for a, b in pairs]
        return max([*found, *trained], key=lambda f: VERDICTS.index(f.verdict), default=Figure("anytime", "confirmed"))

    def _planning(self, ledger: Entries, again: Again) -> Iterator[Figure]:
        record = self.record
        if record.planning is None:
            return
        spec = self.spec
        recorded = [convert(e["value"], Episode) for e in _kept(ledger, "episode")]
        wanted = episode_count(spec, self.run.protocol) if record.program else 0
        yield figures.derived_planning(record.planning, planning(spec, self.run.protocol, recorded, wanted))
        if record.program:
            now = [convert(e["value"], Episode) for e in _kept(again.entries, "episode")]
            yield figures.episodes(recorded, now, exact=self.exact)

    def _fresh(self, key: Key, programs: Mapping[str, Program], again: Again) -> Iterator[Figure]:
        """The judged program on transitions, and in a world, that were drawn for this verification."""
        written = {a.completion.program.hash: a.completion.program for a in again.meter.asked if a.completion.program}
        program = {**programs, **written}[self.record.program or ""]
        spec, new = self.spec, self.fresh.sets[key].result()
        judge = self._judge(spec)
        if trajectories.checksum(new) == spec.dataset.test_sha256:
            note = "the public test set already holds every valid pair"
            yield Figure("fresh", "not checkable", note=note)
        else:
            public = trajectories.transitions(spec, "test")
            values = [self._measured(judge, program, truth) for truth in (public, new)]
            yield figures.fresh(values[0], values[1], self._floor(spec, judge, new), len(new))
        if key in self.fresh.worlds and isinstance(judge.fitted(program).program, FittedProgram):
            other = self.fresh.worlds[key].result()
            judge, truth = self._judge(other), trajectories.transitions(other, "test")
            accuracy, error = self._measured(judge, program, truth)
            yield figures.elsewhere(accuracy, error, self._floor(other, judge, truth), len(truth))

    def _judge(self, spec: EnvironmentSpec) -> Judge:
        return Judge.of(self.bench.sandbox, self.run.protocol, spec)

    def _measured(self, judge: Judge, program: Program, truth: Transitions) -> tuple[float, float]:
        """A program's accuracy, and its standard error."""
        with self.bench.cores.scoring():
            audit = unforeseen(self.record.seed, self.record.environment, Purpose.AUDIT, program.source)
            evaluation, marks, _ = judge.score(program, truth, audit)
        return evaluation.accuracy, figures.standard_error(truth, marks, judge.rules)

    def _floor(self, spec: EnvironmentSpec, judge: Judge, truth: Transitions) -> float:
        trivial = persistence(truth, trajectories.transitions(spec, "train"), judge.rules)
        return evaluate(truth, trivial, judge.rules).accuracy


def _as_recorded(prompt: Prompt) -> Prompt:
    """A prompt with its note as a ledger keeps it."""
    return replace(prompt, note=json.loads(json.dumps(dict(prompt.note))))


def _kept(ledger: Entries, *kinds: str) -> Entries:
    return [entry for entry in ledger if entry["type"] in kinds]
