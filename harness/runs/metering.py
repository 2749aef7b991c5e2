"""Counts what the models of a run have done, while it is done: calls, tokens, money, and what nobody can count."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from agents.models.attempts import counting_broken_off
from agents.models.base import ChatReply, ChatRequest, Model
from agents.models.replies.usage import checked
from harness.base.errors import EpisodeError, Usage
from harness.base.money import price_text
from harness.runs.watching import EndpointWatch


@dataclass(slots=True)
class Meter:
    calls: int = 0
    """Calls that were answered."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """Reasoning included."""
    reasoning_tokens: int = 0
    """Those of `completion_tokens` that endpoints say were reasoning."""
    usd: float = 0.0
    unpriced: int = 0
    """Calls whose price is not known."""
    untold: int = 0
    """Those of `unpriced` whose tokens are known."""
    uncounted: int = 0
    """Calls whose tokens the endpoint did not count."""
    broken_off: int = 0
    """Attempts at calls that were broken off: what they cost is not known."""
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
        self._add(Usage(reply.prompt_tokens, reply.completion_tokens, reply.reasoning_tokens, reply.usd))

    def count_unanswered(self, spent: Usage | None, broken_off: int) -> None:
        """Count what a call without an answer took, where its endpoint said it, and attempts that were broken off."""
        if spent is not None:
            self._add(spent)
        self.broken_off += broken_off

    def _add(self, used: Usage) -> None:
        self.prompt_tokens += used.prompt_tokens or 0
        self.completion_tokens += used.completion_tokens or 0
        self.reasoning_tokens += used.reasoning_tokens or 0
        self.usd += used.usd or 0.0
        uncounted = used.prompt_tokens is None or used.completion_tokens is None
        self.uncounted += uncounted
        self.unpriced += used.usd is None
        self.untold += used.usd is None and not uncounted

    def money_text(self) -> str:
        """The calls' cost so far, as far as prices are known."""
        return price_text(self.usd, "spent", self.unpriced + self.broken_off)

    def calls_per_second(self, window: float = 30.0) -> float:
        """Over the last `window` seconds."""
        now = time.monotonic()
        count = sum(stamp > now - window for stamp in self.recent)
        if count < 2:
            return 0.0
        oldest = next(stamp for stamp in self.recent if stamp > now - window)
        return count / max(now - oldest, 1e-3)


class MeteredModel:
    """A model whose calls are counted."""

    def __init__(self, model: Model, meter: Meter, watch: EndpointWatch | None = None) -> None:
        """`watch` hears of every call how it ended."""
        self._model, self._meter, self._watch = model, meter, watch
        self.name, self.provider, self.model = model.name, model.provider, model.model
        self.revision, self.base_url = model.revision, model.base_url

    async def complete(self, request: ChatRequest) -> ChatReply:
        spent: Usage | None = None
        with counting_broken_off() as broken_off:
            try:
                reply = checked(await self._model.complete(request))
                self._meter.count(reply)
                if self._watch is not None and not reply.cache_hit:
                    self._watch.succeeded(self.name)
                return reply
            except EpisodeError as problem:
                spent = problem.spent
                if self._watch is not None:
                    self._watch.failed(self.name, problem)
                raise
            finally:
                self._meter.count_unanswered(spent, broken_off.attempts)

    async def close(self) -> None:
        await self._model.close()
