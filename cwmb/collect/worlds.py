"""Drawing worlds: constants, their data, and the rules by which a draw is rejected.

A world's data is chosen from a pool, ten levels of behaviour and short episodes from states all over its range, so that
few transitions visit what matters: every kind of reward and end, and the effect of every constant, found out by moving
that constant alone. Of an enumerable world train holds at most a third of the valid state-action pairs, each once.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zlib import crc32

import numpy as np

from cwmb.benchmark.catalog import RTFM, EnvironmentSpec, World, environment
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import DESCRIPTION, WORLD, Suite, WorldFile
from cwmb.benchmark.suites import drawn as drawn_worlds
from cwmb.benchmark.trajectories import checksum, concatenate, read
from cwmb.collect import manuals, marked
from cwmb.collect.determined import restored
from cwmb.collect.diverse import diverse
from cwmb.collect.edges import EDGES
from cwmb.collect.policies import tabulate
from cwmb.collect.recipes import CEM_ITERATIONS, LONGEST_END, RECIPES, Recipe, behaviour
from cwmb.collect.recording import Policy, Recording, cast, play, random_action
from cwmb.collect.storage import write
from cwmb.collect.wide import WIDE
from cwmb.errors import CwmbError
from cwmb.harness.files import dumps
from cwmb.harness.provenance import versions
from cwmb.judging.bounds import modal_predictions
from cwmb.judging.scoring import compare, evaluate, persistence, rules, skill
from cwmb.types import SPLITS, Bools, Ints, Split, Transitions
from cwmb.worlds import make
from cwmb.worlds.alterations import alterations
from cwmb.worlds.alterations import drawn as drawn_alterations
from cwmb.worlds.constants import Constant, Values, constants, drawn, reward_values
from cwmb.worlds.simulator import Simulator
from cwmb.worlds.texts import description

TRANSITIONS = 400  # of a split, at most
SHARE = 3  # of an enumerable world's valid pairs, one in so many is in train
VISITS = 20  # transitions in each split that a kind of reward, an end and each constant's effect has at least
PAIRS = 2  # the same of an enumerable world, whose transitions are all different
START_STEPS = 3
LOOK = 10  # one in so many transitions is looked at first
MOVE = 0.25  # of a constant's range, by which it is moved to see its effect
NOWHERE = [-1, -1]  # a cell outside of a grid
ATTEMPTS = 100
FRESH_ATTEMPTS = 5
PINNED = ("gymnasium", "mujoco")  # what decides the dynamics
SAMPLE = 150
ORIGINAL_SKILL = 0.1  # that the original's program has at most
COST = 0.2  # of skill, that each alteration has at least
ENUMERABLE = ("CliffWalking-v0", "Taxi-v3")  # whose state-action pairs can all be counted

Data = Mapping[Split, Transitions]


@dataclass(frozen=True)
class Amounts:
    """How much is recorded and kept of a world.

    transitions: of a split, at most; level: of a level of behaviour in the pool, at least; steps: of an episode there,
    at most; samples, iterations: of CEM, at most; starts: short episodes in the pool; whole: levels of which an episode
    is kept whole; enough: times as many visits as are needed, after which no more are looked for.
    """

    transitions: int = TRANSITIONS
    level: int = 40
    steps: int = 30
    samples: int = 60
    iterations: int = CEM_ITERATIONS[-1]
    starts: int = 250
    whole: tuple[int, ...] = (0, 4, 9)
    enough: float = 2.0


ALTERED = Amounts(samples=20)
FEW = Amounts(level=1, steps=20, samples=20, iterations=8)
# A transition takes ten times as much room and time. So few show everything only if all that is in the pool is known.
LARGE = replace(FEW, transitions=100, starts=80, whole=(9,), enough=math.inf)


def amounts(spec: EnvironmentSpec) -> Amounts:
    """How much is recorded of a world: less where a step takes long, as every step of an altered world does."""
    altered = spec.world is not None and bool(spec.world.alterations)
    if spec.id in ("Humanoid-v4", "HumanoidStandup-v4"):
        return LARGE
    if spec.id == "Walker2d-v4" or (altered and spec.id == "Ant-v4"):
        return FEW
    return ALTERED if altered else Amounts()


class Rejected(Exception):
    """A draw that breaks a rule, which the message names."""


def draw(
    name: str, suite: Suite, seed: int, kept: Values = MappingProxyType({})
) -> tuple[EnvironmentSpec, dict[Split, Transitions], int]:
    """The world of an environment in a suite with a seed, its data, and how many draws were rejected before it.

    kept: constants that are not drawn.

    Raises:
        CwmbError: all draws were rejected, or nothing varies in this environment.
    """
    original, reasons = environment(name), dict[str, int]()
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, crc32(suite.name.encode()), crc32(name.encode()), attempt])
        values = drawn(name, rng, kept)
        changed = drawn_alterations(name, suite.alterations, rng) if suite.alterations[1] else {}
        spec = replace(original, world=World(suite.name, seed, values, changed))
        spec = replace(spec, reward_values=_reward_values(spec))
        try:
            return spec, _data(spec, rng), attempt
        except Rejected as reason:
            reasons[str(reason)] = reasons.get(str(reason), 0) + 1
    often = max(reasons, key=lambda reason: reasons[reason])
    raise CwmbError(f"{name} in suite {suite.name}: {ATTEMPTS} draws of seed {seed} were rejected; most often: {often}")


def fresh(spec: EnvironmentSpec, seed: int) -> Transitions:
    """A test set of a drawn world that nobody has seen, chosen as the shipped one was (in memory).

    All valid pairs of a small enumerable world are the same every time.

    Raises:
        CwmbError: what is to be visited was not, time after time.
    """
    simulator, choose = make(spec), _pairs if _is_enumerable(spec) else _episodes
    for attempt in range(FRESH_ATTEMPTS):
        rng = np.random.default_rng([seed, crc32(b"fresh"), crc32(spec.id.encode()), attempt])
        try:
            *_, test = choose(spec, simulator, rng)
            return marked(spec, simulator, [test])[0]
        except Rejected as error:
            reason = error
    raise CwmbError(f"{spec.id}: no fresh test set could be chosen in {FRESH_ATTEMPTS} attempts: {reason}")


def _reward_values(spec: EnvironmentSpec) -> list[float] | None:
    """All values that the world's reward takes: those of its constants, unless an alteration brings others."""
    assert spec.world is not None
    known = alterations(spec.id)
    if spec.reward_values is None or not any(known[name].rewards for name in spec.world.alterations):
        return reward_values(spec.id, spec.world.constants) or spec.reward_values
    if not _is_enumerable(spec):
        return None
    return sorted({reward for _, reward, _ in tabulate(make(spec)).values()}, reverse=True)


def _is_enumerable(spec: EnvironmentSpec) -> bool:
    return spec.id in ENUMERABLE


def _data(spec: EnvironmentSpec, rng: np.random.Generator) -> dict[Split, Transitions]:
    simulator = make(spec)
    enumerable = _is_enumerable(spec)
    choose = _pairs if enumerable else _episodes
    data = dict(zip(SPLITS, choose(spec, simulator, rng), strict=True))
    if not enumerable:
        _check_policies(spec, simulator, rng)
    _check_original(spec, simulator, data)
    _check_alterations(spec, simulator, data)
    return {split: marked(spec, simulator, [transitions])[0] for split, transitions in data.items()}


# ---------------------------------------------------------------------------------------------------- choosing


def effects(spec: EnvironmentSpec, data: Transitions, enough: float = math.inf) -> dict[str, Bools]:
    """For each constant the transitions [N] whose outcome changes when that constant alone is moved.

    For each alteration those whose outcome is another without it.

    enough: where a sample shows so many, the others are not looked at, and count as if they showed nothing.
    """
    if spec.stochastic or spec.world is None:
        return {}
    standard = rules(spec, protocol("standard").scoring)
    found, world = {}, spec.world
    others = {alteration: _without(world, alteration) for alteration in world.alterations}
    for constant in constants(spec.id):
        for what, value in _changes(constant, world.constants):
            others[what] = replace(world, constants={**world.constants, constant.name: value})
    for name, other in others.items():
        simulator = make(replace(spec, world=other))
        found[name] = changed = np.zeros(len(data), bool)
        sample = np.arange(len(data)) % LOOK == 0
        for rows in (sample, ~sample):
            part = data.take(rows)
            changed[rows] = ~compare(part, restored(simulator, part), standard).right
            if changed.sum() >= enough:
                break
    return found


def _without(world: World, alteration: str) -> World:
    return replace(world, alterations={k: v for k, v in world.alterations.items() if k != alteration})


def _changes(constant: Constant, values: Values) -> Iterator[tuple[str, Any]]:
    """What is changed of a constant, and to what: of several cells each is taken away, any other constant is moved."""
    value = values[constant.name]
    if isinstance(value, list) and isinstance(value[0], list):
        for i in range(len(value)):
            yield f"{constant.name} {i}", [*value[:i], NOWHERE, *value[i + 1 :]]
    else:
        yield constant.name, _moved(constant, values)


def _moved(constant: Constant, values: Values) -> Any:
    """Another value of a constant: a whole number one higher, another one by a quarter of its range inwards."""
    value = values[constant.name]
    if constant.range is None:
        rng = np.random.default_rng(0)
        while True:
            other = constant.drawn(rng, values)
            if other != value:
                return other
    low, high = constant.range
    if isinstance(low, int) and isinstance(high, int):
        return value + 1  # a larger grid has all the states of a smaller one
    return value + MOVE * (high - low) * (1 if value < (low + high) / 2 else -1)


def _kinds(spec: EnvironmentSpec, data: Transitions, visits_each: int) -> dict[str, Bools]:
    """What is to be visited: each kind of reward, the end, each constant's effect."""
    kinds = {f"reward {value:g}": data.rewards == value for value in spec.reward_values or ()}
    if _ends(spec):
        kinds["end"] = data.terminated
    shown = effects(spec, data, enough=amounts(spec).enough * visits_each)
    return kinds | {f"effect of {name}": rows for name, rows in shown.items()}


def _ends(spec: EnvironmentSpec) -> bool:
    """Whether episodes of the environment can end by its own rules."""
    return spec.id not in ENDLESS


ENDLESS = {"Pendulum-v1", "Reacher-v4", "Pusher-v4", "HalfCheetah-v4", "Swimmer-v4", "HumanoidStandup-v4"}


def _chosen(
    spec: EnvironmentSpec, pool: Transitions, units: list[Ints], count: int, visits_each: int, rng: np.random.Generator
) -> Ints:
    """Rows [<= count] of the pool: units (rows that stay together) until each kind is visited, rare ones first.

    Then any, in the order drawn. Raises Rejected: something explodes, or a kind cannot be visited so often.
    """
    if not all(np.isfinite(x).all() for x in (pool.observations, pool.next_observations, pool.rewards)):
        raise Rejected("something explodes")
    if spec.reward_values is None and np.ptp(pool.rewards) == 0:
        raise Rejected("the reward is constant")
    kinds = dict(sorted(_kinds(spec, pool, visits_each).items(), key=lambda item: int(item[1].sum())))
    for what, rows in kinds.items():
        if int(rows.sum()) < visits_each:
            raise Rejected(f"{what}: fewer than {visits_each} transitions")
    order = [units[i] for i in rng.permutation(len(units))]
    taken: dict[int, Ints] = {}
    for kind in kinds.values():
        visits = sum(int(kind[rows].sum()) for rows in taken.values())
        for i, rows in enumerate(order):
            if visits >= visits_each:
                break
            if i not in taken and kind[rows].any():
                taken[i] = rows
                visits += int(kind[rows].sum())
    for i, rows in enumerate(order):
        if sum(map(len, taken.values())) >= count:
            break
        taken.setdefault(i, rows)
    return np.sort(np.concatenate(list(taken.values()))[:count])  # cut where nothing is needed


def _episodes(spec: EnvironmentSpec, simulator: Simulator, rng: np.random.Generator) -> Iterator[Transitions]:
    """Train and test of a world whose states cannot be counted."""
    for _ in SPLITS:
        whole, short = _pool(spec, simulator, rng)
        count = amounts(spec).transitions - sum(map(len, whole))
        pool = concatenate(short)
        starts = np.cumsum([0, *map(len, short)])
        units = [np.arange(a, b) for a, b in pairwise(starts.tolist())]
        rows = _chosen(spec, pool, units, count, VISITS, rng)
        yield _numbered([*whole, *_split(pool.take(rows), starts, rows)])


def _split(data: Transitions, starts: Ints, rows: Ints) -> list[Transitions]:
    unit = np.searchsorted(starts, rows, side="right")
    return [data.take(unit == u) for u in dict.fromkeys(unit.tolist())]


def _numbered(parts: list[Transitions]) -> Transitions:
    """Parts, each of them one episode from here on."""
    return concatenate([replace(p, episodes=np.full(len(p), i), steps=np.arange(len(p))) for i, p in enumerate(parts)])


def _pool(
    spec: EnvironmentSpec, simulator: Simulator, rng: np.random.Generator
) -> tuple[list[Transitions], list[Transitions]]:
    """Episodes that are kept whole, and pieces of a few steps to choose from."""
    recipe, much = RECIPES.get(spec.id, Recipe()), amounts(spec)
    recipe = replace(recipe, steps=much.steps, samples=min(recipe.samples, much.samples), iterations=much.iterations)
    whole: list[Transitions] = []
    pieces: list[Transitions] = []
    for level, (start, _) in enumerate(behaviour(spec, simulator, recipe)):
        recorded = 0
        while recorded < much.level * (10 if spec.stochastic else 1):  # cheap, and rare things are few
            observation = simulator.reset(_seed(rng))
            episode = play(simulator, observation, start(rng), much.steps)
            if not recorded and level in much.whole:
                whole.append(episode)
            else:
                pieces += _pieces(episode)
            recorded += len(episode)
    pieces += [piece for _ in range(much.starts) for piece in _from_anywhere(spec, simulator, rng)]
    if spec.group == "continuous" and _ends(spec):
        pieces += [_last_steps(simulator, rng) for _ in range(much.starts)]
    return whole, pieces


def _from_anywhere(spec: EnvironmentSpec, simulator: Simulator, rng: np.random.Generator) -> list[Transitions]:
    """A few random steps from a state all over the world's range."""
    assert spec.world is not None
    edges = EDGES.get(spec.id, ())  # of the robots, whose joints keep their ranges
    if spec.id in WIDE:
        observation = WIDE[spec.id](rng, spec.world.constants)
    elif spec.group == "continuous" and edges:
        observation = edges[int(rng.integers(len(edges)))](rng)
    else:
        return []
    observation = cast(observation, simulator.observation_space)
    simulator.reset(_seed(rng))
    simulator.restore(observation)
    return [play(simulator, observation, _random(simulator, rng), START_STEPS)]


def _last_steps(simulator: Simulator, rng: np.random.Generator) -> Transitions:
    """The last steps of a random episode, which ends soon where random behaviour falls."""
    observation = simulator.reset(_seed(rng))
    return play(simulator, observation, _random(simulator, rng), LONGEST_END).take(slice(-START_STEPS, None))


def _random(simulator: Simulator, rng: np.random.Generator) -> Policy:
    return lambda _: random_action(simulator.action_space, rng)


def _pieces(episode: Transitions) -> list[Transitions]:
    return [episode.take(slice(i, i + START_STEPS)) for i in range(0, len(episode), START_STEPS)]


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _pairs(spec: EnvironmentSpec, simulator: Simulator, rng: np.random.Generator) -> Iterator[Transitions]:
    """Train and test of an enumerable world: some of the valid pairs, and all of them or a sample."""
    table = tabulate(simulator)
    pairs = np.array(list(table), dtype=np.float64)
    following, rewards, done = map(np.array, zip(*table.values(), strict=True))
    n = len(table)
    every = Transitions(
        observations=pairs[:, :1],
        actions=pairs[:, 1:],
        rewards=rewards.astype(np.float64),
        next_observations=following.astype(np.float64)[:, None],
        terminated=done.astype(bool),
        truncated=np.zeros(n, dtype=bool),
        episodes=np.arange(n, dtype=np.int64),
        steps=np.zeros(n, dtype=np.int64),
        determined=np.zeros((n, 3), dtype=bool),
    )
    units = [np.array([i]) for i in range(n)]
    for count in (min(n // SHARE, TRANSITIONS), min(n, TRANSITIONS)):
        rows = _chosen(spec, every, units, count, PAIRS, rng)
        yield _numbered([every.take(slice(row, row + 1)) for row in rows])


# ----------------------------------------------------------------------------------------------------- checking


def _check_policies(spec: EnvironmentSpec, simulator: Simulator, rng: np.random.Generator) -> None:
    """A random or a strong policy reaches an end within the step limit, where the environment has any."""
    if not _ends(spec) or spec.group != "discrete":
        return
    recipe = RECIPES.get(spec.id, Recipe())
    levels = [start for start, _ in behaviour(spec, simulator, recipe)]
    for start in (levels[0], levels[-1]):
        for _ in range(3):
            observation = simulator.reset(_seed(rng))
            if play(simulator, observation, start(rng), spec.step_limit).terminated.any():
                return
    raise Rejected("no policy reaches an end")


def _check_original(spec: EnvironmentSpec, simulator: Simulator, data: Data) -> None:
    """The original's program gains nothing on what is trivial, and there is something to gain."""
    standard = rules(spec, protocol("standard").scoring)
    test, predict = _tested(spec, data)
    floor = evaluate(test, persistence(test, data["train"], standard), standard).accuracy
    ceiling = evaluate(test, predict(simulator, test), standard).accuracy
    value = skill(_original_accuracy(spec, test, predict), floor, ceiling)
    if value is None:
        raise Rejected("floor and ceiling are too near each other")
    if value > ORIGINAL_SKILL:
        raise Rejected(f"the original's program has more than {ORIGINAL_SKILL} of skill")


def _tested(spec: EnvironmentSpec, data: Data) -> tuple[Transitions, Callable[..., Any]]:
    """What a draw is tested on, and what a simulator predicts there: where chance decides, what is likeliest."""
    if not spec.stochastic:
        return data["test"], restored
    return data["test"].take(slice(SAMPLE)), partial(modal_predictions, spec=spec)  # each takes many draws


def _check_alterations(spec: EnvironmentSpec, simulator: Simulator, data: Data) -> None:
    """Each alteration costs a program without it a share of the skill."""
    assert spec.world is not None
    if not spec.world.alterations:
        return
    standard, (test, predict) = rules(spec, protocol("standard").scoring), _tested(spec, data)
    floor = evaluate(test, persistence(test, data["train"], standard), standard).accuracy
    ceiling = evaluate(test, predict(simulator, test), standard).accuracy
    for name in spec.world.alterations:
        without = make(replace(spec, world=_without(spec.world, name)))
        accuracy = evaluate(test, predict(without, test), standard).accuracy
        value = skill(accuracy, floor, ceiling)
        if value is None or value > 1 - COST:
            raise Rejected(f"a program without the alteration {name} loses less than {COST} of skill")


def _original_accuracy(spec: EnvironmentSpec, test: Transitions, predict: Callable[..., Any]) -> float:
    standard = rules(spec, protocol("standard").scoring)
    try:
        return evaluate(test, predict(make(environment(spec.id)), test), standard).accuracy
    except (KeyError, IndexError, AssertionError):  # of a state that the original does not have
        return 0.0


# ------------------------------------------------------------------------------------------------------ writing


def write_world(name: str, suite: Suite, seed: int, folder: Path, kept: Values = MappingProxyType({})) -> bool:
    """Draw a world and write it below the folder, whole or not at all; False where it is there already.

    kept: constants that are not drawn (nothing of a manual).

    Raises:
        CwmbError: it cannot be drawn, or the folder holds something else of that name.
    """
    folder = folder.absolute()  # Minari takes no relative one
    target = folder / name
    if target.exists():
        drawn_worlds(folder).environment(name)  # raises where it is no world
        return False
    of_manual = suite.family == RTFM
    spec, data, attempt = manuals.draw(name, suite, seed) if of_manual else draw(name, suite, seed, kept)
    simulator = make(spec)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".drawing-", dir=folder) as staging:
        root = Path(staging)
        for split, transitions in data.items():
            written = Recording(transitions, {"world": f"{suite.name} seed {seed}", "split": split}, table=True)
            write(root, f"{name}/{split}-v0", spec, simulator, [written])
        text = (
            manuals.description(spec)
            if of_manual
            else description(spec, suite, simulator, _shown(spec, suite, data["train"], seed))
        )
        (root / name / DESCRIPTION).write_text(text, encoding="utf-8")
        assert spec.world is not None
        file = WorldFile(
            environment=name,
            suite=suite.name,
            seed=seed,
            attempt=attempt,
            constants=spec.world.constants,
            alterations=spec.world.alterations,
            reward_values=spec.reward_values,
            train_sha256=checksum(read(root / name / "train-v0")),
            test_sha256=checksum(read(root / name / "test-v0")),
            versions={package: versions()[package] for package in PINNED},
        )
        (root / name / WORLD).write_text(dumps(file, indent=1) + "\n", encoding="utf-8")
        (root / name).rename(target)
    return True


def _shown(spec: EnvironmentSpec, suite: Suite, train: Transitions, seed: int) -> Transitions | None:
    if not suite.shown:
        return None
    rng = np.random.default_rng([seed, crc32(spec.id.encode())])
    return train.take(diverse(train, suite.shown, spec.reward_values is not None, rng))
