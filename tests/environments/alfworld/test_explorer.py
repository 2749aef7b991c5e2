"""The explorer names possible commands, each now and then, the same ones for the same call."""

from __future__ import annotations

import pytest

import environments
from agents.models.base import CallIdentity, ChatRequest, Message
from environments.alfworld.explorer import explore
from harness.base.errors import EpisodeError


def request(text: str, ordinal: int = 0, seed: int | None = None) -> ChatRequest:
    return ChatRequest((Message("user", text),), seed=seed, identity=CallIdentity(episode="e", ordinal=ordinal))


def test_every_listed_command_is_named_and_nothing_else() -> None:
    world = environments.make("alfworld", {"prompts": "brief"})
    view = world.reset(world.tasks("builtin-test-mini")[0], 0).view(0)
    prompt = world.prompt("strategist")
    assert prompt is not None
    text = prompt.fill(name="", partner="", background=view.background, format="", available=", ".join(view.available))
    named = [explore(request(text, ordinal)) for ordinal in range(200)]
    assert set(named) == set(view.available)
    assert named[0] == explore(request(text, 0))
    assert [explore(request(text, 0, seed)) for seed in range(5)] != [named[0]] * 5


def test_a_prompt_without_commands_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(EpisodeError, match="prompts: brief"):
        explore(request("You advise an agent."))
