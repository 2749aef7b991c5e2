"""`provider: openai`: which of OpenAI's two APIs a model is asked by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models.access import authenticates
from agents.models.base import Model
from agents.models.config import OpenAIConfig, base_url_for, is_local, read_config, shown_address
from agents.models.endpoint import EndpointModel
from agents.models.errors.refusals import shared_refusals
from agents.models.limits import concurrency_of, shared_limit
from agents.models.providers.openai_provider import KEY_VARIABLE, OpenAIClient
from agents.models.providers.responses_provider import ResponsesClient


def make(name: str, config: Mapping[str, Any]) -> Model:
    """The model of that name. Connects to nothing; raises `BadInput` for a bad config."""
    checked = read_config(OpenAIConfig, name, config)
    base_url = base_url_for(checked, name)
    shown = shown_address(checked, base_url)
    local = is_local(base_url)
    # A local server gets no key that was meant for someone else, unless the config says so.
    variable = checked.api_key_env or ("" if local or authenticates(checked) else KEY_VARIABLE)
    client = _client_of(checked)(checked, base_url, variable, needs_key=bool(variable))
    key = "+".join(secret.fingerprint() for secret in client.hidden)
    limit = shared_limit(shown, key, *concurrency_of(checked, local))
    model = EndpointModel(
        name, checked, client, limit, base_url=base_url, shown=shown, refusals=shared_refusals(shown, checked.model)
    )
    if checked.api != "chat":
        model.options = {**model.options, "api": checked.api}
    return model


def _client_of(config: OpenAIConfig) -> type[OpenAIClient]:
    if config.api == "chat":
        return OpenAIClient
    return ResponsesClient
