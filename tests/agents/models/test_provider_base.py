"""The base of providers: declared options are checked, and are part of a call's key."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import harness
from agents.models.cache import call_parts, key_of
from agents.models.providers.scripted import ScriptedModel


class Echo(harness.Provider):
    class Options(harness.ProviderOptions):
        tone: str = "calm"

    async def answer(self, request: harness.ChatRequest) -> str:
        return f"<think>hm</think>{self.config.tone}: {request.messages[-1].content}"


def echo(**config: Any) -> Echo:
    return Echo("e", {"provider": "echo", **config})


ASKED = harness.ChatRequest((harness.Message("user", "hello there"),))


def test_a_text_becomes_a_reply_and_its_reasoning_is_taken_apart() -> None:
    reply = asyncio.run(echo().complete(ASKED))
    assert (reply.text, reply.reasoning, reply.model, reply.prompt_tokens) == ("calm: hello there", "hm", "echo", 2)
    assert reply.usd is None, "nobody said what it costs"
    priced = asyncio.run(echo(price={"prompt": 1e6, "completion": 0}).complete(ASKED))
    assert priced.usd == 2.0


def test_an_option_is_part_of_a_calls_key_and_a_price_is_not() -> None:
    keys = [
        key_of(call_parts(model, ASKED))
        for model in (echo(), echo(tone="loud"), echo(price={"prompt": 1, "completion": 1}))
    ]
    assert keys[0] != keys[1] and keys[0] == keys[2]
    scripted = ScriptedModel("m", {"provider": "scripted", "function": "tests.harness.builders:speak"})
    assert scripted.options == {"function": "tests.harness.builders:speak", "max_tokens": None}, "as in earlier records"


def test_an_undeclared_option_is_refused() -> None:
    with pytest.raises(harness.BadInput, match="unknown key 'tune'.*Did you mean 'tone'"):
        echo(tune="loud")
