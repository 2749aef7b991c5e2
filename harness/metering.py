"""Counts what the models of a run have done, while it is done: calls, tokens, money."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from agents.models.base import ChatReply, ChatRequest, Model


@dataclass(slots=True)
class Meter:
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0
    """Calls whose price is not known."""
    from_record: int = 0
    """Calls among `calls` that were answered from a record: their tokens and money were spent before."""
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=256))
    """Clock times of the last calls, for the rate."""

    def count(self, reply: ChatReply) -> None:
        self.calls += 1
        self.recent.append(time.monotonic())
        if reply.cache_hit:
            self.from_record += 1
            return
        self.prompt_tokens += reply.prompt_tokens or 0
        self.completion_tokens += reply.completion_tokens or 0
        if reply.usd is None:
            self.unpriced += 1
        else:
            self.usd += reply.usd

    def calls_per_second(self, window: float = 30.0) -> float:
        """Over the last `window` seconds."""
        now = time.monotonic()
        count = sum(stamp > now - window for stamp in self.recent)
        if count < 2:
            return 0.0
        oldest = next(stamp for stamp in self.recent if stamp > now - window)
        return count / max(now - oldest, 1e-3)


class MeteredModel:
    """A model whose replies are counted."""

    def __init__(self, model: Model, meter: Meter) -> None:
        self._model, self._meter = model, meter
        self.name, self.provider, self.model = model.name, model.provider, model.model
        self.revision, self.base_url = model.revision, model.base_url

    async def complete(self, request: ChatRequest) -> ChatReply:
        reply = await self._model.complete(request)
        self._meter.count(reply)
        return reply

    async def check(self) -> None:
        await self._model.check()

    async def close(self) -> None:
        await self._model.close()
