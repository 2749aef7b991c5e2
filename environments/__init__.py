"""Environments of the strategist harness: the worlds agents act in. `base` is the contract; each folder is one environment;
this is their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.base.errors import BadInput, nearest
from harness.base.part_files import shown_name
from harness.base.registry import Registry

if TYPE_CHECKING:
    from pydantic import BaseModel

    from environments.base import Environment, Task

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
OPTIONS: Mapping[str, str] = {
    "alfworld": "environments.alfworld.options:AlfworldOptions",
    "sotopia": "environments.sotopia.options:SotopiaOptions",
    "webshop": "environments.webshop.options:WebShopOptions",
}
"""The options of the built-in ones, in modules that import nothing else of them: whoever compares runs needs only these."""


def make(name: str, options: Mapping[str, Any] | None = None) -> Environment:
    """The environment of that name. Raises `BadInput` for an unknown name or option."""
    from environments.base import Environment

    part = REGISTRY.load(name)
    if isinstance(part, type) and issubclass(part, Environment):
        part.name = part.name or shown_name(name)
    environment: Environment = part(dict(options or {}))
    return environment


def options_of(name: str) -> type[BaseModel]:
    """The class of a built-in environment's options, without importing the environment."""
    module, _, attribute = OPTIONS[name].partition(":")
    kind: type[BaseModel] = getattr(import_module(module), attribute)
    return kind


def tasks_of(environment: Environment, split: str) -> Sequence[Task]:
    """All tasks of a split in their stable order. Raises `BadInput` for an unknown split or missing data."""
    known = environment.splits()
    if split not in known:
        more = f" {environment.more_splits()}".rstrip()
        raise BadInput(
            f"{environment.name} has no split {split!r}; known: {', '.join(known)}.{nearest(split, known)}{more}"
        )
    return environment.tasks(split)
