"""Calls are written with each message once; what was sent can be put together again, byte for byte."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models.base import CallIdentity, ChatReply, ChatRequest, Message
from environments.prompts import Prompt
from harness.base.errors import EpisodeError
from harness.play.calls import CallLedger, full_messages, recorded_call
from harness.results.records import CallRecord, EpisodeRecord
from tests.harness.builders import Watched

PROMPT = Prompt("tests/prompt", "$x")
TEXTS = st.sampled_from(["", "a", "b", "$a {b}", "[/x]", "é\u2028\n"])
MESSAGES = st.builds(Message, st.sampled_from(["user", "assistant", "system"]), TEXTS)


def reply_with(text: str) -> ChatReply:
    return ChatReply(text, "served", "stop", 3, 2)


@st.composite
def conversations(draw: st.DrawFn) -> list[tuple[ChatRequest, ChatReply | None]]:
    """Calls of several seats and roles: chats that grow on their last reply, are cut, re-written, or start anew."""
    chats: dict[tuple[int, str], list[Message]] = {}
    calls = []
    for ordinal in range(draw(st.integers(1, 12))):
        who = (draw(st.integers(0, 1)), draw(st.sampled_from(["actor", "strategist"])))
        chat = chats.get(who, [])
        keep = draw(st.integers(0, len(chat)))
        chat = (chat if draw(st.booleans()) else chat[:keep]) + draw(st.lists(MESSAGES, max_size=3))
        text = draw(st.none() | TEXTS)
        identity = CallIdentity("e", 0, who[0], who[1], ordinal)
        calls.append((ChatRequest(tuple(chat), identity=identity), None if text is None else reply_with(text)))
        chats[who] = chat if text is None else [*chat, Message("assistant", text)]
    return calls


@settings(max_examples=150)
@given(conversations())
def test_full_messages_gives_back_exactly_what_was_sent(calls: list[tuple[ChatRequest, ChatReply | None]]) -> None:
    ledger = CallLedger()
    for request, reply in calls:
        ledger.add(request, reply, turn=0, model="m", prompt="p@1", error=None if reply else "lost")
    stored = [CallRecord.model_validate_json(call.model_dump_json()) for call in ledger.calls]
    for number, (request, _) in enumerate(calls):
        sent = [(message.role, message.content) for message in request.messages]
        assert [(message.role, message.content) for message in full_messages(stored, number)] == sent


def growing_chat(turns: int) -> CallLedger:
    ledger, chat = CallLedger(), [Message("user", "the opening, which is long")]
    for ordinal in range(turns):
        request = ChatRequest(tuple(chat), identity=CallIdentity("e", 0, 0, "actor", ordinal))
        ledger.add(request, reply_with(f"answer {ordinal}"), turn=ordinal, model="m", prompt="p@1")
        chat += [Message("assistant", f"answer {ordinal}"), Message("user", f"event {ordinal}")]
    return ledger


def test_a_growing_chat_is_stored_once() -> None:
    calls = growing_chat(20).calls
    assert [len(call.messages) for call in calls] == [1] * 20
    assert json.dumps([call.model_dump() for call in calls]).count("the opening, which is long") == 1


def test_a_chat_of_more_turns_than_python_recurses_can_be_put_together() -> None:
    calls = growing_chat(1100).calls
    assert len(full_messages(calls, 1099)) == 2 * 1099 + 1


def ask(script: Any, **changes: Any) -> tuple[CallLedger, ChatReply | None, EpisodeError | None]:
    ledger = CallLedger()
    request = replace(ChatRequest((Message("user", "hello"),), identity=CallIdentity("e", 0, 1, "actor", 0)), **changes)
    try:
        reply = asyncio.run(recorded_call(Watched("m", script), request, ledger, 3, PROMPT))
        return ledger, reply, None
    except EpisodeError as error:
        return ledger, None, error


def test_a_call_is_recorded_with_who_asked_and_what_it_took() -> None:
    ledger, _, _ = ask(lambda request: "one two three", seed=7, temperature=0.5)
    call = ledger.calls[0]
    assert (call.turn, call.seat, call.role, call.ordinal, call.seed, call.temperature) == (3, 1, "actor", 0, 7, 0.5)
    assert (call.text, call.prompt_tokens, call.completion_tokens, call.usd) == ("one two three", 1, 3, 0.0)
    assert call.prompt == PROMPT.label
    assert call.obtained is not None
    assert call.obtained.attempts == 1


def test_a_call_that_failed_is_recorded_with_its_reason() -> None:
    def fail(request: ChatRequest) -> str:
        raise EpisodeError("infrastructure", "HTTP 500")

    ledger, _, error = ask(fail)
    assert isinstance(error, EpisodeError)
    assert (ledger.calls[0].text, ledger.calls[0].error, ledger.calls[0].obtained) == (None, "HTTP 500", None)


def test_a_call_that_was_cancelled_is_recorded() -> None:
    async def go() -> CallLedger:
        async def hang(request: ChatRequest) -> str:
            await asyncio.sleep(3600)
            return ""

        ledger = CallLedger()
        request = ChatRequest((Message("user", "hello"),))
        task = asyncio.create_task(recorded_call(Watched("m", hang), request, ledger, 0, PROMPT))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return ledger

    call = asyncio.run(go()).calls[0]
    assert call.text is None
    assert call.error == "cancelled, or a deadline passed"


def test_half_a_character_from_a_model_does_not_make_a_record_unwritable() -> None:
    ledger, reply, error = ask(lambda request: "before \ud83d after")
    assert error is None
    assert reply is not None
    assert json.loads(ledger.calls[0].model_dump_json())["text"] == reply.text == "before \ufffd after"


def test_a_record_refuses_fields_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="surprise"):
        EpisodeRecord.model_validate({"surprise": 1})
