"""Inspect's model as a provider of ours: strategies are plain code in a thread, Inspect is asynchronous."""

from __future__ import annotations

from typing import Any

import anyio
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    Model,
    get_model,
)

from cwmb.models.openai.refusals import REFUSED
from cwmb.types import Reply, Request, Usage

_MESSAGES = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
_ENDS = {"max_tokens": "length", "model_length": "length", "content_filter": REFUSED}


class Asking:
    """A cwmb.types.Provider that asks the model that Inspect evaluates. Use it in a thread that anyio started."""

    def __init__(self) -> None:
        self._model: Model = get_model()
        self.name = f"inspect:{self._model.api.model_name}"

    def complete(self, request: Request) -> Reply:
        """Ask once. Inspect logs the call, counts its tokens and tries again where that helps."""
        reply: Reply = anyio.from_thread.run(self._ask, request)
        return reply

    async def _ask(self, request: Request) -> Reply:
        sampling = request.sampling
        config = GenerateConfig(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=sampling.max_new_tokens,
            seed=request.seed,
        )
        messages = [_MESSAGES[message.role](content=message.content) for message in request.messages]
        output = await self._model.generate(messages, config=config)
        end = _ENDS.get(output.stop_reason, "stop")
        return Reply(output.completion, _usage(output.usage), end, model=output.model or "")


def _usage(counted: Any) -> Usage:
    if counted is None:
        return Usage(calls=1, dollars=None, estimated_calls=1)
    return Usage(
        calls=1,
        prompt_tokens=counted.input_tokens + (counted.input_tokens_cache_read or 0),
        cached_tokens=counted.input_tokens_cache_read or 0,
        completion_tokens=counted.output_tokens,
        reasoning_tokens=counted.reasoning_tokens or 0,
        dollars=None,
    )
