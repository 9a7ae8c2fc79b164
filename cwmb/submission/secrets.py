"""What must not leave a machine: keys, headers, paths and hosts, looked for in every string of a bundle."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_SHAPES = {
    "an API key": (
        r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|\b(?:gsk|r8|hf|glpat|xai|nvapi|pplx|dop_v1)[_-][A-Za-z0-9_-]{16,}"
        r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bAIza[A-Za-z0-9_-]{30,}"
        r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bya29\.[A-Za-z0-9_-]{20,}"
        r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."
    ),
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "an Authorization header": r"(?i)\b(?:proxy-)?authorization[\"']?\s*[:=]|\bbearer\s+[A-Za-z0-9._~+/-]{16,}",
    "a key in a header or an address": r"(?i)\b(?:x-api-key|api[_-]?key|access[_-]?token|secret|password)"
    r"[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9._~+/-]{16,}",
    "an absolute path": (
        r"(?<![\w.:/~-])/(?:home|Users|root|tmp|var|etc|mnt|media|opt|srv|private|scratch|work|workspace|gpfs|lustre"
        r"|nfs|data|proc|run)/[\w.~-]+|\b[A-Za-z]:\\(?:Users|Windows|Documents)[^\s\"']*|\bfile://[^\s\"']+"
        r"|(?<![\w/])~/[\w.-]+"
    ),
    "a host": (
        r"\bhttps?://[^\s/\"'@]+:[^\s/\"'@]+@|\b(?:localhost|127\.0\.0\.1|0\.0\.0\.0):\d+"
        r"|\b(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}:\d+"
        r"|\bhttps?://(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]+\]|[\w-]+(?=[:/]|$)|[\w.-]+\.(?:local|internal|lan|corp|intra))"
        r"|\b[\w.-]+\.(?:internal|intranet|lan|corp)\b(?=[:/])"
    ),
}
SHAPES = {what: re.compile(shape) for what, shape in _SHAPES.items()}

_SECRET_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL")
_SHORTEST = 8  # characters of a value that is looked for literally


@dataclass(frozen=True)
class Finding:
    """Something that must not be in a bundle. line: from 1; shown: its beginning."""

    line: int
    what: str
    text: str

    @property
    def shown(self) -> str:
        """As much of it as tells which one it is."""
        return ascii(self.text if "path" in self.what or "host" in self.what else self.text[:6] + "…")


def this_machine(environment: Mapping[str, str] = os.environ) -> dict[str, re.Pattern[str]]:
    """What is secret or telling on this machine by its value: keys in variables, home, working folder, host."""
    endpoint = urlsplit(environment.get("OPENAI_BASE_URL", "")).hostname
    values = {
        "the value of a secret variable": [v for k, v in environment.items() if _SECRET_VARIABLE.search(k.upper())],
        "a path of this machine": [str(Path.home()), str(Path.cwd())],
        "a host": [platform.node(), endpoint or ""],
    }
    long = {what: [v for v in found if len(v) >= _SHORTEST and not v.isdigit()] for what, found in values.items()}
    return {what: re.compile("|".join(map(re.escape, found))) for what, found in long.items() if found}


def find(
    name: str, data: bytes, shapes: Mapping[str, re.Pattern[str]], allowed: Iterable[str] = ()
) -> Iterator[Finding]:
    """What is found in a file: in every string of a JSON line, in every line of other text."""
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), start=1):
        for text in _strings(json.loads(line)) if name.endswith(".jsonl") and line else (line,):
            for what, shape in shapes.items():
                for match in shape.finditer(text):
                    if match[0] not in allowed:
                        yield Finding(number, what, match[0])


def _strings(value: Any) -> Iterator[str]:
    return (item for _, item in walked(value) if isinstance(item, str))


def walked(value: Any) -> Iterator[tuple[int, Any]]:
    """Every value within a JSON value, keys included, with its depth from 0."""
    stack = [(0, value)]
    while stack:
        depth, item = stack.pop()
        yield depth, item
        if isinstance(item, dict):
            stack += [(depth + 1, part) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            stack += [(depth + 1, part) for part in item]
