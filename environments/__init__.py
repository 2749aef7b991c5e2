"""Environments of the strategist harness: the worlds agents act in. `base` is the contract; each folder is one environment;
this is their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from environments.base import Environment, Task
from harness.base.errors import BadInput, nearest
from harness.base.part_files import shown_name
from harness.base.registry import Registry

REGISTRY = Registry(
    "environment",
    "strategist_harness.environments",
    {
        "alfworld": "environments.alfworld.env:AlfworldEnvironment",
        "sotopia": "environments.sotopia.env:SotopiaEnvironment",
        "webshop": "environments.webshop.env:WebShopEnvironment",
    },
)
"""Each target is a class on the base `environments.base.Environment`, or a function `make(options: Mapping) -> Environment`."""


def make(name: str, options: Mapping[str, Any] | None = None) -> Environment:
    """The environment of that name. Raises `BadInput` for an unknown name or option."""
    part = REGISTRY.load(name)
    if isinstance(part, type) and issubclass(part, Environment):
        part.name = part.name or shown_name(name)
    environment: Environment = part(dict(options or {}))
    return environment


def tasks_of(environment: Environment, split: str) -> Sequence[Task]:
    """All tasks of a split in their stable order. Raises `BadInput` for an unknown split or missing data."""
    known = environment.splits()
    if split not in known:
        raise BadInput(f"{environment.name} has no split {split!r}; known: {', '.join(known)}.{nearest(split, known)}")
    return environment.tasks(split)
