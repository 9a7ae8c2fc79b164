"""How a script's wrong outputs and failures are written in a prompt."""

from __future__ import annotations

from cwmb.types import Evaluation, FailureKind

SCRIPT_MEANING: dict[FailureKind, str] = {
    "no_code": "No program was found",
    "syntax_error": "The program is not valid Python",
    "load_error": "An exception was raised",
    "forbidden_import": "The program imports a module that is not allowed",
    "exception": "An exception was raised",
    "flood": "The program wrote too much",
    "timeout": "The program used more time than it is allowed",
    "memory": "The program used more memory than it is allowed",
    "crash": "The process in which the program ran died",
    "protocol_violation": "The program interfered with the process that runs it",
    "too_large": "The source of the program is too long",
}


def output_evidence(evaluation: Evaluation) -> str:
    """One of the tests that the script fails, and how many it passes."""
    passed = round(evaluation.accuracy * evaluation.n)
    told = f"The program passes {passed} of {evaluation.n} tests."
    if not evaluation.outputs:
        return told
    test = evaluation.outputs[0]
    parts = [told, "One that it does not pass has this input:", _quoted(test.given)]
    parts += ["The output should be:", _quoted(test.expected), "The program's output is:", _quoted(test.said)]
    return "\n\n".join(parts)


def _quoted(text: str) -> str:
    """A Markdown code block without a fence, so that the only fence is the program's."""
    return "\n".join(f"    {line}" for line in text.rstrip("\n").splitlines() or ["(nothing)"])
