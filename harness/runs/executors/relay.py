"""Models that only the run's own process can ask, because they lie in its memory: other processes send their calls there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from agents.models.base import CallIdentity, ChatReply, ChatRequest, Message, Model
from agents.models.cache import reply_from
from agents.models.config import ReasoningTags
from harness.base.deadlines import allow

ALLOWED_S = 30.0
"""How often default limits are put off while the run's process works on a call."""
Json = dict[str, Any]
Ask = Callable[[str, Json], Awaitable[Json]]
"""(model's name, `request_json`) -> `reply_json`."""


def request_json(request: ChatRequest) -> Json:
    """The whole request as plain JSON."""
    return asdict(request)


def request_from(plain: Json) -> ChatRequest:
    """What `request_json` wrote."""
    messages = tuple(Message(**message) for message in plain["messages"])
    whole = {"messages": messages, "stop": tuple(plain["stop"]), "identity": CallIdentity(**plain["identity"])}
    return ChatRequest(**{**plain, **whole})


def described_model(model: Model) -> Json:
    """What records and the record of replies say of a model: all that a `RelayedModel` is made from."""
    options = getattr(model, "options", {})
    names = ("name", "provider", "model", "revision", "base_url")
    tags = getattr(model, "reasoning", False)
    reasoning = tags.model_dump() if isinstance(tags, ReasoningTags) else tags
    return {name: getattr(model, name) for name in names} | {"options": dict(options), "reasoning": reasoning}


class RelayedModel:
    """Stands in another process for a model of the run's."""

    def __init__(self, described: Json, ask: Ask) -> None:
        self.name: str = described["name"]
        self.provider: str = described["provider"]
        self.model: str = described["model"]
        self.revision: str | None = described["revision"]
        self.base_url: str | None = described["base_url"]
        self.options: Json = described["options"]
        tags = described["reasoning"]
        self.reasoning = ReasoningTags(**tags) if isinstance(tags, dict) else tags
        self._ask = ask

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `Model.complete`. The run's process, which has the model, keeps the call's deadline: until it answers, no
        default limit here cuts the call."""
        asking = asyncio.ensure_future(self._ask(self.name, request_json(request)))
        try:
            while not asking.done():
                allow(2 * ALLOWED_S)
                await asyncio.wait({asking}, timeout=ALLOWED_S)
            return reply_from(asking.result(), cache_hit=False)
        finally:
            asking.cancel()

    async def close(self) -> None:
        """It is the run's."""
