"""What the tests of the model layer share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from agents.models import make_model
from agents.models.base import CallIdentity, ChatReply, ChatRequest, Message, Model
from agents.models.endpoint import EndpointModel
from agents.models.local.openmp import wait_passively

T = TypeVar("T")
M = TypeVar("M", bound=Model)

wait_passively()  # before any test imports torch


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or address of this machine's environment reaches a test."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def ask(text: str = "hello", **more: Any) -> ChatRequest:
    """A request with one user message."""
    return ChatRequest(messages=(Message("user", text),), **more)


def prompt_ids(tokenizer: Any, question: str) -> list[int]:
    """The tokens that transformers makes of a chat with one user message."""
    chat = [{"role": "user", "content": question}]
    ids: list[int] = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
    return ids


def whose(episode: str = "e1", ordinal: int = 0, **more: Any) -> CallIdentity:
    return CallIdentity(episode=episode, ordinal=ordinal, **more)


def endpoint_model(name: str, config: dict[str, Any]) -> EndpointModel:
    """A model that can also be started and tried out."""
    model = make_model(name, config)
    assert isinstance(model, EndpointModel)
    return model


def with_model(config: dict[str, Any], use: Callable[[EndpointModel], Awaitable[T]], name: str = "m") -> T:
    """Run `use(model)` in a fresh event loop with a model that is closed afterwards."""
    return asyncio.run(_closed_after(lambda: endpoint_model(name, config), use))


async def _closed_after(make: Callable[[], M], use: Callable[[M], Awaitable[T]]) -> T:
    model = make()
    try:
        return await use(model)
    finally:
        await model.close()


def complete(config: dict[str, Any], *requests: ChatRequest) -> list[ChatReply]:
    """The replies to requests sent one after the other, by a model of any provider."""

    async def use(model: Model) -> list[ChatReply]:
        return [await model.complete(request) for request in requests]

    return asyncio.run(_closed_after(lambda: make_model("m", config), use))
