"""Chats for models whose template is stricter than the messages: without a system role, or with roles that must alternate."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.models.base import Message

_NO_SYSTEM = re.compile(
    r"system.{0,40}(role|message|prompt|instruction).{0,40}(not|n't|un|only).{0,20}(support|allow|permit|enabled|accept|valid)"
    r"|(not|n't|no).{0,20}(support|allow|permit|enabled|accept).{0,40}system"
    r"|only.{0,40}\buser\b.{0,20}(and|,|or).{0,20}\b(assistant|model)\b.{0,10} roles"
    r"|developer instruction is not enabled",
    re.IGNORECASE | re.DOTALL,
)
_MUST_ALTERNATE = re.compile(
    r"(role|message|turn)s?\b.{0,80}\balternat|alternat\w*.{0,80}\brole", re.IGNORECASE | re.DOTALL
)


def wants_fewer_roles(said: str) -> bool:
    """Whether an endpoint or template says that it has no system role, or that roles must alternate."""
    return bool(_NO_SYSTEM.search(said) or _MUST_ALTERNATE.search(said))


def plain_roles(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same chat for the strictest template: no system role, roles that alternate, a user who begins."""
    return alternating(without_system(messages))


def without_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The chat with each system message said by the user."""
    return tuple(Message("user", m.content) if m.role == "system" else m for m in messages)


def alternating(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The chat with neighbours of one role as one message, a blank line between them, and with a user who begins. Messages
    that are empty are left out."""
    found: list[Message] = []
    for message in messages:
        if not message.content.strip():
            continue
        if found and found[-1].role == message.role:
            found[-1] = Message(message.role, f"{found[-1].content}\n\n{message.content}")
        else:
            found.append(message)
    first = next((number for number, message in enumerate(found) if message.role != "system"), None)
    if first is not None and found[first].role == "assistant":
        found.insert(first, Message("user", "(The conversation starts with you.)"))
    return tuple(found)
