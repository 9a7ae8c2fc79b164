"""A language model for free: a seeded stand-in for a fallible programmer.

Its answers are a pure function of a request's messages and seed. Of the prompt it reads which environment it is, the
last fenced block, and the line at which a program failed; it knows the reference programs (simple ones, where those are
slow; of drawn worlds those with their constants and alterations; none with a ``step_many`` of its own, which nobody
asks it for). Asked for a program, it gives that one with a few faults; shown a program, it mends one of its faults with
some probability and sometimes makes a new one; shown the first lines of one, it continues from them or begins anew.
Results obtained with it test code and say nothing about strategies.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import re
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from random import Random

from cwmb import reference
from cwmb.benchmark.descriptions import contract, description, description_sets
from cwmb.benchmark.manuals import manual_in
from cwmb.benchmark.problems import own
from cwmb.benchmark.suites import ORIGINALS, Worlds
from cwmb.errors import CwmbError, unknown
from cwmb.models.faults import with_faults, with_syntax_error
from cwmb.models.mending import continued, mended, normalised, parsed, parses
from cwmb.types import Reply, Request, Usage

_FENCED = re.compile(r"^[ \t]*(`{3,})[^\n`]*\n(.*?)^[ \t]*\1`*[ \t]*$", re.MULTILINE | re.DOTALL)
_FAILED_LINE = re.compile(r"\bline (\d{1,6}) of the program\b")


@dataclass(frozen=True)
class Rates:
    """How fallible it is.

    fault: mean number of faults in a long program written from scratch (shorter ones get fewer); repair: probability
    that an improvement or a fix mends a fault; slip: that it makes a new one; unusable: that an answer's program
    does not parse, is cut off, or is missing; restart: that a whole program begins anew instead of with given lines;
    repeat: that a program written from scratch is the one that it always writes for this description.
    """

    fault: float = 3.0
    repair: float = 0.6
    slip: float = 0.15
    unusable: float = 0.1
    restart: float = 0.1
    repeat: float = 0.0


class Simulated:
    """The model ``simulated``, or ``simulated:fault=1.5,repair=0.8`` with other rates (see Rates).

    The limit of new tokens is not enforced: answers that were cut off occur at their own rate, however long they are.

    Raises:
        CwmbError: an option is unknown, or its value is not a rate.
    """

    def __init__(self, name: str = "") -> None:
        self.name = f"simulated:{name}" if name else "simulated"
        self.rates = _rates(name)
        self.worlds = ORIGINALS  # about which it is asked

    def complete(self, request: Request) -> Reply:
        """The answer that belongs to the messages and the seed."""
        prompt = "\n\n".join(message.content for message in request.messages)
        rng = _generator(request)
        finish_reason = "stop"
        script = _script(prompt)
        if script is not None:
            text, finish_reason = self._solution(prompt, script, rng)
            usage = Usage(prompt_tokens=_tokens(prompt), completion_tokens=_tokens(text))
            return Reply(text, usage, finish_reason, "simulated")
        environment, right = self._asked(prompt)
        if right is None:
            text = "I can't tell which environment this is about, so I would only be guessing at a program."
        else:
            text, finish_reason = self._answer(prompt, environment, right, rng)
        usage = Usage(prompt_tokens=_tokens(prompt), completion_tokens=_tokens(text))
        return Reply(text, usage, finish_reason, "simulated")

    def _answer(self, prompt: str, environment: str, right: str, rng: Random) -> tuple[str, str]:
        shown = _shown(prompt)
        if shown is None:
            habit = self.rates.repeat and rng.random() < self.rates.repeat  # no draw where there is none
            by = Random(f"{environment} {self.name}") if habit else rng
            source, explanation = self._fresh(right, by), f"The class below models {environment}."
        elif not _is_complete(shown) and rng.random() < self.rates.restart:
            source, explanation = f"# Written anew.\n{self._fresh(right, rng)}", "I begin anew."
        elif not _is_complete(shown):
            source, explanation = self._continuation(shown, right, rng), "I continue from the given lines."
        else:
            source, explanation = self._revision(shown, right, prompt, rng)
        return self._worded(source, explanation, rng)

    def _solution(self, prompt: str, right: str, rng: Random) -> tuple[str, str]:
        """A solution of a known problem: right in so many cases as faults are mended, else with one or two faults."""
        shown = bool(_FENCED.search(prompt))
        faults = (
            0 if rng.random() < (self.rates.repair if shown else math.exp(-self.rates.fault)) else rng.choice((1, 2))
        )
        return self._worded(with_faults(right, faults, rng), "The program below solves the problem.", rng)

    def _asked(self, prompt: str) -> tuple[str, str | None]:
        """Which environment a prompt is about, and the right program; it reads manuals, and of the others the name."""
        manual = manual_in(prompt)
        if manual is not None:
            return "the game", normalised(reference.with_manual(manual).source)
        environment = _environment(prompt)
        return environment or "", environment and self._right(environment)

    def _right(self, environment: str) -> str:
        """The reference program of an environment, with its world's constants and alterations."""
        spec = self.worlds.environment(environment) if environment in self.worlds.ids else None
        return _original(environment) if spec is None or spec.world is None else _of_world(self.worlds, environment)

    def _fresh(self, right: str, rng: Random) -> str:
        """The right program with a drawn number of faults."""
        length = right.count("\n") + 1
        return with_faults(right, _poisson(self.rates.fault * length / (length + 10), rng), rng)

    def _continuation(self, prefix: str, right: str, rng: Random) -> str:
        """The first lines, and what follows them in a new attempt; a last line that was cut off is written again."""
        fresh = self._fresh(right, rng)
        whole = continued(prefix, fresh)
        if not _defines(whole):  # a fault took one of the first lines
            whole = continued(prefix, right)
        if not parses(whole):
            kept = prefix.rstrip("\n").rpartition("\n")[0]
            again = continued(kept, fresh) if kept else fresh
            return again if parses(again) else whole
        return whole

    def _revision(self, shown: str, right: str, prompt: str, rng: Random) -> tuple[str, str]:
        """The program shown with one fault less, perhaps, and one more, perhaps; and what is said about it."""
        wrong = normalised(shown.strip("\n"))
        if not _related(wrong, right):
            return self._fresh(right, rng), "The program rests on a wrong idea of the environment. I write it anew."
        failed = _FAILED_LINE.search(prompt)
        source, change = wrong, None
        if rng.random() < self.rates.repair:
            source, change = mended(wrong, right, int(failed[1]) if failed else None, rng)
        if rng.random() < self.rates.slip and parses(source):
            source = with_faults(source, 1, rng)
        if change is None:
            return source, "## Error\n\nI don't see what is wrong with the program; the change is a guess."
        new = "\n".join(line.strip() for line in change.lines) or "(nothing)"
        return source, (
            "## Error\n\nOne of the statements does not do what the environment does.\n\n"
            f"## Location\n\nLine {change.start + 1}.\n\n## Suggestion\n\nWhat stands there should be\n\n"
            + "\n".join(f"    {line}" for line in new.split("\n"))
        )

    def _worded(self, source: str, explanation: str, rng: Random) -> tuple[str, str]:
        """An answer as models word it, the program in it, and why the answer ended."""
        if rng.random() < self.rates.unusable:
            spoilt = rng.choice(("syntax error", "cut off", "no code"))
            if spoilt == "no code":
                return f"{explanation}\n\nThe program keeps the state and updates it in `step`.", "stop"
            if spoilt == "cut off":
                cut = int(len(source) * rng.uniform(0.3, 0.9))
                return f"{explanation}\n\n```python\n{source[:cut]}", "length"
            source = with_syntax_error(source, rng)
        usage = "env = Environment()\nenv.set_state(observation)\nprint(env.step(action))"
        style = rng.choices(("python", "py", "Python", "", "bare", "example"), (75, 5, 3, 7, 3, 7))[0]
        if style == "bare":
            return f"{explanation}\n\n{source}\n", "stop"
        if style == "example":
            return (
                f"{explanation}\n\n```python\n{source}\n```\n\nIt is used like this:\n\n```python\n{usage}\n```\n",
                "stop",
            )
        return f"{explanation}\n\n```{style}\n{source}\n```\n", "stop"


def _rates(text: str) -> Rates:
    known = [field.name for field in fields(Rates)]
    values: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        if name not in known:
            raise unknown("option of the model simulated", name, known)
        try:
            values[name] = float(number)
        except ValueError:
            values[name] = math.nan
        if not 0.0 <= values[name] <= (100.0 if name == "fault" else 1.0):
            highest = "100" if name == "fault" else "1"
            raise CwmbError(f"model simulated: {name} must be a number from 0 to {highest}, not {number!r}")
    return Rates(**values)


def _generator(request: Request) -> Random:
    content = [[(m.role, m.content) for m in request.messages], request.seed]
    return Random(int.from_bytes(hashlib.sha256(json.dumps(content).encode()).digest()))


@cache
def _original(environment: str) -> str:
    return normalised(reference.steps_only(environment, reference.simple(environment)).source)


def _script(prompt: str) -> str | None:
    """The solution of the benchmark's own problem that a prompt is about."""
    found = (p for p in own().problems if p.question.strip() in prompt and p.solutions)
    return next((normalised(p.solutions[0]) for p in found), None)


@cache
def _of_world(worlds: Worlds, environment: str) -> str:
    right = reference.program_of(worlds.environment(environment))
    return normalised(reference.steps_only(environment, right).source)


@cache
def _ids() -> re.Pattern[str]:
    return re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, reference.environments())) + r")(?![\w-])")


@cache
def _nameless() -> dict[str, str]:
    """The descriptions that do not name their environment, and which one it is."""
    told = {
        description(name, chosen).strip(): name for name in reference.environments() for chosen in description_sets()
    }
    return {text: name for text, name in told.items() if name not in text}


def _environment(prompt: str) -> str | None:
    """The first environment that the prompt names, or the one whose nameless description it holds."""
    found = _ids().search(prompt)
    return found[1] if found else next((name for text, name in _nameless().items() if text in prompt), None)


def _shown(prompt: str) -> str | None:
    """The last fenced block, unless it is one of the contract's outlines."""
    blocks = [text for _, text in _FENCED.findall(prompt) if text not in _outlines()]
    if not blocks:
        return None
    text: str = blocks[-1]
    return None if not text.strip() or _methods(text).get("step") is False else text


@cache
def _outlines() -> frozenset[str]:
    """The fenced blocks of the contract, of the class and of its method that learns."""
    return frozenset(text for _, text in _FENCED.findall(contract(fit=True)))


@lru_cache(256)
def _methods(source: str) -> dict[str, bool]:
    """The methods of Environment, and whether there is more to each than a docstring; nothing if it does not parse."""
    tree = parsed(source)
    return {
        function.name: not all(isinstance(s, ast.Pass | ast.Expr) for s in function.body)
        for node in (tree.body if tree else ())
        if isinstance(node, ast.ClassDef) and node.name == "Environment"
        for function in node.body
        if isinstance(function, ast.FunctionDef)
    }


def _defines(source: str) -> bool:
    return "step" in _methods(source)


def _is_complete(source: str) -> bool:
    """Whether this is a whole program, valid or not, rather than the beginning of one."""
    if parses(source):
        return {"set_state", "step"} <= _methods(source).keys()
    _, step, rest = source.partition("def step(")
    return bool(step) and "def set_state(" in source and re.search(r"^\s+return\b", rest, re.MULTILINE) is not None


def _related(wrong: str, right: str) -> bool:
    """Whether a fair part of the lines is common to both programs."""
    ours, theirs = ({line.strip() for line in text.split("\n") if line.strip()} for text in (right, wrong))
    return 2 * len(ours & theirs) >= min(len(ours), len(theirs))


def _poisson(mean: float, rng: Random) -> int:
    """A draw from the Poisson distribution (Knuth's method)."""
    count, product, limit = -1, 1.0, math.exp(-mean)
    while product > limit or count < 0:
        product *= rng.random()
        count += 1
    return count


def _tokens(text: str) -> int:
    return math.ceil(len(text) / 4)
