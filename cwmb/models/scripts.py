"""Finding a script in a language model's answer: any program will do, of several blocks the longest that is valid."""

from __future__ import annotations

import re
from textwrap import dedent

from cwmb.models.extraction import continues, parse
from cwmb.models.openai import thoughts
from cwmb.types import Failure, Program

_BLOCK = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*[\w+-]*[ \t]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)


def extract_script(text: str, prefix: str = "") -> tuple[Program | None, Failure | None]:
    """The script in an answer, as ``extract`` finds a world model; one that lacks the lines of prefix gets them."""
    text, prefix = (s.encode("utf-8", "replace").decode().replace("\r\n", "\n") for s in (text, prefix))
    visible = thoughts.split(text)[1]
    fenced = [dedent(body).strip("\n").rstrip() for _, body in _BLOCK.findall(visible)]
    bodies = fenced or [visible.strip()]
    sources = [b if continues(b, prefix) else f"{prefix.rstrip()}\n{b}" for b in bodies if b]
    broken, failure = None, Failure("no_code", "the answer contains no program")
    for source in sorted(sources, key=len, reverse=True):
        found = parse(source + "\n")
        if not isinstance(found, Failure):
            return Program(source + "\n"), None
        if broken is None and fenced:
            broken, failure = (Program(source + "\n") if found.kind == "syntax_error" else None), found
    return broken, failure
