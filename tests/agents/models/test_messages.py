"""Chats for templates that are stricter than the messages."""

from __future__ import annotations

import pytest

from agents.models.base import Message
from agents.models.messages import plain_roles, wants_fewer_roles


def chat(*pairs: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message(role, text) for role, text in pairs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ([("system", "s"), ("user", "u")], [("user", "s\n\nu")]),
        ([("system", "s"), ("assistant", "a"), ("user", "u")], [("user", "s"), ("assistant", "a"), ("user", "u")]),
        (
            [("user", "u"), ("user", "v"), ("assistant", "a"), ("assistant", "b")],
            [("user", "u\n\nv"), ("assistant", "a\n\nb")],
        ),
        (
            [("assistant", "a"), ("user", "u")],
            [("user", "(The conversation starts with you.)"), ("assistant", "a"), ("user", "u")],
        ),
        ([("user", "u"), ("assistant", " "), ("user", "v")], [("user", "u\n\nv")]),
        ([("user", "u"), ("system", "late")], [("user", "u\n\nlate")]),
    ],
)
def test_roles_alternate_and_no_message_is_the_systems(
    given: list[tuple[str, str]], plain: list[tuple[str, str]]
) -> None:
    assert plain_roles(chat(*given)) == chat(*plain)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("System role not supported", True),
        ("Conversation roles must alternate user/assistant/user/assistant/...", True),
        ("After the optional system message, conversation roles must alternate user and assistant roles", True),
        ("Developer instruction is not enabled for models/gemma-3-27b-it", True),
        ("system messages are not supported by this model", True),
        ("Only user and assistant roles are supported!", True),
        ("This model does not support a system prompt.", True),
        ("temperature is not supported", False),
        ("The system is overloaded", False),
        ("Unsupported value: 'temperature' does not support 0 with this model.", False),
    ],
)
def test_an_endpoint_that_wants_fewer_roles_is_recognised(said: str, wanted: bool) -> None:
    assert wants_fewer_roles(said) is wanted
