"""The seat at the terminal: shows the chat as an agent is sent it, and reads what the person does. An experiment names these
functions under `models`, as `{provider: scripted, function: "agents.person.seat:alfworld"}`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from agents.models.base import ChatRequest, Message
from agents.person.lines import Lines
from agents.person.writing import AS_TYPED, WRITINGS, Writing
from environments.base import Unreadable
from harness.base.errors import EpisodeError
from harness.base.plaintext import plain

ALWAYS = (
    "?: what is possible now; /again: everything from the beginning; /give-up: this game is lost; "
    "/stop (or Ctrl-C): go on later"
)
PROMPT = "you> "


class Seat:
    """One person at one terminal, who plays one episode after the other."""

    def __init__(self, lines: Lines | None = None, write: Callable[[str], None] | None = None) -> None:
        """Standard input and output, where nothing else is given."""
        self._lines = lines or Lines()
        self._write = write or _write
        self._episode, self._shown = "", 0
        """The episode at play, and how many messages of its chat were shown."""

    async def answer(self, writing: Writing, request: ChatRequest) -> str:
        """Show what is new, and ask until a line can be read. Raises `EpisodeError` (model) where the person gives the game
        up, `CancelledError` where nobody types any more: what was played is on record, and the run is left for later."""
        self._show_new(writing, request)
        while True:
            self._write(PROMPT)
            line = await self._lines.next()
            if line is None or line.strip().lower() == "/stop":
                raise asyncio.CancelledError
            if self._is_done_here(line.strip(), writing, request):
                continue
            try:
                return writing.answer(line.strip(), request)
            except Unreadable as problem:
                self._write(f"Not done, and no turn is spent: {problem}.\n{writing.hint}\n")

    def _is_done_here(self, line: str, writing: Writing, request: ChatRequest) -> bool:
        """Do what is no action in the world; False for what may be one. Raises `EpisodeError` for a game given up."""
        match line.lower():
            case "":
                return True
            case "?":
                self._write(
                    "".join(f"  {plain(each)}\n" for each in request.available) or "This cannot be listed here.\n"
                )
            case "/help":
                self._write(f"{writing.hint}\n{ALWAYS}\n")
            case "/again":
                self._write(_chat(request.messages))
            case "/give-up":
                raise EpisodeError("model", "the person gave the game up", failure="request", reason="gave-up")
            case _:
                return False
        return True

    def _show_new(self, writing: Writing, request: ChatRequest) -> None:
        new = request.identity.episode != self._episode
        if new:
            self._episode, self._shown = request.identity.episode, 0
        told = request.messages[self._shown :]
        if not new:  # the person's own line is on the screen already
            told = tuple(message for message in told if message.role != "assistant")
        self._write(_chat(told))
        if new:
            self._write(f"\n{writing.hint}\n{ALWAYS}\n")
        self._shown = len(request.messages)


def _chat(messages: tuple[Message, ...]) -> str:
    parts = (PROMPT + message.content if message.role == "assistant" else message.content for message in messages)
    return "".join(f"\n{plain(part.strip())}\n" for part in parts)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


SEAT = Seat()
Answering = Callable[[ChatRequest], Awaitable[str]]
alfworld: Answering = partial(SEAT.answer, WRITINGS["alfworld"])
webshop: Answering = partial(SEAT.answer, WRITINGS["webshop"])
sotopia: Answering = partial(SEAT.answer, WRITINGS["sotopia"])
as_typed: Answering = partial(SEAT.answer, AS_TYPED)
