"""A strategist in place of a model (`provider: scripted`) that names any possible command, so that a first data set has
strategies that are commands: what a warm start imitates, where they helped."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from harness.base.errors import EpisodeError
from harness.base.seeds import seed_from

if TYPE_CHECKING:
    from agents.models.base import ChatRequest

MARK = "Possible commands: "
"""Begins their line in the brief prompts."""


def explore(request: ChatRequest) -> str:
    """One of the commands that the last message lists, all equally likely; drawn separately for every call of an episode. Raises
    `EpisodeError` where none are listed (`prompts: brief` lists them)."""
    for line in request.messages[-1].content.splitlines():
        if line.startswith(MARK):
            who = request.identity
            seed = seed_from("explore", request.seed, who.episode, who.repeat, who.seat, who.ordinal)
            return Random(seed).choice(line.removeprefix(MARK).split(", "))
    raise EpisodeError("environment", f"the explorer's prompt has no line {MARK!r}; give alfworld `prompts: brief`")
