"""A model that works as people do: it looks at the data with scripts, tries its program, and goes on from what it sees.

One conversation. In each answer the model may give a script, a program, or both; back come what the script printed and
the program's score with a mistake. The protocol is text, so that any chat model can follow it. Where the provider
offers calls of tools, the same may be called: a call is read as its text (see cwmb.types.Tool).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cwmb.errors import CwmbError
from cwmb.models.openai import calls
from cwmb.models.prompts import agent as texts
from cwmb.strategies.refine import Attempt, attempt
from cwmb.types import Completion, Evaluate, LanguageModel, Message, Program, Prompt, Task

_SCRIPT = re.compile(r"^[ \t]*(`{3,})[ \t]*analysis[^\n`]*\n(.*?)^[ \t]*\1`*[ \t]*$", re.M | re.S | re.I)
_FAILED = re.compile(rf"^{calls.FAILED}.*$", re.M)
_DONE = re.compile(r"^\W*DONE\W*$", re.M)


@dataclass(frozen=True)
class Agent:
    """See the module.

    memory: how many of the last answers, and what came of them, the model still sees; the task always.
    tools: whether calls are offered where the provider can.
    """

    anytime: ClassVar[bool] = True
    memory: int = 12
    tools: bool = True

    def __post_init__(self) -> None:
        if self.memory < 1:
            raise CwmbError(f"agent: memory must be at least 1, not {self.memory}")

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        """The first perfect program; None, hence the best one, where the model is done."""
        if task.kind != "world_model":
            raise CwmbError(
                "agent works on environments and their data: take another strategy for problems of programming"
            )
        tools = texts.TOOLS if self.tools else ()
        said: list[Message] = []
        last: Attempt | None = None
        while True:
            recent = said[-2 * self.memory :]
            messages = (Message("user", texts.task(task)), *recent)
            note = {"forgotten": (len(said) - len(recent)) // 2}
            parent = None if last is None else last.index
            answer = llm.complete(Prompt("agent", messages, parent, note, tools=tools))
            new = attempt(answer, evaluate)
            if new is not None and new.evaluation.perfect:
                return new.program
            last = new or last
            script = script_of(answer)
            parts = []
            if script is not None:
                parts.append(texts.printed(task.analyse(script, None if last is None else last.program)))
            if new is not None:
                parts.append(texts.judged(task, new.evaluation))
            if not parts and last is not None and _DONE.search(answer.text):
                return None
            reply = texts.reply(parts, _FAILED.findall(answer.text))
            said += [Message("assistant", answer.text or "(nothing)"), Message("user", reply)]


def script_of(answer: Completion) -> str | None:
    """The scripts in an answer as one; None if there is none."""
    found = [block for _, block in _SCRIPT.findall(answer.text)]
    return "\n".join(found) if found else None
