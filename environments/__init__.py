"""The worlds agents act in. `base` is the contract; each folder is one environment; this is their table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from environments.base import Environment
from harness.base.registry import Registry

REGISTRY = Registry(
    "environment",
    "strategist_harness.environments",
    {
        "alfworld": "environments.alfworld.env:make",
        "sotopia": "environments.sotopia.env:make",
        "webshop": "environments.webshop.env:make",
    },
)
"""Each target is a function `make(options: Mapping) -> Environment` that checks its own options (pydantic,
unknown keys refused)."""


def make(name: str, options: Mapping[str, Any] | None = None) -> Environment:
    """The environment of that name. Raises `BadInput` for an unknown name or option."""
    return REGISTRY.load(name)(dict(options or {}))
