"""Replies that version 0.1 recorded, whose texts hold the reasoning."""

from __future__ import annotations

from typing import Any

import pytest

from agents.models.base import ChatReply
from agents.models.config import ReasoningTags, ScriptedConfig
from agents.models.providers.scripted import ScriptedModel
from agents.models.replies.recorded import read_today
from harness.base.errors import EpisodeError


def model(**config: Any) -> ScriptedModel:
    return ScriptedModel("m", ScriptedConfig(function="x:y", **config), lambda request: "")


def reply(text: str, finish: str = "stop", **more: Any) -> ChatReply:
    return ChatReply(text, "served", finish, 3, 256, **more)


def test_the_reasoning_is_taken_out() -> None:
    got = read_today(reply("<think>\nI could lie.\n</think>\n\nBe fair.", cache_hit=True), model())
    assert (got.text, got.reasoning, got.cache_hit) == ("Be fair.", "I could lie.", True)
    own = model(reasoning=ReasoningTags(open="<<", close=">>"))
    assert read_today(reply("<<hm>>Be fair."), own).text == "Be fair."


@pytest.mark.parametrize("given", [reply("Be fair."), reply("a <think>b</think> c", reasoning="kept apart")])
def test_what_holds_none_stays_as_it_is(given: ChatReply) -> None:
    assert read_today(given, model()) is given


def test_texts_that_are_taken_as_they_are_stay() -> None:
    given = reply("<think>a</think>b")
    assert read_today(given, model(reasoning=False)) is given


@pytest.mark.parametrize(
    ("finish", "kind", "reason"), [("length", "model", "output-limit"), ("stop", "infrastructure", "empty-answer")]
)
def test_reasoning_alone_is_no_answer(finish: str, kind: str, reason: str) -> None:
    with pytest.raises(EpisodeError, match="recorded without an answer") as caught:
        read_today(reply("<think>on and on", finish), model())
    assert (caught.value.kind, caught.value.reason) == (kind, reason)
