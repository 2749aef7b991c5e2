"""The weights that `harness evaluate` plays with, told apart by what they are: each model gets a `revision`, which is part of the
run's identity, so that a second checkpoint of the same name gets a run of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from agents.models import make_model
from agents.models.config import VENDORS
from agents.models.endpoint import EndpointModel
from agents.models.local.adapters import adapter_of, revision_with
from agents.models.local.weights import content_revision, revision_of_weights
from harness.base.errors import BadInput
from harness.base.seeds import stable_hash
from harness.results.store import MANIFEST, read_manifest

DIGITS = 16
ADDRESS = "address-"
"""Begins the revision of a model at an address."""
WEIGHTS = ("llamacpp", "transformers", "vllm")
"""Providers that load weights on this machine."""


async def with_revisions(models: Mapping[str, Mapping[str, Any]], results: Path) -> dict[str, dict[str, Any]]:
    """Configs of models with the revision of each, where one can be told. `results`: where an address that does not answer, as
    when its server has been stopped, is looked up in the runs that are there. Raises `BadInput` for an adapter that is not
    there."""
    found = await asyncio.gather(*(_revision(name, config, results) for name, config in models.items()))
    return {
        name: {**config, **({} if revision is None else {"revision": revision})}
        for (name, config), revision in zip(models.items(), found, strict=True)
    }


async def _revision(name: str, config: Mapping[str, Any], results: Path) -> str | None:
    if config["provider"] in VENDORS:
        return await _at_address(name, config, results)
    if config["provider"] not in WEIGHTS:
        return None
    known = revision_of_weights(config["model"])
    return revision_with(content_revision(Path(config["model"]).expanduser()) or known, adapter_of(config, name))


async def _at_address(name: str, config: Mapping[str, Any], results: Path) -> str | None:
    """A hash of the address, and of what its server tells of the weights; None for a vendor's own address, where a name stands
    for one model."""
    model = make_model(name, config)
    try:
        if not isinstance(model, EndpointModel) or model.base_url == VENDORS[config["provider"]].address:
            return None
        told = await model.probe_weights()
    finally:
        await model.close()
    known = _last_known(config, results) if told is None else None
    return known or f"{ADDRESS}{stable_hash(model.base_url, told)[:DIGITS]}"


def _last_known(config: Mapping[str, Any], results: Path) -> str | None:
    """The revision that the newest run has of a model at the same address."""
    asked = [config.get(key) for key in ("provider", "model", "base_url")]
    found: list[tuple[str, str]] = []
    for path in results.glob(f"*/{MANIFEST}"):
        with suppress(BadInput, KeyError, TypeError, AttributeError):
            manifest = read_manifest(path.parent)
            for model in manifest["config"]["models"].values():
                revision = str(model.get("revision"))
                if (
                    revision.startswith(ADDRESS)
                    and [model.get(key) for key in ("provider", "model", "base_url")] == asked
                ):
                    found.append((manifest["created_at"], revision))
    return max(found)[1] if found else None
