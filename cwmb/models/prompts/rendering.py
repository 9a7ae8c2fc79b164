"""How programs, numbers, mistakes and failures are written in a prompt."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

import numpy as np

from cwmb.models.prompts.boards import board_mistake
from cwmb.types import Evaluation, Failure, FailureKind, Mistake, Space

SHOWN_WHOLE = 32  # observations up to this size are shown in full
MESSAGE = 2000  # characters of an error message or of a line of code

MEANING: dict[FailureKind, str] = {
    "no_code": "No class Environment was found",
    "syntax_error": "The program is not valid Python",
    "load_error": "An exception was raised while the program was loaded or Environment() was created",
    "forbidden_import": "The program imports a module that is not allowed",
    "fit_error": "fit failed, or what it left in the object cannot be handed to another process",
    "exception": "An exception was raised in set_state or step",
    "bad_return": "What step returned is not a tuple (observation, reward, done)",
    "bad_observation": "The observation that step returned has the wrong shape or type",
    "timeout": "The program used more time than it is allowed",
    "memory": "The program used more memory than it is allowed",
    "crash": "The process in which the program ran died",
    "protocol_violation": "The program interfered with the process that runs it",
    "stateful": "A transition was predicted differently in a fresh process: something was kept from earlier ones",
    "too_large": "The source of the program is too long",
}


def fenced(source: str) -> str:
    """Source in a Python fence that is longer than any run of backticks inside of it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", source)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}python\n{source.strip(chr(10))}\n{fence}"


def number(value: float, space: Space | None = None) -> str:
    """A number as short as it can be: an int for integer spaces, what a float32 is written as, else eight digits."""
    if not math.isfinite(value):
        return repr(float(value))
    if space is not None and space.kind != "box" and float(value).is_integer():
        return str(int(value))
    with np.errstate(over="ignore", under="ignore"):
        single = np.float32(value)
    if float(single) != value:
        return repr(float(f"{value:.8g}"))
    return min(repr(float(str(single))), repr(float(value)), key=len)  # 1e12's neighbours are shorter as they are


def _pair(true: float, predicted: float, space: Space | None = None) -> tuple[str, str]:
    """Two unequal numbers, so written that they can be told apart."""
    shown = number(true, space), number(predicted, space)
    return (repr(float(true)), repr(float(predicted))) if shown[0] == shown[1] and true != predicted else shown


def mistake_table(mistake: Mistake, observations: Space, actions: Space) -> str:
    """A wrongly predicted transition, field by field, what is wrong marked; of a large observation what says most."""
    if observations.kind == "board":
        return board_mistake(mistake, observations)
    size = observations.size
    wrong = set(mistake.wrong_elements)
    label = "observation" if observations.kind == "discrete" else "observation[{}]"
    rows = [("", "before the step", "true after it", "predicted after it", "")]
    for i in range(size) if size <= SHOWN_WHOLE else mistake.shown:
        before = number(mistake.observation[i], observations)
        true, said = mistake.next_observation[i], mistake.predicted_observation[i]
        after = (
            _pair(true, said, observations) if i in wrong else (number(true, observations), number(said, observations))
        )
        shown = (after[0], "–") if mistake.malformed else after
        rows.append((label.format(i), before, *shown, _mark(mistake, i, i in wrong)))
    reward = _pair(mistake.reward, mistake.predicted_reward)
    rows.append(("reward", "", *reward, _mark(mistake, size, mistake.reward_wrong)))
    done = str(mistake.done), str(mistake.predicted_done)
    rows.append(("done", "False", *done, _mark(mistake, size + 1, mistake.done_wrong)))
    action = ", ".join(number(x, actions) for x in mistake.action)
    if actions.kind != "discrete":
        action = f"[{action}]"
    table = "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], ("---",) * 5, *rows[1:]])
    return f"action: {action}\n\n{_state(mistake, observations)}{table}"


def _mark(mistake: Mistake, part: int, wrong: bool) -> str:
    if wrong and part < len(mistake.digits) and mistake.digits[part] is not None:
        return f"WRONG, {mistake.digits[part]:.1f} digits right"
    return "WRONG" if wrong else "not determined" if part in mistake.undetermined else ""


def _state(mistake: Mistake, observations: Space) -> str:
    """What the step can be computed from, where the observation is too large for the table: one line."""
    if observations.size <= SHOWN_WHOLE:
        return ""
    values = ", ".join(number(x, observations) for x in mistake.observation[: mistake.state])
    return f"observation[0:{mistake.state}] before the step: [{values}]\n\n"


def evidence(evaluation: Evaluation, observations: Space, actions: Space) -> str:
    """The mistakes of an evaluation, or, where there is none to show, why not and the parts of the score."""
    parts: list[str] = []
    if evaluation.failure is not None and evaluation.failure.kind == "bad_observation":
        parts.append(failure_text(evaluation.failure))
    if evaluation.loses_state and evaluation.lost is not None:
        parts.append(
            "`step` does not keep the new state. In "
            f"{evaluation.lost:.0%} of the pairs of steps that were tried, a second `step` went on from somewhere else "
            "than where the first one led, and came out further off than after `set_state` with the observation that "
            "the first one returned. Planners set the state once and then only call `step`: it has to leave the "
            "environment in the state that it returns."
        )
    if evaluation.mistakes:
        several = len(evaluation.mistakes) > 1
        parts.append(_SEVERAL if several else "One transition that the program predicts wrongly:")
        for count, mistake in enumerate(evaluation.mistakes, start=1):
            parts += [f"**Transition {count}**"] * several
            parts.append(mistake_table(mistake, observations, actions))
            parts += _remarks(mistake, observations)
        return "\n\n".join(parts)
    parts.append("Every recorded transition is predicted right." if evaluation.exact == 1.0 else _NOT_SHOWN)
    valid = "" if evaluation.valid is None else f"valid actions {evaluation.valid:.4f}, "
    parts.append(
        f"Over {evaluation.n} transitions, the share predicted right: observation {evaluation.state:.4f}, {valid}"
        f"reward {evaluation.reward:.4f}, done {evaluation.done:.4f}; everything at once {evaluation.exact:.4f}."
    )
    return "\n\n".join(parts)


_SEVERAL = (
    "Some transitions that the program predicts wrongly, chosen for differing in what is wrong and in the action. "
    "Digits are decimal ones, counted from the size of what usually changes in a step:"
)

_NOT_SHOWN = (
    "No single transition is shown: what is predicted wrongly does not follow from the observation and the action "
    "alone. Predict what is most likely."
)


def _remarks(mistake: Mistake, observations: Space) -> Iterator[str]:
    """What has to be said about the table of a mistake."""
    size, wrong = observations.size, len(mistake.wrong_elements)
    if mistake.malformed:
        yield f"The observation cannot be compared: {mistake.malformed}."
    elif mistake.done:
        yield "The episode terminates here, so that the next observation does not count."
    elif size > SHOWN_WHOLE and observations.kind != "board":
        some = f"shown are {len(mistake.shown)} that are far off for their kind"
        chosen = "only those are shown" if len(mistake.shown) == wrong else some
        yield f"{wrong} of the {size} elements of the observation are wrong; {chosen}."
    if mistake.undetermined:
        yield (
            "What is not determined does not follow from the observation and the action alone: predict what is most "
            "likely."
        )


def failure_text(failure: Failure, meaning: Mapping[FailureKind, str] = MEANING) -> str:
    """A failure: what it means, its message, its line."""
    parts = [meaning.get(failure.kind, failure.kind) + ":", _indented(failure.message[:MESSAGE])]
    if failure.line is not None:
        parts.append(f"It happened in line {failure.line} of the program" + (":" if failure.code else "."))
        if failure.code:
            parts.append(_indented(failure.code[:MESSAGE]))
    return "\n\n".join(parts)


def _indented(text: str) -> str:
    """A Markdown code block without a fence, so that the only fence after the contract's is the program's."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines() or ["(no message)"])
