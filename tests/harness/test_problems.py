"""Problems of programming as cells, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas
import pytest
from click.testing import CliRunner

from cwmb.benchmark.problems import own, read
from cwmb.cli.app import app
from cwmb.errors import CwmbError
from cwmb.harness.problems import read_problem_records, task
from cwmb.models import prompts
from cwmb.models.scripts import extract_script
from cwmb.types import Evaluation, Failure, Program, WrongOutput

QUESTION = "Read a number and print its square."


def write(path: Path, **changes: object) -> Path:
    row = {
        "problem_id": 7,
        "question": QUESTION,
        "solutions": "[]",
        "input_output": json.dumps({"inputs": ["3\n", ["4"], "5\n"], "outputs": ["9\n", ["16"], "25\n"]}),
        "difficulty": "competition",
        **changes,
    }
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return path


def run(tmp_path: Path, *words: str) -> Path:
    out = tmp_path / "run"
    result = CliRunner().invoke(
        app, ["eval", "--suite", "apps", "--model", "simulated", "--out", str(out), *words], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return out


@pytest.mark.parametrize("strategy", ["zero_shot", "best_of_n", "refine", "worldcoder", "rex", "gif_mcts"])
def test_strategies_run_unchanged(strategy: str, tmp_path: Path) -> None:
    out = run(tmp_path, "--strategy", strategy, "--envs", "own-07,own-20", "--budget", "4")
    records = read_problem_records(out)
    assert [r.problem for r in records] == ["own-07", "own-20"]
    assert all(r.state == "done" and r.simulated and 1 <= r.usage.calls <= 4 for r in records)
    assert all(r.any or not r.strict for r in records)


def test_a_run_goes_on_where_it_was_and_is_the_same_with_more_jobs(tmp_path: Path) -> None:
    whole = run(tmp_path / "a", "--strategy", "refine", "--envs", "own-01,own-05,own-09")
    again = run(tmp_path / "b", "--strategy", "refine", "--envs", "own-05", "--jobs", "3")
    again = run(tmp_path / "b", "--strategy", "refine", "--envs", "own-01,own-05,own-09", "--jobs", "3")
    assert (whole / "problems.jsonl").read_bytes() == (again / "problems.jsonl").read_bytes()


def test_prompts_hold_nothing_of_the_second_half_of_the_tests(tmp_path: Path) -> None:
    problem = next(p for p in own().problems if p.id == "own-07")
    out = run(tmp_path, "--strategy", "refine", "--envs", problem.id, "--budget", "8")
    ledger = (out / "cells" / problem.id / "seed-0" / "ledger.jsonl").read_text()
    calls = [json.loads(line) for line in ledger.splitlines() if '"type": "call"' in line or '"type":"call"' in line]
    assert calls
    hidden = [t.given.strip() for t in problem.tests[len(problem.shown) :] if len(t.given) > 5]
    assert hidden
    assert not any(f"    {given}\n" in json.dumps(c["request"]) for c in calls for given in hidden)


def test_files_in_the_schema_of_apps(tmp_path: Path) -> None:
    lines = read(str(write(tmp_path / "a.jsonl")))
    table = tmp_path / "a.parquet"
    pandas.DataFrame([json.loads((tmp_path / "a.jsonl").read_text())]).to_parquet(table)
    assert read(str(table)).problems == lines.problems
    (problem,) = lines.problems
    assert problem.id == "apps-0007"
    assert [t.given for t in problem.tests] == ["3\n", "4", "5\n"]
    assert len(problem.shown) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"question": 3}, "row 1 is no problem of APPS"),
        ({"input_output": "{"}, "row 1 is no problem of APPS"),
        ({"problem_id": "../x"}, "is no name"),
        ({"input_output": json.dumps({"fn_name": "f", "inputs": [[1]], "outputs": [[1]]})}, "there is none with tests"),
        ({"input_output": ""}, "there is none with tests"),
    ],
)
def test_malformed_files_are_refused(changes: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(CwmbError, match=message):
        read(str(write(tmp_path / "a.jsonl", **changes)))


@pytest.mark.parametrize("words", [["--executor", "ray"], ["--worlds", "somewhere"]])
def test_what_is_for_environments_is_refused(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(CwmbError, match=f"{words[0]} is for environments"):
        run(tmp_path, "--strategy", "refine", *words)


def test_requests_are_paced(tmp_path: Path) -> None:
    out = run(tmp_path, "--strategy", "zero_shot", "--envs", "own-20", "--requests-per-minute", "1000")
    assert read_problem_records(out)[0].usage.calls == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CwmbError, match=r"nowhere\.jsonl cannot be read"):
        read(str(tmp_path / "nowhere.jsonl"))


def test_the_kind_of_task_decides_the_prompts() -> None:
    asked = task(own().problems[0], "The contract.")
    program = Program("print(1)\n")
    wrong = Evaluation(0.5, 0.5, 0.5, 0.5, 0.5, 1.0, 2, outputs=(WrongOutput(1, "in", "right", "said"),))
    texts = [
        prompts.generate(asked).messages[0].content,
        prompts.generate(asked, prefix="x = 1\n").messages[0].content,
        prompts.improve(asked, program, wrong, parent=0).messages[0].content,
        prompts.fix(asked, program, Failure("exception", "boom", 1, "print(1)"), parent=0).messages[0].content,
    ]
    assert all(own().problems[0].question in text for text in texts)
    assert not any("Environment" in text or "set_state" in text for text in texts)
    assert "passes 1 of 2 tests" in texts[2]
    assert "    right" in texts[2]
    assert "boom" in texts[3]


@pytest.mark.parametrize(
    ("answer", "source", "failure"),
    [
        ("Here:\n```python\nprint(1)\n```\n", "print(1)\n", None),
        ("```\nx = 1\n```\nand\n```py\nx = 1\nprint(x)\n```", "x = 1\nprint(x)\n", None),
        ("print(1)", "print(1)\n", None),
        ("```python\nprint(1)", "print(1)\n", None),  # cut off after a whole program
        ("```python\nprint(1\n```", "print(1\n", "syntax_error"),
        ("I can't say what to do here.", None, "no_code"),
        ("<think>\n```python\nprint(0)\n```\n</think>\n\n```python\nprint(1)\n```", "print(1)\n", None),
    ],
)
def test_scripts_in_answers(answer: str, source: str | None, failure: str | None) -> None:
    program, wrong = extract_script(answer)
    assert (program.source if program else None) == source
    assert (wrong.kind if wrong else None) == failure


def test_a_script_that_lacks_the_given_lines_gets_them() -> None:
    program, failure = extract_script("```python\nprint(x)\n```", "x = 1\n")
    assert failure is None
    assert program == Program("x = 1\nprint(x)\n")
