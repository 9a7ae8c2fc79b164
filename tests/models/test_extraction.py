from __future__ import annotations

import ast
import textwrap
import threading
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmb.models.extraction import MAX_BYTES, continues, extract
from cwmb.sandbox.candidate import load

CODE = '''import numpy as np


class Environment:
    """A counter."""

    def __init__(self):
        self.state = 0

    def set_state(self, observation):
        self.state = observation

    def step(self, action):
        self.state += 2 * action - 1
        return self.state, 1.0, self.state > 9
'''
OTHER = CODE.replace("> 9", "> 5")
SKETCH = 'class Environment:\n    def set_state(self, o):\n        """Set it."""\n    def step(self, a):\n        ...\n'
USAGE = "env = Environment()\nenv.set_state(0)\nprint(env.step(1))\n"
FENCED = f"```python\n{CODE}```"

ANSWERS = {
    "python": FENCED,
    "py": f"```py\n{CODE}```",
    "Python3": f"``` Python3\n{CODE}```",
    "with a title": f'```python title="environment.py"\n{CODE}```',
    "tildes": f"~~~python\n{CODE}~~~",
    "four backticks": f"````python\n{CODE}````",
    "plain": f"```\n{CODE}```",
    "another language's name": f"```text\n{CODE}```",
    "no line for the language": f"```{CODE}```",
    "blank lines": f"```python\n\n\n{CODE}\n\n\n```",
    "carriage returns": FENCED.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + FENCED,
    "in the middle of prose": f"Sure! Here's the class:\n\n{FENCED}\n\nIt doesn't do much (yet).",
    "opened in a line of prose": f"Here it is: {FENCED} Enjoy!",
    "closing fence missing": f"Here:\n```python\n{CODE}",
    "closing fence missing, prose after it": f"```python\n{CODE}\nThis class isn't finished.\n",
    "in a list": "1. The program:\n\n" + textwrap.indent(FENCED, "   ") + "\n2. Done.",
    "quoted": textwrap.indent(FENCED, "> ", lambda _: True),
    "tags": f"[PYTHON]\n{CODE}[/PYTHON]",
    "usage after it": f"{FENCED}\nUse it like this:\n```python\n{USAGE}```",
    "usage before it": f"```python\n{USAGE}```\nwhere\n{FENCED}",
    "shell before it": f"```bash\npip install numpy\n```\n{FENCED}",
    "a draft before it": f"```python\n{OTHER}```\nWait, that is wrong.\n{FENCED}",
    "a broken draft after it": f"{FENCED}\nor\n```python\nclass Environment:\n    def step(self:\n```",
    "a sketch after it": f"{FENCED}\nIn short:\n```python\n{SKETCH}```",
    "a part after it": f"{FENCED}\nNew:\n```python\nclass Environment:\n    def step(self, a):\n        return a\n```",
    "the contract before it": f"```python\n{SKETCH}```\n{FENCED}",
    "thoughts": f"<think>\nMaybe\n```python\n{OTHER}```\nno\n</think>\n{FENCED}",
    "thoughts without an opening tag": f"Maybe\n```python\n{OTHER}```\n</think>\n{FENCED}",
    "thoughts after it": f"{FENCED}\n<think>\nor\n```python\n{OTHER}```\n</think>",
    "only in thoughts": f"<think>\n{FENCED}\n</think>\nThere you are.",
    "thoughts without end": f"<think>\n{FENCED}",
    "bare": CODE,
    "bare with prose around it": f"Sure! I'd write:\n\n{CODE}\nThis doesn't need more.\nDone",
    "bare with a word after it": f"{CODE}\nDone\n",
    "quoted thoughts": f"No `<think>` here.\n{FENCED}",
    "a byte order mark in the fence": f"```python\n\ufeff{CODE}```",
    "a zero-width space in the fence": f"```python\n\u200b{CODE}```",
    "a zero-width space before the class": FENCED.replace("class", "\u200bclass"),
    "zero-width characters within": FENCED.replace("self.state = 0", "self.\u2060state = 0\u200d"),
    "no-break spaces": FENCED.replace("        ", "\u00a0   \u202f   "),
    "bare after a heading": f"# The program\n\nHere it is.\n\n{CODE}",
}


def program(text: str, prefix: str = "") -> str:
    found, failure = extract(text, prefix)
    assert failure is None
    assert found is not None
    return found.source


@pytest.mark.parametrize("name", ANSWERS)
def test_the_program_is_found_however_it_is_wrapped(name: str) -> None:
    assert program(ANSWERS[name]) == CODE


def test_fences_in_a_docstring_are_no_end() -> None:
    code = CODE.replace("A counter.", "A counter.\n\n    ```\n    Environment().step(1)\n    ```\n    ")
    assert program(f"```python\n{code}```\nThat is all.") == code


def test_an_inherited_class_may_be_complete() -> None:
    code = CODE.replace("class Environment", "class Base") + "\n\nclass Environment(Base):\n    pass\n"
    assert program(f"```python\n{code}```\n```python\n{SKETCH}```") == code


OTHER_NAME = CODE.replace("class Environment", "class Counter")
INSIDE = textwrap.indent(CODE, "    ")
BOUND = {
    "assigned": f"{OTHER_NAME}\n\nEnvironment = Counter\n",
    "assigned with a type": f"{OTHER_NAME}\n\nEnvironment: type = Counter\n",
    "assigned with another name": f"{OTHER_NAME}\n\nModel = Environment = Counter\n",
    "in a tuple": f"{OTHER_NAME}\n\nEnvironment, SIZE = Counter, 3\n",
    "chosen": f"{OTHER_NAME}\n\nEnvironment = Counter if np.pi > 3 else None\n",
    "inside try": f"try:\n{INSIDE}except ImportError:\n    pass\n",
    "inside try, with an import": f"import math\n\ntry:\n    import numba\nexcept ImportError:\n{INSIDE}",
    "an import that fails": f"try:\n    from base import Environment\nexcept ImportError:\n{INSIDE}",
    "inside if": f"if True:\n{INSIDE}",
    "inside with": f"import contextlib\n\nwith contextlib.suppress(Exception):\n{INSIDE}",
    "inside for": f"for _ in range(1):\n{INSIDE}",
    "a function": f"{OTHER_NAME}\n\ndef Environment():\n    return Counter()\n",
    "lambda": f"{OTHER_NAME}\n\nEnvironment = lambda: Counter()\n",
    "made by type": "Environment = type('Environment', (), {'set_state': print, 'step': print})\n",
    "in the globals": f"{OTHER_NAME}\n\nglobals()['Environment'] = Counter\n",
    "walrus": f"{OTHER_NAME}\n\nprint(Environment := Counter)\n",
    "methods assigned": "def f(self, x):\n    return x, 0.0, True\n\n\nclass Environment:\n    set_state = step = f\n",
}


@pytest.mark.parametrize("code", BOUND.values(), ids=BOUND)
@pytest.mark.parametrize("wrap", ["```python\n{}```\nThat is it.", "{}"])
def test_what_the_sandbox_can_load_is_a_program(code: str, wrap: str) -> None:
    """However the name is bound: by itself as a file, or within an answer."""
    found = program(wrap.format(code))
    assert found.strip() == code.strip()
    environment = load(found.encode())
    assert callable(environment.set_state)
    assert callable(environment.step)


@pytest.mark.parametrize("code", BOUND.values(), ids=BOUND)
def test_a_use_of_it_or_an_import_is_no_program(code: str) -> None:
    use = "from environment import Environment\n\nenv = Environment()\nprint(env.step(1))\n"
    assert program(f"```python\n{code}```\nUse:\n```python\n{use}```").strip() == code.strip()


def test_an_incomplete_class_is_better_than_none() -> None:
    assert program(f"```python\n{SKETCH}```") == SKETCH


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I can't help with that.",
        "```python\nprint('hello')\n```",
        "```python\nclass CartPole:\n    pass\n```",
        "The class Environment is hard to write.",
        "def class Environment",
    ],
)
def test_no_code(text: str) -> None:
    found, failure = extract(text)
    assert found is None
    assert failure is not None
    assert failure.kind == "no_code"


@pytest.mark.parametrize("wrap", ["```python\n{}```", "{}", "```python\n{}", "- here\n\n    ```\n{}    ```"])
def test_a_syntax_error_has_its_line_and_its_program(wrap: str) -> None:
    broken = CODE.replace("self.state += 2", "self.state += = 2")
    indent = "    " if wrap.startswith("-") else ""
    found, failure = extract(wrap.format(textwrap.indent(broken, indent)))
    assert failure is not None
    assert (failure.kind, failure.message) == ("syntax_error", "SyntaxError: invalid syntax")
    assert failure.line == broken[: broken.index("+= =")].count("\n") + 1
    assert failure.code is not None
    assert failure.code.strip() == "self.state += = 2 * action - 1"
    assert found is not None
    assert found.source == broken


def test_a_truncated_answer_is_a_syntax_error() -> None:
    found, failure = extract(f"```python\n{CODE[: CODE.index(', self.state > 9')]}, (self.")
    assert failure is not None
    assert failure.kind == "syntax_error"
    assert found is not None


def test_too_large() -> None:
    fits = CODE + "#" * (MAX_BYTES - len(CODE) - 1)
    assert extract(f"```python\n{fits}\n```")[1] is None
    found, failure = extract(f"```python\n{fits}#\n```")
    assert found is None
    assert failure is not None
    assert failure.kind == "too_large"
    assert str(MAX_BYTES + 1) in failure.message
    assert extract(f"```python\n{CODE}# {'é' * (MAX_BYTES // 2)}\n```")[1] is not None  # bytes, not characters


PREFIX = CODE[: CODE.index("    def set_state")]
REST = CODE[len(PREFIX) :]


@pytest.mark.parametrize(
    "text",
    [
        FENCED,
        CODE,
        f"```python\n{REST}```",
        f"I go on:\n```python\n{REST}```\nThat's it.",
        f"```python\n{REST}",
        REST,
        f"```python\n{REST}```\n```python\n{USAGE}```",
    ],
)
def test_a_program_starts_with_the_prefix_or_gets_it(text: str) -> None:
    source = program(text, PREFIX)
    assert ast.dump(ast.parse(source)) == ast.dump(ast.parse(CODE))
    assert source.startswith(PREFIX.rstrip())


def test_blank_lines_and_trailing_whitespace_are_no_difference() -> None:
    assert program(f"```python\n{CODE}```", "import numpy as np   \nclass Environment:") == CODE


@pytest.mark.parametrize(
    "prefix",
    [
        "import math\nimport random\n",
        "import math\n\nclass Environment:\n    def __init__(self):\n",
        "class Environment:\n    GRAVITY = 9.8\n",
        "import numpy as np\nclass Environment:\n    def __init__(self):\n        self.x = (\n",
    ],
)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("", "# Anew, with comments.\n"),
        ("", "from __future__ import annotations\n"),
        ("", '"A world."\n'),
        ("", "import math\n"),
        ("class Environment:", "class Environment(object):"),
        ("class Environment:", "LIMIT = 3\n\n\nclass Environment:"),
        ("class Environment:", "class Environment:\n    'It moves.'\n"),
    ],
)
def test_a_whole_program_that_begins_anew_is_taken_as_it_is(prefix: str, old: str, new: str) -> None:
    whole = CODE.replace(old, new, 1) if old else new + CODE
    assert program(f"I start over.\n```python\n{whole}```", prefix) == whole
    assert not continues(whole, prefix)


def test_a_whole_program_without_its_imports_gets_those_of_the_prefix_that_it_uses() -> None:
    body = CODE.replace("import numpy as np\n", "").replace("= 0", "= np.zeros(1)").lstrip("\n")
    prefix = "import math\nimport numpy as np\nclass Environment:\n    A = 1\n"
    assert program(f"```python\n{body}```", prefix) == "import numpy as np\n" + body


def test_what_is_not_whole_and_cannot_follow_is_a_failure() -> None:
    half = CODE[: CODE.index("    def step")]
    found, failure = extract(f"```python\n{half}```", "import math\n\nclass Environment:\n    def __init__(self):\n")
    assert failure is not None
    assert failure.kind == "syntax_error"
    assert "does not start with the given lines" in failure.message
    assert found is not None
    assert failure.code == found.source.split("\n")[(failure.line or 0) - 1]


def test_an_answer_without_code_stays_so_with_a_prefix() -> None:
    _, failure = extract("I'd rather not.", PREFIX)
    assert failure is not None
    assert failure.kind == "no_code"


DEEP = {
    "unary": "-" * 50_000 + "1",
    "sum": "1" + "+1" * 25_000,
    "attributes": "a" + ".b" * 25_000,
    "calls": "a" + "()" * 25_000,
    "brackets": "[" * 50_000,
    "lambdas": "lambda:" * 8_000 + "1",
    "conditions": "1 if 1 else " * 5_000 + "1",
    "a sum at the top": "0\nx = 1" + "+1" * 25_000,
    "digits": "9" * 50_000,
    "null byte": "'\0'",
    "form feed": "\f1",
}


@pytest.mark.parametrize("expression", DEEP.values(), ids=DEEP)
def test_what_the_parser_cannot_take_is_a_failure(expression: str) -> None:
    text = f"```python\nclass Environment:\n    x = {expression}\n```"
    results = [extract(text)]
    thread = threading.Thread(target=lambda: results.append(extract(text)))
    thread.start()
    thread.join()
    for _, failure in results:
        assert failure is None or failure.kind == "syntax_error"
    assert len(results) == 2


def test_no_warnings_are_emitted() -> None:
    code = CODE.replace("A counter.", r"A \d counter.").replace("> 9", "is 9")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert program(f"```python\n{code}```") == code


pieces = st.sampled_from(
    [
        *(
            "```",
            "```python\n",
            "~~~",
            "````",
            "\n",
            "    ",
            "<think>",
            "</think>",
            "[PYTHON]",
            "> ",
            '"""',
            "'",
            "(",
            "\\",
        ),
        *("class Environment:", "class Environment:\n    pass\n", "def step(self):\n", "import x\n", "x = 1\n", CODE),
        *("\0", "\ud800", "\ufeff", "\r\n", "\r", "\f", "\u2028", "é", "don't"),
    ]
)
texts = st.lists(pieces | st.text(max_size=20), max_size=15).map("".join)


@settings(max_examples=150, deadline=None)
@given(text=texts, prefix=st.sampled_from(["", PREFIX, "import x\n", "\0", "  (\n"]) | texts)
def test_any_text_gives_a_program_or_a_failure(text: str, prefix: str) -> None:
    found, failure = extract(text, prefix)
    if failure is None:
        assert found is not None
        names = [n.name for n in ast.parse(found.source).body if isinstance(n, ast.ClassDef)]
        assert "Environment" in names
    else:
        assert failure.kind in ("no_code", "syntax_error", "too_large")
        assert (found is not None) == (failure.kind == "syntax_error")
    if found is not None:
        found.source.encode()  # it can be written to a file
        assert extract(text, prefix) == (found, failure)


@settings(max_examples=50, deadline=None)
@given(before=st.text("abc ,.'(\n", max_size=80), after=st.text("abc ,.'(\n", max_size=80))
def test_prose_around_a_fence_changes_nothing(before: str, after: str) -> None:
    assert program(f"{before}\n{FENCED}\n{after}") == CODE


@pytest.mark.parametrize(
    "text", ["```\nclass Environment: (\n" * 5_000, "class Environment:\n pass\n" * 20_000, "`" * 10**6]
)
def test_large_and_hostile_texts_end(text: str) -> None:
    extract(text)
    extract(text, PREFIX)
