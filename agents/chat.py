"""Turns a seat's view into a chat that only grows.

Every turn appends to the chat of the turn before: the model's own earlier words are assistant messages, what
happened since are user messages. So engines can reuse the prefix, a record keeps each message once, and training
sees exactly the contexts that were played. The layout is that of EPO's released code: a past strategy stands right
before the seat's own past line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agents.base import OwnTurn
from agents.models.base import Message
from environments.base import Event, View


def rounds(view: View) -> list[tuple[Event, ...]]:
    """Cut the seat's events at its own acts: item 0 is what came before the first own act, item i begins with own
    act i-1 and holds everything up to the next one."""
    cut: list[list[Event]] = [[]]
    for event in view.events:
        if event.author == view.seat:
            cut.append([])
        cut[-1].append(event)
    return [tuple(part) for part in cut]


def strategist_chat(view: View, past: Sequence[OwnTurn], opening: str, closing: str) -> list[Message]:
    """user: opening and what happened · assistant: a past strategy ("None" where there was none) · user: the own act
    and what followed · … · user: …, closing."""
    messages: list[Message] = []
    parts = rounds(view)
    for number, part in enumerate(parts):
        texts = [opening] if number == 0 else []
        texts += [event.text.strip("\n") for event in part]
        messages.append(Message("user", _join([*texts, closing])))
        if number < len(past):
            messages.append(Message("assistant", past[number].strategy or "None"))
    return messages


def actor_chat(
    view: View, past: Sequence[OwnTurn], opening: str, strategies: Sequence[str], closing: str
) -> list[Message]:
    """user: opening, what happened, the strategy's paragraph · assistant: the own answer · user: what the others and
    the world did since, strategy · … `strategies` has one paragraph (or "") per own turn, the present one included."""
    messages: list[Message] = []
    for number, part in enumerate(rounds(view)):
        texts = [opening] if number == 0 else []
        texts += [event.text.strip("\n") for event in part if event.author != view.seat]
        messages.append(Message("user", _join([*texts, strategies[number], closing])))
        if number < len(past):
            messages.append(Message("assistant", past[number].answer))
    return messages


def one_message(*parts: str) -> list[Message]:
    """A turn's prompt that is a message of its own, made of notes in place of what happened before."""
    return [Message("user", _join(part.strip("\n") for part in parts))]


def asked_again(messages: list[Message], said: str, again: str) -> list[Message]:
    """The chat after an answer that could not be used: what was said, then what is asked for. An empty answer is no
    message: the question goes on."""
    if said.strip():
        return [*messages, Message("assistant", said), Message("user", again)]
    return [*messages[:-1], Message("user", _join([messages[-1].content, again]))]


def keep_recent(messages: list[Message], history: int | None) -> list[Message]:
    """The opening message and the last `history` own turns; whole turns are dropped, the opening stays.

    The dropped middle is replaced by nothing: the opening already states the task."""
    if history is None or len(messages) <= 2 * history + 1:
        return messages
    if history == 0:
        return [Message("user", _join([messages[0].content, messages[-1].content]))]
    tail = messages[-(2 * history + 1) :]
    return [Message("user", _join([messages[0].content, "[…]", tail[0].content])), *tail[1:]]


def _join(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)
