"""The simulated language model: a pure, robust, improvable stand-in for a fallible programmer."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmb import reference
from cwmb.benchmark.descriptions import contract, description
from cwmb.benchmark.suites import shipped
from cwmb.errors import CwmbError
from cwmb.models import load, prompts
from cwmb.models.extraction import continues, extract
from cwmb.models.faults import with_faults, with_syntax_error
from cwmb.models.mending import applied, continued, differences, mended, normalised, parses
from cwmb.models.simulated import Simulated
from cwmb.types import (
    Evaluation,
    Failure,
    Message,
    Program,
    Prompt,
    Reply,
    Request,
    Sampling,
    Space,
    Task,
    Transitions,
)

CONTRACT = '''Write a class.

```python
class Environment:
    def set_state(self, observation):
        """Put it into the state."""

    def step(self, action):
        """Return (observation, reward, done)."""
```
'''
WRONG = Evaluation(accuracy=0.5, state=0.5, reward=0.5, done=0.5, exact=0.5, ran=1.0, n=10)
MODEL = Simulated()


def task(name: str = "CartPole-v1") -> Task:
    none = Transitions(*[np.zeros((0, 1))] * 9)
    space = Space("box", (0.0,), (1.0,), "float64")
    return Task(name, f"Something moves in {name}.", CONTRACT, space, space, none)


def ask(prompt: Prompt, seed: int, model: Simulated = MODEL) -> Reply:
    return model.complete(Request(prompt.messages, Sampling(), seed))


def answer(prompt: Prompt, seed: int, model: Simulated = MODEL) -> tuple[Program | None, Failure | None]:
    return extract(ask(prompt, seed, model).text, prompt.prefix)


@cache
def right(name: str = "CartPole-v1") -> str:
    return normalised(reference.steps_only(name, reference.simple(name)).source)


def test_the_same_request_gets_the_same_answer() -> None:
    prompt = prompts.generate(task())
    replies = [ask(prompt, seed, Simulated()) for seed in (3, 3, 4)]
    assert replies[0] == replies[1]
    assert len({ask(prompt, seed).text for seed in range(20)}) > 10
    assert replies[0].model == "simulated"
    assert replies[0].usage.prompt_tokens == -(-len(prompt.messages[0].content) // 4)
    assert replies[0].usage.completion_tokens == -(-len(replies[0].text) // 4)
    assert replies[0].usage.dollars == 0.0


def test_the_name_carries_the_rates() -> None:
    assert Simulated().name == "simulated"
    assert Simulated("fault=0.5,repair=0.6").name == "simulated:fault=0.5,repair=0.6"
    assert Simulated("fault=0.5,repair=0.6").rates.fault == 0.5


@pytest.mark.parametrize("name", ["faults=1", "repair=1.5", "repair=", "slip=x", "unusable=-1", "fault=nan", "fault"])
def test_a_bad_option_is_refused(name: str) -> None:
    with pytest.raises(CwmbError, match=name.partition("=")[0]):
        Simulated(name)


def test_without_faults_it_knows_the_program() -> None:
    perfect = Simulated("fault=0,unusable=0")
    for name in reference.environments():
        program, failure = answer(prompts.generate(task(name)), 0, perfect)
        assert failure is None
        assert normalised(program.source) == right(name)


def test_every_kind_of_answer_occurs() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(200):
        reply = ask(prompts.generate(task()), seed)
        program, failure = extract(reply.text)
        kinds[f"finish {reply.finish_reason}"] += 1
        kinds[failure.kind if failure else "program"] += 1
        if program is not None and failure is None:
            kinds["perfect" if normalised(program.source) == right() else "faulty"] += 1
            for style in ("```python\n", "```py\n", "```Python\n", "```\n", "env.set_state"):
                kinds[style] += style in reply.text
            kinds["bare"] += "```" not in reply.text
    assert {"program", "faulty", "perfect", "syntax_error", "no_code", "finish length"} <= set(kinds)
    assert {"```python\n", "```py\n", "```Python\n", "```\n", "env.set_state", "bare"} <= {k for k in kinds if kinds[k]}
    assert kinds["faulty"] > kinds["perfect"]
    assert 0.8 < kinds["program"] / 200 < 0.97


@pytest.mark.parametrize("name", reference.environments())
def test_its_programs_are_variants_of_the_reference(name: str) -> None:
    for seed in range(3):
        program, failure = answer(prompts.generate(task(name)), seed, Simulated("unusable=0"))
        assert failure is None
        compile(program.source, name, "exec")
        assert len(differences(program.source.rstrip().split("\n"), right(name).split("\n"))) < 20


@pytest.mark.parametrize("name", ["CartPole-v1", "Taxi-v3", "InvertedPendulum-v4"])
def test_revisions_lead_to_the_right_program(name: str) -> None:
    reached = 0
    for search in range(5):
        program = None
        for call in range(30):
            if program is None:
                prompt = prompts.generate(task(name))
            elif parses(program.source):
                prompt = prompts.improve(task(name), program, WRONG, parent=0)
            else:
                prompt = prompts.fix(task(name), program, Failure("syntax_error", "invalid"), parent=0)
            program = answer(prompt, 1000 * search + call)[0] or program
            if program is not None and normalised(program.source) == right(name):
                reached += 1
                break
    assert reached >= 4


def test_a_revision_mends_what_failed() -> None:
    broken = right().replace("import math\n", "").replace("GRAVITY = 9.8", "GRAVITY = 1.8")
    failure = Failure("exception", "name 'math' is not defined", 20, "sine = math.sin(theta)")
    prompt = prompts.fix(task(), Program(broken), failure, parent=0)
    program, _ = answer(prompt, 0, Simulated("repair=1,slip=0,unusable=0"))
    assert "import math\n" in program.source
    assert "GRAVITY = 1.8" in program.source


def test_a_revision_without_repair_or_slip_changes_nothing() -> None:
    broken = right().replace("GRAVITY = 9.8", "GRAVITY = 1.8")
    prompt = prompts.improve(task(), Program(broken), WRONG, parent=0)
    program, _ = answer(prompt, 0, Simulated("repair=0,slip=0,unusable=0"))
    assert normalised(program.source) == normalised(broken)


def test_an_unrelated_program_is_written_anew() -> None:
    other = "class Environment:\n    def set_state(self, o): self.o = o\n    def step(self, a): return self.o, 0, False"
    prompt = prompts.improve(task(), Program(other), WRONG, parent=0)
    program, _ = answer(prompt, 0, Simulated("fault=0,slip=0,unusable=0"))
    assert normalised(program.source) == right()


def test_a_program_that_was_cut_off_gets_its_end() -> None:
    mends = 0
    for seed in range(20):
        cut = right()[: Random(seed).randrange(400, len(right()) - 40)]
        prompt = prompts.fix(task(), Program(cut), Failure("syntax_error", "unexpected end", 30, ""), parent=0)
        program, failure = answer(prompt, seed, Simulated("fault=0,repair=1,slip=0,unusable=0"))
        mends += failure is None and "return" in program.source
    assert mends >= 17


@pytest.mark.parametrize("name", reference.environments())
def test_a_continuation_starts_with_the_given_lines(name: str) -> None:
    model, coherent = Simulated("unusable=0,restart=0"), 0
    for seed in range(3):
        first, _ = answer(prompts.generate(task(name)), seed, model)
        lines = first.source.split("\n")
        prefix = "\n".join(lines[: Random(seed).randrange(2, len(lines) // 2)]) + "\n"
        reply = ask(prompts.generate(task(name), prefix=prefix), seed, model)
        assert prefix.rstrip() in reply.text
        program, failure = extract(reply.text, prefix)
        assert program.source.startswith(prefix.rstrip("\n"))
        coherent += failure is None
    assert coherent >= 2


@pytest.mark.parametrize("chosen", ["anonymous", "paper"])
def test_it_knows_the_environment_of_a_nameless_description(chosen: str) -> None:
    told = replace(task("Taxi-v3"), description=description("Taxi-v3", chosen))
    prompt = prompts.generate(told)
    assert "Taxi-v3" not in prompt.messages[0].content
    reply = ask(prompt, 0, Simulated("fault=0,unusable=0"))
    assert normalised(extract(reply.text)[0].source) == right("Taxi-v3")


def test_it_begins_anew_at_its_rate() -> None:
    prefix = "\n".join(right().split("\n")[:6]) + "\n"

    def anew(model: Simulated, seeds: int) -> int:
        texts = [ask(prompts.generate(task(), prefix=prefix), seed, model).text for seed in range(seeds)]
        found = [extract(text, prefix) for text in texts]
        assert all(failure is None for _, failure in found)
        return sum(not continues(program.source, prefix) for program, _ in found)

    assert anew(Simulated("unusable=0,restart=0"), 20) == 0
    assert anew(Simulated("unusable=0,restart=1"), 20) == 20
    assert 5 <= anew(Simulated("unusable=0"), 200) <= 40


def test_without_a_known_environment_there_is_no_program() -> None:
    for text in ("", "Hello!", "```python\nclass Environment: pass\n```", "CartPole-v17, XTaxi-v3"):
        reply = MODEL.complete(Request((Message("user", text),), Sampling(), 0))
        assert extract(reply.text)[1].kind == "no_code"


CODE = st.one_of(
    st.text(max_size=200),
    st.integers(0, 1500).map(lambda n: right()[:n]),
    st.integers(0, 1500).map(lambda n: right()[n:]),
    st.integers(0, 50).map(lambda n: with_syntax_error(right(), Random(n))),
)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["", "CartPole-v1", "Taxi-v3 CartPole-v1"]), CODE, st.text(max_size=50), st.integers())
def test_no_prompt_makes_it_raise(name: str, code: str, text: str, seed: int) -> None:
    for content in (f"{name}\n{text}\n```python\n{code}\n```\n{text}", f"{text}{name}{code}", code):
        reply = MODEL.complete(Request((Message("system", text), Message("user", content)), Sampling(), seed))
        assert reply.text
        assert reply.finish_reason in ("stop", "length")


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12), st.integers())
def test_mending_one_difference_after_another_ends_at_the_right_program(lines: list[str], seed: int) -> None:
    text, goal, rng = "\n".join(lines), "a\nb\nc\nd\ne\nf", Random(seed)
    for _ in range(40):
        text, change = mended(text, goal, None, rng)
        if change is None:
            break
    assert text == goal


def test_a_line_in_the_wrong_place_is_one_difference() -> None:
    changes = differences(list("acdb"), list("abcd"))
    assert len(changes) == 1
    assert applied(list("acdb"), changes[0]) == list("abcd")


def test_a_continuation_goes_on_where_the_lines_stop() -> None:
    program = "import math\n\nclass Environment:\n    A = 1\n    B = 2\n    C = 3"
    assert continued("import math\nclass Environment:\n    A = 7\n", program) == (
        "import math\nclass Environment:\n    A = 7\n    B = 2\n    C = 3"
    )
    assert (
        continued("class Environment:\n    A = 1\n", program) == "class Environment:\n    A = 1\n    B = 2\n    C = 3"
    )


@pytest.mark.parametrize("name", reference.environments())
def test_faults_change_the_program_and_leave_it_valid(name: str) -> None:
    for seed in range(4):
        faulty = with_faults(right(name), 1, Random(seed))
        assert faulty != right(name)
        ast.parse(faulty)
    assert with_faults(right(name), 0, Random(0)) == right(name)
    assert not parses(with_syntax_error(right("CartPole-v1"), Random(1)))


@pytest.mark.parametrize(
    ("suite", "name"), [("hidden", "Taxi-v3"), ("altered", "CartPole-v1"), ("varied", "Hopper-v4")]
)
def test_of_a_drawn_world_it_knows_the_world_s_program(suite: str, name: str) -> None:
    worlds = shipped(suite)
    model = load("simulated:fault=0,unusable=0", worlds)
    asked = replace(task(name), contract=contract(worlds.environment(name).fit))
    reply = model.complete(Request(prompts.generate(asked).messages, Sampling(), 0))
    program, failure = extract(reply.text)
    assert failure is None
    assert program is not None
    assert normalised(program.source) == normalised(reference.program_of(worlds.environment(name)).source)
    assert normalised(program.source) != right(name)


@pytest.mark.parametrize("name", ["InvertedPendulum-v4", "Swimmer-v4", "Reacher-v4"])
def test_it_writes_no_step_many_of_its_own_in_which_a_fault_would_not_show(name: str) -> None:
    reply = ask(prompts.generate(task(name)), 0, Simulated("fault=0,unusable=0"))
    program, _ = extract(reply.text)
    assert program is not None
    (own,) = (node for node in ast.parse(program.source).body if isinstance(node, ast.ClassDef))
    (all_of_it,) = (n for n in ast.parse(reference.program(name).source).body if isinstance(n, ast.ClassDef))
    kept, methods = ([n.name for n in cls.body if isinstance(n, ast.FunctionDef)] for cls in (own, all_of_it))
    assert kept == [method for method in methods if method != "step_many"]
