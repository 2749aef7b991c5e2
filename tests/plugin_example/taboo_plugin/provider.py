"""A provider without an endpoint: answers from a list in the config, by role and ordinal of the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from agents.models.base import ChatReply, ChatRequest
from agents.models.config import ModelConfig, read_config
from harness.base.errors import EpisodeError


class CannedConfig(ModelConfig):
    """What a user writes under `models:`. Unknown keys are refused."""

    provider: Literal["canned"] = "canned"
    model: str = "canned"
    answers: dict[str, list[str]]
    """Role (actor, strategist, judge) -> its answers, repeated when they run out."""


class CannedModel:
    provider = "canned"
    base_url: str | None = None

    def __init__(self, name: str, config: CannedConfig) -> None:
        self.name = name
        self.model = config.model
        self.revision = config.revision
        self._answers = config.answers

    async def complete(self, request: ChatRequest) -> ChatReply:
        answers = self._answers.get(request.identity.role)
        if not answers:
            raise EpisodeError("model", f"model {self.name!r} has no answers for the role {request.identity.role!r}")
        text = answers[request.identity.ordinal % len(answers)]
        prompt = sum(len(message.content.split()) for message in request.messages)
        return ChatReply(text, self.model, "stop", prompt_tokens=prompt, completion_tokens=len(text.split()), usd=0.0)

    async def close(self) -> None:
        """Nothing to close."""


def make(name: str, config: Mapping[str, Any]) -> CannedModel:
    """What the entry point names. Connects to nothing yet."""
    return CannedModel(name, read_config(CannedConfig, name, config))
