"""Chats for the strictest templates: without a system role, with roles that alternate."""

from __future__ import annotations

from collections.abc import Sequence

from agents.models.base import Message


def plain_roles(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same chat with the system's messages said by the user, neighbours of one role as one message (a blank line between
    them), no empty messages, and a user who begins."""
    found: list[Message] = []
    for message in messages:
        role = "user" if message.role == "system" else message.role
        if not message.content.strip():
            continue
        if not found and role == "assistant":
            found.append(Message("user", "(The conversation starts with you.)"))
        if found and found[-1].role == role:
            found[-1] = Message(role, f"{found[-1].content}\n\n{message.content}")
        else:
            found.append(Message(role, message.content))
    return tuple(found)
