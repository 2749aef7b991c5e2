"""Messages as an endpoint or a chat template takes them: without empty turns, without a system role, with roles that take
turns. Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agents.models.base import Message

OPENING = "(The conversation starts with you.)"
"""Text of the user where the assistant has to begin."""


def without_empty(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Leave out the assistant's and the system's messages that are blank: endpoints refuse them."""
    if all(message.role == "user" or message.content.strip() for message in messages):
        return messages
    return tuple(message for message in messages if message.role == "user" or message.content.strip())


def without_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Put what the system says into the user's message that follows it, or into one of its own."""
    found: list[Message] = []
    pending: list[Message] = []
    for message in messages:
        if message.role == "system":
            pending.append(Message("user", message.content))
            continue
        if pending and message.role == "assistant":
            found.append(_all_joined(pending))
            pending = []
        found.append(_all_joined([*pending, message]))
        pending = []
    return (*found, _all_joined(pending)) if pending else tuple(found)


def _all_joined(messages: list[Message]) -> Message:
    return replace(messages[-1], content="\n\n".join(message.content for message in messages))


def taking_turns(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Join neighbours of one role, and let the user begin; system messages at the start stay."""
    found: list[Message] = []
    for message in messages:
        if found and found[-1].role == message.role:
            found.append(_all_joined([found.pop(), message]))
        else:
            if message.role == "assistant" and all(each.role == "system" for each in found):
                found.append(Message("user", OPENING))
            found.append(message)
    return tuple(found)


def role_forms(messages: Sequence[Message]) -> tuple[tuple[Message, ...], ...]:
    """The chat as it is, then with plainer roles: what a chat template is given, in the order in which it is tried. Messages that
    endpoints refuse because they are blank are left out of both."""
    kept = without_empty(tuple(messages))
    return tuple(dict.fromkeys((kept, taking_turns(without_system(kept)))))
