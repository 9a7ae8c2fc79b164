"""All questions of a run at once, at half the price, within a day: OpenAI's Batch API.

For strategies whose questions don't depend on answers (a class attribute ``independent = True`` says so). Everything is
kept in a folder of the run, so that the same command goes on with the batches that were submitted: what each of them
asked (``batches.jsonl``) and what came back (``ID.jsonl``). What a batch did not answer is asked as usual.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import openai

from cwmb.benchmark.tasks import task
from cwmb.errors import BudgetExhausted, CwmbError, InfrastructureError
from cwmb.harness.files import append, make_folder, write_whole
from cwmb.harness.records import Cell
from cwmb.harness.setup import Assignment
from cwmb.journal import whole_lines
from cwmb.models.openai.client import OpenAI
from cwmb.models.requests import request_hash
from cwmb.seeds import Purpose, number
from cwmb.types import Completion, Evaluation, Failure, Program, Prompt, Reply, Request, Usage

POLL = 30.0  # seconds between two looks
OVER = ("completed", "failed", "expired", "cancelled")


def questions(assignment: Assignment, cell: Cell) -> Iterator[Request]:
    """What a cell's search will ask, found out by a search whose answers hold nothing.

    Raises:
        CwmbError: the strategy's questions depend on answers.
    """
    strategy = assignment.strategy.make()
    if not getattr(strategy, "independent", False):
        raise CwmbError(f"--batch: the questions of {assignment.strategy.name} depend on answers; leave it out")
    spec = assignment.worlds.environment(cell.environment)
    asked = _Silent(assignment.budget.calls)
    with suppress(BudgetExhausted):
        strategy.search(task(spec, assignment.descriptions), asked, _nothing, np.random.default_rng(0))
    for index, prompt in enumerate(asked.prompts):
        seed = number(cell.seed, cell.environment, Purpose.REQUEST, index)
        yield Request(prompt.messages, assignment.protocol.sampling, seed)


class _Silent:
    """A language model that notes what it is asked and says nothing."""

    def __init__(self, budget: int) -> None:
        self.prompts: list[Prompt] = []
        self._budget = budget

    def complete(self, prompt: Prompt) -> Completion:
        if len(self.prompts) == self._budget:
            raise BudgetExhausted
        self.prompts.append(prompt)
        return Completion(len(self.prompts) - 1, "", None, Failure("no_code", ""), Usage(), "stop")


def _nothing(program: Program) -> Evaluation:
    raise CwmbError("--batch: this strategy evaluates programs that no answer holds")


class Batch:
    """A provider whose answers were asked for beforehand. wait: waits so many seconds, says why, and may end it all."""

    def __init__(self, provider: OpenAI, folder: Path, wait: Callable[[float, str], None]) -> None:
        self.name = provider.name
        self._provider, self._folder, self._wait = provider, folder, wait
        self._answers: dict[str, Any] = {}

    def prepare(self, requests: Mapping[str, Request]) -> None:
        """Wait for all batches, after submitting one of the requests (by their hashes) that were never in any.

        Raises:
            InfrastructureError: the endpoint takes no batches, or cannot be reached.
        """
        make_folder(self._folder)
        journal = self._folder / "batches.jsonl"
        try:
            submitted = [json.loads(line) for line in whole_lines(journal, repair=True)]
            known = {key for batch in submitted for key in batch["keys"]}
            missing = [key for key in requests if key not in known]
            if missing:
                batch = {"id": self._submit({key: requests[key] for key in missing}), "keys": missing}
                append(journal, json.dumps(batch).encode() + b"\n")
                submitted.append(batch)
            for batch in submitted:
                self._fetch(batch["id"])
        except openai.APIError as error:
            raise InfrastructureError(
                f"{self.name}: no batch can be had: {self._provider.one_line(str(error))}"
            ) from None

    def complete(self, request: Request) -> Reply:
        """The answer of a batch, at half the price; asked as usual where there is none."""
        data = self._answers.get(request_hash(request))
        reply = self._provider.of_batch(data, request) if data is not None else None
        return reply or self._provider.complete(request)

    def _submit(self, requests: Mapping[str, Request]) -> str:
        """The id of a batch of these requests: the one that was submitted before a crash, else a new one."""
        client, digest = self._provider.client, hashlib.sha256("".join(requests).encode()).hexdigest()[:32]
        with suppress(openai.APIStatusError):  # not everybody lists them
            for known in client.batches.list(limit=100).data:
                if (known.metadata or {}).get("cwmb") == digest and known.status not in ("failed", "cancelled"):
                    return known.id
        lines = [
            json.dumps({"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body})
            for key, body in ((key, self._provider.body(request)) for key, request in requests.items())
        ]
        content = io.BytesIO("\n".join([*lines, ""]).encode())
        file = client.files.create(file=("cwmb.jsonl", content), purpose="batch")
        made = client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"cwmb": digest},
        )
        return made.id

    def _fetch(self, identity: str) -> None:
        """Wait for a batch and keep what came back."""
        file = self._folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.jsonl"
        if not file.exists():
            client = self._provider.client
            while (batch := client.batches.retrieve(identity)).status not in OVER:
                done = batch.request_counts
                said = f", {done.completed} of {done.total} answers" if done else ""
                self._wait(POLL, f"waiting for batch {identity}{said}")
            content = client.files.content(batch.output_file_id).text if batch.output_file_id else ""
            write_whole(file, content)
        for line in file.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, KeyError, TypeError):  # what is no answer is asked as usual
                entry = json.loads(line)
                if entry["response"]["status_code"] == 200:
                    self._answers[entry["custom_id"]] = entry["response"]["body"]
