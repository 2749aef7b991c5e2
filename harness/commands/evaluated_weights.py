"""The weights that `harness evaluate` plays with, told apart by what they are: each model gets a `revision`, which is part of the
run's identity, so that a second checkpoint of the same name gets a run of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.models import make_model
from agents.models.config import VENDORS
from agents.models.endpoint import EndpointModel
from agents.models.local.adapters import adapter_of, revision_with
from agents.models.local.weights import content_revision, revision_of_weights
from harness.base.seeds import stable_hash

DIGITS = 16
WEIGHTS = ("llamacpp", "transformers", "vllm")
"""Providers that load weights on this machine."""


async def with_revisions(models: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Configs of models with the revision of each, where one can be told. Raises `BadInput` for an adapter that is not there."""
    found = await asyncio.gather(*(_revision(name, config) for name, config in models.items()))
    return {
        name: {**config, **({} if revision is None else {"revision": revision})}
        for (name, config), revision in zip(models.items(), found, strict=True)
    }


async def _revision(name: str, config: Mapping[str, Any]) -> str | None:
    if config["provider"] in VENDORS:
        return await _at_address(name, config)
    if config["provider"] not in WEIGHTS:
        return None
    known = revision_of_weights(config["model"])
    return revision_with(content_revision(Path(config["model"]).expanduser()) or known, adapter_of(config, name))


async def _at_address(name: str, config: Mapping[str, Any]) -> str | None:
    """A hash of the address, and of what its server tells of the weights; None for a vendor's own address, where a name stands
    for one model."""
    model = make_model(name, config)
    try:
        if not isinstance(model, EndpointModel) or model.base_url == VENDORS[config["provider"]].address:
            return None
        told = await model.probe_weights()
    finally:
        await model.close()
    return f"address-{stable_hash(model.base_url, told)[:DIGITS]}"
