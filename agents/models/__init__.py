"""The models agents speak through. `base` is the contract; each provider is one file; this is their table.

Importing this package imports no provider and no client library: they load on first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.base.errors import BadInput
from harness.base.registry import Registry

if TYPE_CHECKING:
    from agents.models.base import Model

REGISTRY = Registry(
    "provider",
    "strategist_harness.providers",
    {
        "anthropic": "agents.models.providers.anthropic_provider:make",
        "llamacpp": "agents.models.providers.llamacpp:make",
        "openai": "agents.models.providers.openai_apis:make",
        "scripted": "agents.models.providers.scripted:ScriptedModel",
        "transformers": "agents.models.providers.transformers_provider:make",
        "vllm": "agents.models.providers.vllm_provider:make",
    },
)
"""Each target makes a model of a name and a config: a class on the base `agents.models.provider.Provider`, a function under
`provider_of` of the same module, or an `agents.models.remote.RemoteProvider`. All have `Options`; a plain function
`make(name: str, config: Mapping) -> Model` will do, too, but nobody can describe what it takes. Making a model connects to
nothing and needs no key."""


def check_effort(model: Model, effort: str | None) -> None:
    """Raise `BadInput` where a role's `reasoning_effort` has no meaning for its model. A provider of one's own that has no
    method `check_effort` takes every word."""
    check = getattr(model, "check_effort", None)
    if check is not None:
        check(effort)


def make_model(name: str, config: Mapping[str, Any]) -> Model:
    """The model called `name` in the experiment, from its part of the config; `provider` says which kind.

    Raises `BadInput` for a missing or unknown provider and for a bad key or value.
    """
    provider = config.get("provider")
    if not isinstance(provider, str):
        raise BadInput(f"model {name!r} has no provider; set `provider:` to one of {', '.join(REGISTRY.names())}.")
    model: Model = REGISTRY.load(provider)(name, dict(config))
    return model
