"""The three kinds of question that a language model is asked, as templates (PROTOCOL section 7).

Those of world models lie here, those of scripts in ``script/``.

Each is a single user message, since some models know no system messages: what the environment is, the contract, and
then the kind's own part with the program that it is about. A program is always in a fence that says ``python``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from cwmb.models.prompts.outputs import SCRIPT_MEANING, output_evidence
from cwmb.models.prompts.rendering import MEANING, evidence, failure_text, fenced
from cwmb.types import Evaluation, Failure, Message, Program, Prompt, Task

_FOLDER = Path(__file__).parent
Note = Mapping[str, Any]


def generate(
    task: Task,
    *,
    prefix: str = "",
    parent: int | None = None,
    chain_of_thought: bool = False,
    note: Note | None = None,
) -> Prompt:
    """Ask for a program from scratch, or for one that continues from the lines of prefix.

    chain_of_thought asks to reason about the environment first; it has no effect where there is a prefix.
    """
    if prefix.strip():
        return _prompt("generate", "continue", task, parent, note, prefix=prefix, texts={"prefix": fenced(prefix)})
    return _prompt("generate", "think" if chain_of_thought else "generate", task, parent, note)


def improve(
    task: Task, program: Program, evaluation: Evaluation, *, parent: int | None, note: Note | None = None
) -> Prompt:
    """Ask for a better program, given one that runs and the evaluation's mistakes."""
    told = (
        output_evidence(evaluation)
        if task.kind == "script"
        else evidence(evaluation, task.observation_space, task.action_space)
    )
    texts = {"program": fenced(program.source), "evidence": told}
    return _prompt("improve", "improve", task, parent, note, texts=texts)


def fix(task: Task, program: Program, failure: Failure, *, parent: int | None, note: Note | None = None) -> Prompt:
    """Ask for the repair of a program that failed."""
    meaning = SCRIPT_MEANING if task.kind == "script" else MEANING
    texts = {"program": fenced(program.source), "failure": failure_text(failure, meaning)}
    return _prompt("fix", "fix", task, parent, note, texts=texts)


def checksum(kind: str = "world_model") -> str:
    """SHA-256 over all templates of a kind of task and the code that renders what is put into them, in hex."""
    digest = hashlib.sha256()
    script = kind == "script"
    own = sorted((_FOLDER / "script" if script else _FOLDER).glob("*.md"))
    code = (*(("outputs.py",) if script else ("boards.py", "agent.py")), "rendering.py", "__init__.py")
    for path in [*own, *(_FOLDER / name for name in code)]:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _prompt(
    kind: str,
    template: str,
    task: Task,
    parent: int | None,
    note: Note | None,
    *,
    prefix: str = "",
    texts: Mapping[str, str] | None = None,
) -> Prompt:
    folder = _FOLDER / "script" if task.kind == "script" else _FOLDER
    about = {"description": task.description.strip(), "contract": task.contract.strip()}
    content = "\n\n".join(
        Template((folder / f"{name}.md").read_text(encoding="utf-8")).substitute(about | dict(texts or {})).strip()
        for name in ("task", template)
    )
    return Prompt(kind, (Message("user", content + "\n"),), parent, dict(note or {}), prefix)
