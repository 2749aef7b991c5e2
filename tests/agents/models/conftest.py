"""What the tests of the model layer share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agents.models import limits, make_model, refusals, room
from agents.models.base import CallIdentity, ChatReply, ChatRequest, Message, Model
from agents.models.openmp import wait_passively

wait_passively()  # before any test imports torch


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits and refusals are per process; ports are used again, so tests must not inherit them."""
    monkeypatch.setattr(limits, "_LIMITS", {})
    monkeypatch.setattr(refusals, "_REFUSALS", {})
    monkeypatch.setattr(room, "_ROOMS", {})
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def ask(text: str = "hello", **more: Any) -> ChatRequest:
    """A request with one user message."""
    return ChatRequest(messages=(Message("user", text),), **more)


def whose(episode: str = "e1", ordinal: int = 0, **more: Any) -> CallIdentity:
    return CallIdentity(episode=episode, ordinal=ordinal, **more)


def with_model(config: dict[str, Any], use: Callable[[Model], Any], name: str = "m") -> Any:
    """Run `use(model)` in a fresh event loop with a model that is closed afterwards."""

    async def run() -> Any:
        model = make_model(name, config)
        try:
            return await use(model)
        finally:
            await model.close()

    return asyncio.run(run())


def complete(config: dict[str, Any], *requests: ChatRequest) -> list[ChatReply]:
    """The replies to requests sent one after the other."""

    async def use(model: Model) -> list[ChatReply]:
        return [await model.complete(request) for request in requests]

    replies: list[ChatReply] = with_model(config, use)
    return replies
