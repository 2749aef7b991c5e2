"""By which engine, of which version and in which precision a model's weights are served: what two strategists have to
have in common before the difference between them is the difference of their weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.models.config import VllmConfig, read_config
from agents.models.local.gguf import PACKAGED
from harness.base.errors import BadInput

PACKAGES = {"transformers": ("transformers", "torch"), "llamacpp": ("xllamacpp",)}


def served_by(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """`engine`, `version` and `dtype` of a model's config; None for endpoints, whose insides nobody here knows. Starts
    and loads nothing."""
    provider = config.get("provider")
    if provider == "llamacpp":
        return {"engine": provider, "version": _versions(provider), "dtype": "as in the GGUF file"}
    if provider not in ("transformers", "vllm"):
        return None
    asked = (config.get("args") or {}).get("dtype", "auto")
    dtype = asked if asked != "auto" else stored_dtype(str(config.get("model", "")))
    return {
        "engine": provider,
        "version": _versions(provider) if provider != "vllm" else _vllm_version(config),
        "dtype": dtype,
    }


def stored_dtype(model: str) -> str:
    """The precision that `auto` means for a folder of weights: the one they are stored in."""
    if model in PACKAGED:
        return "bfloat16"
    try:
        stored = json.loads((Path(model).expanduser() / "config.json").read_text())
    except (OSError, ValueError):
        return "auto"
    return str(stored.get("dtype") or stored.get("torch_dtype") or "auto")


def _versions(provider: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # takes a while to import

    found = []
    for package in PACKAGES[provider]:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            return None
    return ", ".join(found)


def _vllm_version(config: Mapping[str, Any]) -> str | None:
    from agents.models.providers.vllm_provider import version_of, vllm_python

    try:
        return version_of(vllm_python(read_config(VllmConfig, "m", config), "m"))
    except BadInput:  # not installed here: replayed, or only planned
        return None
