"""Strategists, one small file each, and their table. A plug-in adds one through the entry-point group
`strategist_harness.strategists`: a `StrategistKind`."""

from __future__ import annotations

from dataclasses import dataclass

from agents.base import Strategist
from harness.base.registry import Registry


@dataclass(frozen=True, slots=True)
class StrategistKind:
    """What a strategist's module offers as `KIND`."""

    make: type[Strategist]
    """Called without arguments: strategists keep no state between turns."""
    description: str
    needs_model: bool = False


REGISTRY = Registry(
    "strategist",
    "strategist_harness.strategists",
    {
        "vanilla": "agents.strategists.vanilla:KIND",
        "react": "agents.strategists.react:KIND",
        "epo": "agents.strategists.epo:KIND",
        "epo-rl": "agents.strategists.epo:KIND_RL",
        "null": "agents.strategists.null:KIND",
        "shuffled": "agents.strategists.shuffled:KIND",
    },
)


def kind_of(name: str) -> StrategistKind:
    """The kind behind a name. Raises `BadInput` for an unknown one."""
    kind: StrategistKind = REGISTRY.load(name)
    return kind
