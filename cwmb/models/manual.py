"""``manual:FOLDER`` or ``manual:FOLDER?name=NAME``: a person answers, or a chat window that has no API.

Each prompt is written to a numbered file (``0001.prompt.md``); the answer is whatever is then saved beside it
(``0001.answer.md``). Several cells may wait at once. A run that is started again finds its earlier prompts, and their
answers, by the hash in their first line. Records say who answered: NAME, else what the folder is called; never where it
is. Tokens that nobody counted are estimated.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

from cwmb.errors import CwmbError, InfrastructureError
from cwmb.models.openai.usage import estimated_usage
from cwmb.models.pausing import pause
from cwmb.models.requests import request_hash
from cwmb.text import sound
from cwmb.types import Reply, Request

_NUMBERED = re.compile(r"(\d+)\.prompt\.md")
_FIRST_LINE = re.compile(r"<!-- request ([0-9a-f]{64})")


class Manual:
    """See the module. poll: seconds between two looks for an answer; sleep: how to wait (cwmb.models.pausing)."""

    def __init__(self, asked: str, *, poll: float = 1.0, sleep: Callable[[float, str], None] = pause) -> None:
        folder, _, query = asked.partition("?")
        options = parse_qs(query, keep_blank_values=True)
        if not folder:
            raise CwmbError("manual: which folder? Name one after a colon, such as manual:prompts")
        if query and not (options.keys() == {"name"} and options["name"][0].strip()):
            raise CwmbError(f"manual: {query!r} is no name: say who answers like this, manual:{folder}?name=NAME")
        self._folder = Path(folder).expanduser()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CwmbError(f"manual: cannot create the folder {folder}: {error.strerror}") from None
        self._who = sound(" ".join(options["name"][0].split())) if query else ""
        self.name = f"manual:{self._who or self._folder.resolve().name}"
        self._poll, self._sleep = poll, sleep
        self._lock = threading.Lock()

    def complete(self, request: Request) -> Reply:
        """Write the prompt and wait for the answer. See cwmb.types.Provider."""
        try:
            with self._lock:
                prompt = self._find(request_hash(request)) or self._write(request)
            text = self._await(prompt.with_name(prompt.name.replace(".prompt.", ".answer.")))
        except OSError as error:
            name = Path(error.filename or "").name
            raise InfrastructureError(f"{self.name}: {name}: {error.strerror}") from None
        return Reply(text, estimated_usage(request, text), model=self._who or "manual")

    def _find(self, key: str) -> Path | None:
        """The prompt file of a request that was asked before."""
        for path in self._prompts().values():
            with path.open(encoding="utf-8") as file:
                found = _FIRST_LINE.match(file.readline())
            if found and found[1] == key:
                return path
        return None

    def _write(self, request: Request) -> Path:
        number = max(self._prompts(), default=0) + 1
        path = self._folder / f"{number:04}.prompt.md"
        note = f"<!-- request {request_hash(request)}: save the answer as {number:04}.answer.md -->"
        parts = [note]
        for message in request.messages:
            if len(request.messages) > 1:
                parts.append(f"<!-- {message.role} -->")
            parts.append(message.content.strip())
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8", errors="replace")
        temporary.replace(path)
        return path

    def _prompts(self) -> dict[int, Path]:
        numbered = ((_NUMBERED.fullmatch(path.name), path) for path in self._folder.iterdir())
        return {int(found[1]): path for found, path in numbered if found}

    def _await(self, answer: Path) -> str:
        """The text of an answer file, once there is something in it that stays the same from one look to the next."""
        seen = b""
        while True:
            content = answer.read_bytes() if answer.exists() else b""
            if content.strip() and content == seen:
                return content.decode("utf-8", "replace")
            seen = content
            self._sleep(self._poll, f"waiting for {self._folder.resolve().name}/{answer.name}")
