"""The agent: what it is told, what it may do, and that all of it is counted, kept and taken from what was kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scripted_server import ScriptedServer, answer

from cwmb import reference
from cwmb.cli import app
from cwmb.errors import BudgetExhausted, LedgerError
from cwmb.harness.ledger import Ledger
from cwmb.harness.metering import ANALYSES_PER_CALL, Budget, Meter, MeteredAnalyse
from cwmb.models.extraction import extract
from cwmb.models.prompts.agent import statistics
from cwmb.strategies.agent import Agent
from cwmb.testing import PROGRAM, tiny_task
from cwmb.types import Analysis, Completion, Evaluation, Failure, Program, Prompt, Usage

LOOK = "I want to see the rewards.\n\n```analysis\nprint(sorted(set(rewards)))\n```\n"
TRY = f"```python\n{PROGRAM}```\n"


class Conversation:
    """Answers in turn, and what was asked, run and evaluated; a program is as good as its turn in ``scores``."""

    def __init__(self, *answers: str, scores: tuple[float, ...] = ()) -> None:
        self.answers, self.scores = list(answers), list(scores)
        self.prompts: list[Prompt] = []
        self.scripts: list[tuple[str, Program | None]] = []

    def complete(self, prompt: Prompt) -> Completion:
        if len(self.prompts) == len(self.answers):
            raise BudgetExhausted
        text = self.answers[len(self.prompts)]
        self.prompts.append(prompt)
        program, failure = extract(text)
        return Completion(len(self.prompts) - 1, text, program, failure, Usage(), "stop")

    def analyse(self, script: str, program: Program | None = None) -> Analysis:
        self.scripts.append((script, program))
        return Analysis("[0.0, 1.0]\n", Failure("exception", "KeyError: 1", 2, "x[1]") if "x[1]" in script else None)

    def evaluate(self, program: Program) -> Evaluation:
        score = self.scores.pop(0)
        return Evaluation(score, score, score, score, score, 1.0, 6)

    def search(self, **options: Any) -> Program | None:
        task = replace(tiny_task(), analyse=self.analyse)
        return Agent(**options).search(task, self, self.evaluate, np.random.default_rng(0))


def test_golden_look_try_look_at_the_program_and_be_done() -> None:
    both = "```analysis\nprint(Environment().step(1))\nx[1]\n```\n" + TRY
    talk = Conversation(LOOK, TRY, both, "The rest cannot be known.\n\nDONE\n", scores=(0.5, 0.75))
    assert talk.search() is None
    assert [(p.kind, p.parent, len(p.messages)) for p in talk.prompts] == [
        ("agent", None, 1),
        ("agent", None, 3),
        ("agent", 1, 5),
        ("agent", 2, 7),
    ]
    program = Program(PROGRAM)
    assert [script for script, _ in talk.scripts] == [
        "print(sorted(set(rewards)))\n",
        "print(Environment().step(1))\nx[1]\n",
    ]
    assert talk.scripts[0][1] is None
    assert talk.scripts[1][1].source.strip() == program.source.strip()  # type: ignore[union-attr]
    told = [message.content for message in talk.prompts[3].messages]
    assert told[2] == "# What the script printed\n\n    [0.0, 1.0]\n"
    assert "Score 0.5000" in told[4]
    assert "KeyError: 1" in told[6]
    assert "Score 0.7500" in told[6]
    # Whatever was said stays as it was: what providers keep of a prompt is used again.
    for earlier, later in zip(talk.prompts, talk.prompts[1:], strict=False):
        assert later.messages[: len(earlier.messages)] == earlier.messages


def test_it_ends_with_a_perfect_program_and_not_before_there_is_one() -> None:
    talk = Conversation("DONE", TRY, LOOK, scores=(1.0,))
    found = talk.search()
    assert found is not None
    assert len(talk.prompts) == 2
    assert "neither a script nor a whole program" in talk.prompts[1].messages[2].content


def test_old_turns_are_forgotten_the_task_never() -> None:
    talk = Conversation(*[LOOK] * 5)
    with pytest.raises(BudgetExhausted):
        talk.search(memory=2)
    assert [len(prompt.messages) for prompt in talk.prompts] == [1, 3, 5, 5, 5]
    assert [prompt.note["forgotten"] for prompt in talk.prompts] == [0, 0, 0, 1, 2]
    assert len({prompt.messages[0] for prompt in talk.prompts}) == 1


def test_the_data_in_figures() -> None:
    told = statistics(tiny_task())
    assert "6 transitions of 6 episodes; 1 of them end" in told
    assert "Rewards: 0.0 (5 times), 1.0 (1 times)." in told
    assert "| 0 | 0 | 1 | 2 | 0.8333 |" in told


def test_analyses_are_kept_taken_from_what_was_kept_and_have_an_end(tmp_path: Path) -> None:
    runs: list[str] = []

    def run(script: str, program: Program | None) -> Analysis:
        runs.append(script)
        return Analysis(f"{len(runs)}")

    def analyse(scripts: list[str]) -> list[str]:
        meter = Meter(Budget(2))
        metered = MeteredAnalyse(run, Ledger(tmp_path), meter)
        return [metered(script).output for script in scripts]

    assert analyse(["a", "a", "b"]) == ["1", "2", "3"]
    assert analyse(["a", "a", "b", "c"]) == ["1", "2", "3", "4"]
    assert runs == ["a", "a", "b", "c"]
    with pytest.raises(LedgerError):
        analyse(["a", "b"])
    with pytest.raises(BudgetExhausted):
        analyse(["a", "a", "b", "c", *"d" * ANALYSES_PER_CALL])
    assert len(runs) == ANALYSES_PER_CALL  # no call was answered


def test_an_agent_works_on_the_real_data_and_its_run_can_be_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = reference.simple("CliffWalking-v0").source
    look = "```analysis\nprint(len(rewards), sorted(set(rewards.tolist())), observations.shape)\n```"
    wrong = right.replace("-100", "-99")
    assert wrong != right
    script = [answer(look), answer(f"```python\n{wrong}\n```"), answer(f"```python\n{right}\n```")]
    run = ["--strategy", "agent", "--envs", "CliffWalking-v0", "--no-plan"]
    with ScriptedServer(script) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        out = tmp_path / "run"
        first = ["eval", *run, "--model", "openai:m", "--out", str(out)]
        assert CliRunner().invoke(app.app, first, catch_exceptions=False).exit_code in (0, None)
        shown = server.bodies[1]["messages"][-1]["content"]
        assert "[-100.0, -1.0]" in shown
        assert len(server.bodies) == 3
    record = json.loads((out / "records.jsonl").read_text())
    assert (record["stop"], record["test"]["accuracy"], record["prompts"]) == ("perfect", 1.0, {"agent": 3})
    ledger = [json.loads(line) for line in (out / "cells/CliffWalking-v0/seed-0/ledger.jsonl").open()]
    (analysis,) = [entry for entry in ledger if entry["type"] == "analysis"]
    assert analysis["script"].startswith("print(len(rewards)")
    again = ["eval", *run, "--model", f"replay:{out}", "--out", str(tmp_path / "again")]
    assert CliRunner().invoke(app.app, again, catch_exceptions=False).exit_code in (0, None)
    assert json.loads((tmp_path / "again" / "records.jsonl").read_text())["program"] == record["program"]
