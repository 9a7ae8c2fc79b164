"""How programs, numbers, mistakes and failures are written in a prompt."""

from __future__ import annotations

import math
import re

import numpy as np

from cwmb.types import Evaluation, Failure, FailureKind, Mistake, Space

SHOWN_WHOLE = 32  # observations up to this size are shown in full
WORST = 20  # of a larger one, this many wrong elements
MESSAGE = 2000  # characters of an error message or of a line of code

_MEANING: dict[FailureKind, str] = {
    "no_code": "No class Environment was found",
    "syntax_error": "The program is not valid Python",
    "load_error": "An exception was raised while the program was loaded or Environment() was created",
    "forbidden_import": "The program imports a module that is not allowed",
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
    return repr(float(str(single) if float(single) == value else f"{value:.8g}"))


def _pair(true: float, predicted: float, space: Space | None = None) -> tuple[str, str]:
    """Two unequal numbers, so written that they can be told apart."""
    shown = number(true, space), number(predicted, space)
    return (repr(float(true)), repr(float(predicted))) if shown[0] == shown[1] and true != predicted else shown


def mistake_table(mistake: Mistake, observations: Space, actions: Space) -> str:
    """A wrongly predicted transition, field by field, what is wrong marked."""
    wrong = set(mistake.wrong_elements)
    columns = list(range(observations.size))
    if observations.size > SHOWN_WHOLE:
        columns = sorted(sorted(wrong, key=lambda i: (-_error(mistake, i), i))[:WORST])
    label = "observation" if observations.kind == "discrete" else "observation[{}]"
    rows = [("", "before the step", "true after it", "predicted after it", "")]
    for i in columns:
        before = number(mistake.observation[i], observations)
        true, said = mistake.next_observation[i], mistake.predicted_observation[i]
        after = (
            _pair(true, said, observations) if i in wrong else (number(true, observations), number(said, observations))
        )
        rows.append((label.format(i), before, *after, "WRONG" if i in wrong else ""))
    reward = _pair(mistake.reward, mistake.predicted_reward)
    rows.append(("reward", "", *reward, "WRONG" if mistake.reward_wrong else ""))
    rows.append(
        ("done", "False", str(mistake.done), str(mistake.predicted_done), "WRONG" if mistake.done_wrong else "")
    )
    action = ", ".join(number(x, actions) for x in mistake.action)
    if actions.kind != "discrete":
        action = f"[{action}]"
    table = "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], ("---",) * 5, *rows[1:]])
    return f"action: {action}\n\n{table}"


def _error(mistake: Mistake, i: int) -> float:
    error = abs(mistake.predicted_observation[i] - mistake.next_observation[i])
    return math.inf if math.isnan(error) else error


def evidence(evaluation: Evaluation, observations: Space, actions: Space) -> str:
    """The first mistake of an evaluation, or, where there is none to show, why not and the parts of the score."""
    parts: list[str] = []
    if evaluation.failure is not None and evaluation.failure.kind == "bad_observation":
        parts.append(failure_text(evaluation.failure))
    if evaluation.mistakes:
        mistake = evaluation.mistakes[0]
        parts.append("One transition that the program predicts wrongly:")
        parts.append(mistake_table(mistake, observations, actions))
        wrong = len(mistake.wrong_elements)
        if mistake.done:
            parts.append("The episode terminates here, so that the next observation does not count.")
        elif observations.size > SHOWN_WHOLE:
            worst = f"; shown are the {WORST} that are furthest off" if wrong > WORST else "; only those are shown"
            parts.append(f"{wrong} of the {observations.size} elements of the observation are wrong{worst}.")
        return "\n\n".join(parts)
    if evaluation.perfect:
        parts.append("Every recorded transition is predicted right.")
    else:
        parts.append(
            "No single transition is shown: in those that are predicted wrongly the outcome does not follow from the "
            "observation and the action alone. Predict what is most likely."
        )
    parts.append(
        f"Over {evaluation.n} transitions, the share predicted right: observation {evaluation.state:.4f}, "
        f"reward {evaluation.reward:.4f}, done {evaluation.done:.4f}; everything at once {evaluation.exact:.4f}."
    )
    return "\n\n".join(parts)


def failure_text(failure: Failure) -> str:
    """A failure: what it means, its message, its line."""
    parts = [_MEANING.get(failure.kind, failure.kind) + ":", _indented(failure.message[:MESSAGE])]
    if failure.line is not None:
        parts.append(f"It happened in line {failure.line} of the program" + (":" if failure.code else "."))
        if failure.code:
            parts.append(_indented(failure.code[:MESSAGE]))
    return "\n\n".join(parts)


def _indented(text: str) -> str:
    """A Markdown code block without a fence, so that the only fence after the contract's is the program's."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines() or ["(no message)"])
