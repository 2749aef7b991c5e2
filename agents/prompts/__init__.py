"""The general prompts: used for an environment that brings none of its own for a role."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from environments.prompts import Prompt, PromptFields, load_prompt

_SITUATION = ("background", "name", "partner", "available", "format")
STRATEGIST_FIELDS = PromptFields(_SITUATION, needed=("background",))
ACTOR_FIELDS = PromptFields(_SITUATION, needed=("background", "format|available"))
"""Fields of the prompts of these roles, the environments' own and those that a user names."""


@cache
def general(role: str) -> Prompt:
    """The general template for a role. Raises `FileNotFoundError` for a role that has none."""
    return load_prompt("agents", role)


def joined(opening: Prompt, others: Sequence[Prompt]) -> Prompt:
    """One prompt standing for all templates a role's chat is built from: its version changes when any of them does."""
    return Prompt(opening.name, "\n\x1f\n".join([opening.text, *(other.text for other in others)]))
