"""The vendors' client libraries, which stand in the extra `models`: the engines and bridges install without them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from agents.models.errors.failures import CallFailed
from harness.base.invocation import installs

EXTRA = "models"
FIRST: Mapping[str, int] = {"openai": 3, "anthropic": 2}
"""Library -> the first major version that this package speaks through; earlier ones stand on another HTTP library."""


def client_library(name: str, extra: str = EXTRA) -> Any:
    """The module `openai` or `anthropic`. Raises `CallFailed` naming the extra to install where it is missing or too old;
    `extra`: another one that has the library and more that is needed."""
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        problem = f"the package {error.name} is missing: {installs(extra)}"
    else:
        version = str(getattr(module, "__version__", FIRST[name]))
        if int(version.partition(".")[0]) >= FIRST[name]:
            return module
        problem = (
            f"the package {name} is {version} here, and {name} {FIRST[name]} or later is needed: {installs(extra)}, in an "
            "environment apart from what needs the older one"
        )
    raise CallFailed(problem, "not-started")
