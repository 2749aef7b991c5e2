"""Providers at an address, over HTTP: a class of options and a client are one. The options beyond those of `RemoteConfig` are
part of a call's key; retries, deadlines, limits and prices are `agents.models.endpoint`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agents.models.access import authenticates
from agents.models.base import Model
from agents.models.client import Client
from agents.models.config import RemoteConfig, base_url_for, is_local, read_config, shown_address
from agents.models.endpoint import EndpointModel
from agents.models.errors.refusals import shared_refusals
from agents.models.limits import concurrency_of, shared_limit
from agents.models.secrets import Secret


class RemoteClient(Client, Protocol):
    """A client that may hold secrets."""

    @property
    def hidden(self) -> Sequence[Secret]:
        """Secrets that no message may show: the key, and those of headers and query."""


class MakeClient(Protocol):
    """A client's class, or a function that chooses one by the options."""

    def __call__(self, config: Any, base_url: str, key_variable: str, needs_key: bool, /) -> RemoteClient: ...


@dataclass(frozen=True, slots=True)
class RemoteProvider:
    """A provider's options and its client; called with a model's name and config, it makes the model."""

    Options: type[RemoteConfig]
    client: MakeClient

    def __call__(self, name: str, config: Mapping[str, Any]) -> Model:
        """The model of that name. Connects to nothing; raises `BadInput` for a bad config."""
        checked = read_config(self.Options, name, config)
        base_url = base_url_for(checked, name)
        shown = shown_address(checked, base_url)
        local = is_local(base_url)
        # A local server gets no key that was meant for someone else, unless the config says so.
        variable = checked.api_key_env or ("" if local or authenticates(checked) else checked.vendor.key_variable)
        client = self.client(checked, base_url, variable, bool(variable))
        key = "+".join(secret.fingerprint() for secret in client.hidden)
        limit = shared_limit(shown, key, *concurrency_of(checked, local))
        refusals = shared_refusals(shown, checked.model)
        return EndpointModel(name, checked, client, limit, base_url=base_url, shown=shown, refusals=refusals)
