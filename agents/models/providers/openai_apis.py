"""`provider: openai`: which of OpenAI's two APIs a model is asked by."""

from __future__ import annotations

from agents.models.config import OpenAIConfig
from agents.models.providers.openai_provider import OpenAIClient
from agents.models.providers.responses_provider import ResponsesClient
from agents.models.remote import RemoteProvider


def client_of(config: OpenAIConfig, base_url: str, key_variable: str, needs_key: bool) -> OpenAIClient:
    """The client of the API that the config names."""
    kind = OpenAIClient if config.api == "chat" else ResponsesClient
    return kind(config, base_url, key_variable, needs_key)


make = RemoteProvider(OpenAIConfig, client_of)
