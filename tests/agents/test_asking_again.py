"""An unreadable answer is asked for again in one place, for actions, strategies and judgements alike."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.asking_again import Read, Unread, ask_until_read
from agents.base import Reading
from agents.models.base import ChatReply, Message
from environments.base import Unreadable

QUESTION = [Message("user", "a number?")]


def number(text: str) -> tuple[int, Reading]:
    if not text.strip().isdigit():
        raise Unreadable(f"{text!r} is no number")
    return int(text), "ok" if text.isdigit() else "mended"


class Model:
    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.chats: list[list[Message]] = []
        self.marks: list[Reading] = []

    async def send(self, messages: list[Message]) -> ChatReply:
        self.chats.append(messages)
        return ChatReply(self.answers[len(self.chats) - 1], "m", "stop", 1, 1)

    def ask(self, **changes: Any) -> Read[int] | Unread:
        def correction(problem: str) -> str:
            return f"{problem}; again\n"

        return asyncio.run(ask_until_read(self.send, QUESTION, number, correction, self.marks.append, **changes))


def test_the_first_answer_that_can_be_read_ends_it() -> None:
    model = Model("one", "two", " 3")
    assert model.ask(reasks=5) == Read(3, " 3", 3)
    assert model.marks == ["unreadable", "unreadable", "mended"]


def test_the_model_sees_what_it_wrote_and_what_was_wrong_with_it() -> None:
    model = Model("one…", "", "3")
    model.ask(reasks=2, kept=lambda text: text.rstrip("…"))
    again = [*QUESTION, Message("assistant", "one"), Message("user", "'one…' is no number; again")]
    assert model.chats[1] == again
    after_nothing = Message("user", f"{again[-1].content}\n\n'' is no number; again")
    assert model.chats[2] == [*again[:-1], after_nothing], "an empty answer is no message"


@pytest.mark.parametrize(("reasks", "times"), [(0, "once"), (1, "twice"), (2, "3 times")])
def test_it_is_given_up_after_so_many_answers(reasks: int, times: str) -> None:
    model = Model("a", "b", "c")
    unread = model.ask(reasks=reasks)
    last = "abc"[reasks]
    assert unread == Unread(last, reasks + 1, f"{last!r} is no number")
    assert unread.times == times and model.marks == ["unreadable"] * (reasks + 1)


def test_an_error_of_the_reader_itself_is_not_an_unreadable_answer() -> None:
    model = Model("¹")
    with pytest.raises(ValueError, match="invalid literal"):
        model.ask()
    assert model.marks == []
