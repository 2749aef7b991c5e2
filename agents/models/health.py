"""Telling whoever wants to know how the endpoints are: of every call that failed for good, and of the first success after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.errors import EpisodeError

Health = dict[str, Any]
"""`endpoint` (its address, or `provider:model`), `model` (the name in the config), `class` (of the failure; None after a
success), `reason` (its short name) and `message`."""

_told: list[Callable[[Health], None]] = []
_failing: set[str] = set()
"""Endpoints whose last call failed."""


def tell_health(told: Callable[[Health], None]) -> None:
    """Call `told` after every call that failed, and after the first success at the same endpoint."""
    _told.append(told)


def failed(endpoint: str, model: str, error: EpisodeError) -> None:
    """A call failed for good."""
    _failing.add(endpoint)
    _tell(
        {"endpoint": endpoint, "model": model, "class": error.failure, "reason": error.reason, "message": error.message}
    )


def succeeded(endpoint: str, model: str) -> None:
    """A call was answered. Costs next to nothing while all goes well."""
    if endpoint in _failing:
        _failing.discard(endpoint)
        _tell({"endpoint": endpoint, "model": model, "class": None, "reason": None, "message": ""})


def _tell(health: Health) -> None:
    for told in _told:
        told(health)
