"""Asking a model until its answer can be read: the one place where an unreadable action, strategy or judgement is asked for
again. What an endpoint does wrong is tried again below it (`agents.models.asking`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from agents.base import Reading
from agents.chat import asked_again
from agents.models.base import ChatReply, Message
from environments.base import Unreadable
from harness.reading.parsing import REASKS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """An answer that could be read."""

    value: T
    text: str
    """The answer as the model wrote it."""
    count: int
    """Number of answers that were asked for, this one included."""


@dataclass(frozen=True, slots=True)
class Unread:
    """The last of answers none of which could be read."""

    text: str
    count: int
    problem: str

    @property
    def times(self) -> str:
        """The number of answers in words."""
        return {1: "once", 2: "twice"}.get(self.count, f"{self.count} times")


async def ask_until_read(
    send: Callable[[list[Message]], Awaitable[ChatReply]],
    messages: list[Message],
    read: Callable[[str], tuple[T, Reading]],
    correction: Callable[[str], str],
    mark: Callable[[Reading], None],
    *,
    kept: Callable[[str], str] = str,
    reasks: int = REASKS,
) -> Read[T] | Unread:
    """Send the chat and read the answer. `read` raises `Unreadable` with the problem; then `correction` of the problem is
    put below the answer, of which the chat keeps `kept`, and that is sent, up to `reasks` times. `mark` hears how each
    answer was read, for the call's record. Raises what `send` raises."""
    for count in range(1, reasks + 2):
        reply = await send(messages)
        try:
            value, reading = read(reply.text)
        except Unreadable as error:
            mark("unreadable")
            unread = Unread(reply.text, count, str(error))
            messages = asked_again(messages, kept(reply.text), correction(unread.problem).strip("\n"))
        else:
            mark(reading)
            return Read(value, reply.text, count)
    return unread
