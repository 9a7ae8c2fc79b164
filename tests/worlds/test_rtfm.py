"""Read to Fight Monsters: the rules, its manuals, its programs in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmb import reference
from cwmb.benchmark.manuals import ACTIONS, BOARD, CELLS, PUBLISHED, drawn, manual_in, manual_of
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import shipped, suite, told
from cwmb.benchmark.trajectories import spaces, transitions
from cwmb.collect.manuals import EACH, FIGHTS, draw
from cwmb.collect.manuals import description as described
from cwmb.harness.measure import oracle_episode
from cwmb.harness.planning import plan_episodes
from cwmb.judging.judge import Judge
from cwmb.judging.scoring import compare, evaluate, persistence, rules
from cwmb.models.prompts.rendering import evidence
from cwmb.models.requests import Request
from cwmb.models.simulated import Simulated
from cwmb.sandbox import Sandbox
from cwmb.types import SPLITS, Message, Program, Sampling
from cwmb.worlds import make
from cwmb.worlds.rtfm import ID, ReadToFightMonsters, Rtfm, State, begin, step, valid, way_to

WORLDS = shipped("rtfm")
STANDARD = protocol("standard")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as made:
        yield made


def state(carried: str, **things: tuple[tuple[int, int], tuple[str, str]]) -> State:
    return State((2, 2), carried, frozenset(things.values()))


GOBLIN = (2, 3), ("cold", "goblin")  # of the group to beat
WOLF = (2, 3), ("cold", "wolf")  # of another one


@pytest.mark.parametrize(
    ("carried", "monster", "reward"),
    [
        ("gleaming sword", GOBLIN, 1.0),
        ("mysterious axe", GOBLIN, 1.0),
        ("blessed sword", GOBLIN, -1.0),
        ("empty", GOBLIN, -1.0),
        ("gleaming sword", WOLF, -1.0),
    ],
)
def test_a_fight_is_won_with_what_the_manual_says(carried: str, monster: tuple, reward: float) -> None:
    after, got, done = step(PUBLISHED, state(carried, monster=monster), 4)
    assert (got, done, after.at) == (reward, True, (2, 3))


def test_an_item_is_taken_for_the_one_carried_and_walls_stop() -> None:
    before = state("blessed sword", item=((1, 2), ("gleaming", "axe")))
    after, reward, done = step(PUBLISHED, before, 1)
    assert (after, reward, done) == (State((1, 2), "gleaming axe", frozenset()), 0.0, False)
    assert step(PUBLISHED, after, 1) == (after, 0.0, False)
    assert valid((1, 2)) == [True, False, True, True, True]


@given(st.integers(0, 2**32))
def test_boards_can_be_won_and_are_shown_whole(seed: int) -> None:
    manual = drawn(np.random.default_rng(seed))
    first = begin(manual, np.random.default_rng(seed))
    game = ReadToFightMonsters(manual)
    game.state = first
    row = game.observation()
    game.show(row.astype(float))
    assert game.state == first
    way = way_to(manual, first)
    assert way is not None
    for action in way:
        first, reward, done = step(manual, first, action)
    assert (reward, done) == (1.0, True)


@given(st.integers(0, 2**32))
def test_a_text_holds_its_manual(seed: int) -> None:
    manual = drawn(np.random.default_rng(seed))
    read = manual_in(f"# A game\n\n{manual.text}\n- Names of items tell nothing.\n")
    assert read is not None
    assert {g: list(m) for g, m in read.groups.items()} == dict(manual.groups)
    assert {e: list(m) for e, m in read.beats.items()} == dict(manual.beats)
    assert read.goal == manual.goal
    assert manual_in("nothing of the kind") is None


def test_manuals_differ_by_seed_and_the_fixed_one_does_not() -> None:
    assert described(draw("RTFM-1", suite("rtfm"), 0)[0]) == told(WORLDS.environment("RTFM-1"))
    texts = {told(WORLDS.environment(name)) for name in WORLDS.ids}
    assert len(texts) == len(WORLDS.ids)
    assert PUBLISHED.text in described(draw("RTFM-fixed", suite("rtfm"), 1)[0])
    assert PUBLISHED.text in told(WORLDS.environment("RTFM-fixed"))


def test_it_is_a_gymnasium_environment() -> None:
    env = gymnasium.make(ID)
    observation, info = env.reset(seed=3)
    assert env.observation_space.contains(observation)
    assert info["board"].shape == BOARD
    assert info["inventory"] == "empty"
    assert sorted(set(info["board"][:, :, 0].flat) & {"wall", "you", "empty"}) == ["empty", "wall", "you"]
    again, reward, terminated, truncated, info = env.step(0)
    assert (again == observation).all()
    assert (reward, terminated, truncated, info["valid_actions"][0]) == (0.0, False, False, True)


@pytest.mark.parametrize("name", WORLDS.ids)
def test_the_data_shows_wins_losses_and_every_modifier(name: str) -> None:
    spec = WORLDS.environment(name)
    assert spec.world is not None
    manual = manual_of(spec.world.constants)
    assert described(spec) == told(spec)
    simulator = Rtfm(spec)
    for split in SPLITS:
        data = transitions(spec, split)
        assert min((data.rewards == reward).sum() for reward in (1, -1)) >= FIGHTS
        fights = []
        for row in np.flatnonzero(data.terminated):
            simulator.restore(data.observations[row])
            fights.append((simulator.env.state.carried.partition(" ")[0], data.rewards[row]))
        assert all(fights.count((m, r)) >= EACH for m in manual.modifiers for r in (1.0, -1.0))
        simulator.restore(data.observations[0])
        assert (simulator.step(data.actions[0])[0] == data.next_observations[0]).all()


@pytest.mark.parametrize("name", WORLDS.ids)
def test_the_reference_program_is_right_everywhere(name: str, sandbox: Sandbox) -> None:
    spec = WORLDS.environment(name)
    program = reference.program_of(spec)
    assert program is not None
    judge = Judge.of(sandbox, STANDARD, spec)
    evaluation = judge.score(program, transitions(spec, "test"), np.random.default_rng(0)).evaluation
    assert (evaluation.accuracy, evaluation.exact, evaluation.valid, evaluation.failure) == (1.0, 1.0, 1.0, None)


def test_a_perfect_program_plans_as_the_oracle_does(sandbox: Sandbox) -> None:
    spec = WORLDS.environment("RTFM-fixed")
    program = reference.program_of(spec)
    assert program is not None
    planned = plan_episodes(sandbox, spec, protocol("quick"), program, count=2, workers=1)
    oracle = [oracle_episode(spec, protocol("quick"), index) for index in range(2)]
    assert [(e.total, e.steps) for e in planned] == [(e.total, e.steps) for e in oracle]


def test_valid_actions_are_a_fourth_part_and_the_state_counts_as_a_whole() -> None:
    spec = WORLDS.environment("RTFM-fixed")
    data = transitions(spec, "test")
    standard = rules(spec, STANDARD.scoring)
    going_on = np.flatnonzero(~data.terminated)[0]
    said = persistence(data, data, standard)
    said = replace(said, observations=data.next_observations.copy(), rewards=data.rewards.copy(), done=data.terminated)
    assert evaluate(data, said, standard).accuracy == 1.0
    said.observations[going_on, 0] += 1  # one word of the board
    assert compare(data, said, standard).score[going_on] == 0.75
    said.observations[going_on, CELLS:] = 1 - said.observations[going_on, CELLS:]
    marks = compare(data, said, standard)
    assert marks.score[going_on] == 0.5
    assert (marks.score == 1).sum() == len(data) - 1


BROKEN = {
    "return (self.board.copy(), self.inventory), self.valid_actions(), reward, done": (
        "return (self.board.copy(), self.inventory), reward, done",
        "bad_return",
        "step() returned a tuple of 3, it should be a tuple ((board, inventory), valid_actions, reward, done)",
    ),
    "return (self.board.copy(), self.inventory), self": (
        "return (self.board[1:], self.inventory), self",
        "bad_observation",
        "the board is an array of object and shape (5, 6, 2), it should be an array of strings of shape (6, 6, 2)",
    ),
    "self.valid_actions(), reward": (
        "[True], reward",
        "bad_observation",
        "the valid actions are a list of 1, they should be 5 bools",
    ),
}


@pytest.mark.parametrize("was", BROKEN)
def test_what_is_no_board_is_said(was: str, sandbox: Sandbox) -> None:
    spec = WORLDS.environment("RTFM-fixed")
    program = reference.program_of(spec)
    now, kind, message = BROKEN[was]
    assert program is not None
    assert was in program.source
    said = Judge.of(sandbox, STANDARD, spec).predict(
        Program(program.source.replace(was, now)), transitions(spec, "test")
    )
    assert said.failure is not None
    assert (said.failure.kind, said.failure.message) == (kind, message)


def test_a_mistake_is_shown_in_words(sandbox: Sandbox) -> None:
    spec = WORLDS.environment("RTFM-fixed")
    right = reference.program_of(spec)
    assert right is not None
    wrong = Program(right.source.replace('self.inventory = kind + " " + name', "pass"))
    judge = Judge.of(sandbox, STANDARD, spec)
    found = judge.score(wrong, transitions(spec, "train"), show=1, feedback=np.random.default_rng(0)).evaluation
    text = evidence(found, *spaces(spec))
    assert "- inventory: " in text
    assert "| inventory | " in text
    assert "WRONG" in text
    assert any(f"({action})" in text for action in ACTIONS)


def test_the_simulated_model_reads_the_manual(sandbox: Sandbox) -> None:
    spec = draw("RTFM-2", suite("rtfm"), 77)[0]  # a manual that nobody has seen
    assert spec.world is not None
    request = Request((Message("user", described(spec)),), Sampling(), 0)
    text = Simulated("fault=0,unusable=0").complete(request).text
    assert repr(manual_of(spec.world.constants).goal) in text


def test_restored_and_recorded_agree() -> None:
    spec = WORLDS.environment("RTFM-3")
    simulator = make(spec)
    data = transitions(spec, "train")
    for i in range(0, len(data), 20):
        simulator.restore(data.observations[i])
        observation, reward, terminated, _ = simulator.step(data.actions[i])
        assert (observation == data.next_observations[i]).all()
        assert (reward, terminated) == (data.rewards[i], data.terminated[i])
