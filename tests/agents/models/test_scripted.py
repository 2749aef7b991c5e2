"""The scripted provider."""

from __future__ import annotations

from typing import Any

import pytest

from agents.models import make_model
from agents.models.base import ChatReply, ChatRequest
from harness.base.errors import BadInput, EpisodeError
from tests.agents.models.conftest import ask, complete


def shout(request: ChatRequest) -> str:
    return request.messages[-1].content.upper()


async def whole(request: ChatRequest) -> ChatReply:
    return ChatReply("x", "me", "length", 1, 2)


def thinking(request: ChatRequest) -> str:
    return "<think>hm</think>fair"


def wrong(request: ChatRequest) -> Any:
    return 7


def config(function: str, **more: Any) -> dict[str, Any]:
    return {"provider": "scripted", "function": f"tests.agents.models.test_scripted:{function}", **more}


def test_a_function_answers_and_its_tokens_are_words() -> None:
    (reply,) = complete(config("shout", price={"prompt": 1e6, "completion": 2e6}), ask("good day to you"))
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens, reply.usd) == ("GOOD DAY TO YOU", 4, 4, 12.0)


def test_reasoning_in_a_text_is_kept_apart_unless_the_config_says_otherwise() -> None:
    (reply,) = complete(config("thinking"), ask())
    assert (reply.text, reply.reasoning) == ("fair", "hm")
    (reply,) = complete(config("thinking", reasoning=False), ask())
    assert (reply.text, reply.reasoning) == ("<think>hm</think>fair", None)


def test_a_body_is_refused_with_a_reason() -> None:
    with pytest.raises(BadInput, match="'extra_body' has no meaning here"):
        complete(config("shout", extra_body={"x": 1}), ask())


def test_an_async_function_may_give_the_whole_reply() -> None:
    assert complete(config("whole"), ask())[0] == ChatReply("x", "me", "length", 1, 2)


def test_a_function_that_gives_something_else_ends_the_episode() -> None:
    with pytest.raises(EpisodeError, match="answered with int"):
        complete(config("wrong"), ask())


@pytest.mark.parametrize(
    "function", ["no.such.module:f", "tests.servers.wire:nothing", "tests.servers.wire:FAULT_KINDS"]
)
def test_a_function_that_can_not_be_found_is_named(function: str) -> None:
    with pytest.raises(BadInput, match=function):
        complete(config("shout") | {"function": function})


def test_a_function_is_found_under_its_former_name() -> None:
    former = {"provider": "scripted", "function": "harness.judging.planted:teller"}
    assert make_model("m", former).name == "m"
