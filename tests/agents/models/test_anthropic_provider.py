"""The Anthropic provider, against a real HTTP server on this machine that is as strict as the real one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.models.base import ChatRequest, Message
from agents.models.providers.anthropic_provider import read_message
from harness.base.errors import EpisodeError
from tests.agents.models.conftest import ask, complete
from tests.servers.anthropic_server import AnthropicServer, error, message
from tests.servers.wire import FaultPlan, Response


def config(server: AnthropicServer, **more: Any) -> dict[str, Any]:
    return {"provider": "anthropic", "model": "local", "base_url": server.url, **more}


def test_a_request_arrives_as_it_was_meant_and_the_reply_comes_back_whole() -> None:
    def handler(body: dict[str, Any]) -> Response:
        usage = {
            "input_tokens": 10,
            "output_tokens": 3,
            "cache_read_input_tokens": 80,
            "cache_creation_input_tokens": 10,
        }
        blocks = [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "one "},
            {"type": "text", "text": "two"},
        ]
        return Response(message(body, "", content=blocks, stop_reason="max_tokens", usage=usage))

    request = ChatRequest(
        (Message("system", "be kind"), Message("user", "hi")), temperature=0.5, max_tokens=9, stop=("END", "\n")
    )
    price = {"prompt": 2.0, "cached": 0.2, "completion": 10.0}
    with AnthropicServer(handler) as server:
        (reply,) = complete(config(server, price=price, extra_body={"metadata": {"user_id": "u"}}), request)
        assert server.requests[0] == {
            "model": "local",
            "max_tokens": 9,
            "system": "be kind",
            "messages": [{"role": "user", "content": "hi"}],
            "temperature": 0.5,
            "stop_sequences": ["END"],
            "metadata": {"user_id": "u"},
        }
    assert (reply.text, reply.finish_reason, reply.reasoning) == ("one two", "length", "hm")
    assert (reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens) == (100, 80, 3)
    assert reply.usd == pytest.approx((20 * 2 + 80 * 0.2 + 3 * 10) / 1e6)


def test_a_blank_stop_sequence_which_the_endpoint_refuses_still_cuts_the_answer() -> None:
    with AnthropicServer(lambda body: "first line\nsecond") as server:
        (reply,) = complete(config(server), ask(stop=("\n",)))
    assert reply.text == "first line"


def test_a_blank_stop_sequence_does_not_cut_reasoning_that_stands_in_the_text() -> None:
    with AnthropicServer(lambda body: "<thinking>\nhm\n</thinking>\nfirst line\nsecond") as server:
        (reply,) = complete(config(server), ask(stop=("\n",)))
    assert (reply.text, reply.reasoning) == ("first line", "hm")


def test_a_refusal_and_thinking_alone_are_no_answer() -> None:
    refused = {"content": [], "stop_reason": "refusal", "stop_details": {"type": "refusal", "explanation": "unsafe"}}
    answer = read_message(refused, ask(), None)
    assert (answer.text, answer.finish_reason, answer.refusal) == ("", "refusal", "unsafe")
    for reason, finish in (("max_tokens", "length"), ("end_turn", "stop"), ("model_context_window_exceeded", "length")):
        alone = {"content": [{"type": "thinking", "thinking": "hm"}], "stop_reason": reason}
        answer = read_message(alone, ask(), None)
        assert (answer.text, answer.reasoning, answer.finish_reason, answer.field) == ("", "hm", finish, False)


def test_thinking_tokens_are_counted_apart() -> None:
    usage = {"input_tokens": 1, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 6}}
    with AnthropicServer(lambda body: Response(message(body, "x", usage=usage))) as server:
        (reply,) = complete(config(server), ask())
    assert (reply.completion_tokens, reply.reasoning_tokens) == (9, 6)


def test_overloaded_inside_a_200_is_tried_again() -> None:
    seen: list[int] = []

    def overloaded(body: dict[str, Any]) -> str | Response:
        seen.append(1)
        told = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        return "ok" if len(seen) > 1 else Response(told)

    with AnthropicServer(overloaded) as server:
        (reply,) = complete(config(server), ask())
    assert reply.attempts == 2


@pytest.mark.parametrize(
    ("messages", "system", "turns"),
    [
        ([("system", "s"), ("user", "a"), ("user", "b")], "s", [("user", "a\n\nb")]),
        (
            [("user", "a"), ("assistant", "b"), ("system", "s")],
            None,
            [("user", "a"), ("assistant", "b"), ("user", "s")],
        ),
        ([("system", "only")], None, [("user", "only")]),
        (
            [("assistant", "first"), ("user", "a")],
            None,
            [("user", "(The conversation starts with you.)"), ("assistant", "first"), ("user", "a")],
        ),
        ([("user", "a"), ("assistant", " "), ("user", "b")], None, [("user", "a\n\nb")]),
    ],
)
def test_any_conversation_becomes_one_that_the_protocol_takes(
    messages: list[tuple[Any, str]], system: str | None, turns: list[tuple[str, str]]
) -> None:
    with AnthropicServer() as server:
        complete(config(server), ChatRequest(tuple(Message(role, text) for role, text in messages)))
        sent = server.requests[0]
    assert sent.get("system") == system
    assert [(turn["role"], turn["content"]) for turn in sent["messages"]] == turns


def test_temperature_names_the_api_version_that_takes_it() -> None:
    with AnthropicServer() as server:
        (reply,) = complete(config(server), ask(temperature=0.3))
        assert server.headers[0]["anthropic-version"] == "2023-06-01"
    assert "temperature" not in reply.dropped


def test_a_model_without_sampling_parameters_is_asked_without_and_the_reply_says_so() -> None:
    with AnthropicServer(sampling=False) as server:
        first, second = complete(config(server), ask(seed=4), ask("b"))
        assert len(server.requests) == 3 and "temperature" not in server.requests[-1]
    assert first.dropped == ("seed", "temperature") and second.dropped == ("temperature",)


def test_a_schema_is_asked_for_natively_and_falls_back_when_refused() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}},
        "required": ["n"],
    }

    def refusing(body: dict[str, Any]) -> str | Response:
        if "output_config" in body:
            return error(400, "output_config.format: structured outputs are not supported by this model")
        return 'The answer is {"n": 4}.'

    with AnthropicServer() as server:
        (reply,) = complete(config(server), ask(schema=schema))
        sent = server.requests[0]["output_config"]["format"]
    assert sent["schema"]["additionalProperties"] is False and "maximum" not in sent["schema"]["properties"]["n"]
    assert reply.structured == "native" and isinstance(json.loads(reply.text)["n"], int)
    with AnthropicServer(refusing) as server:
        (reply,) = complete(config(server), ask(schema=schema))
    assert reply.structured == "prompt" and reply.text == '{"n": 4}'


@pytest.mark.parametrize("fault", ["429", "500", "garbage", "truncated", "drop", "wrong_json", "empty_choice", "drip"])
def test_every_kind_of_fault_is_tried_again(fault: str) -> None:
    with AnthropicServer(faults=FaultPlan(script=[fault])) as server:
        deadlines = {"call": 1.5 if fault == "drip" else 60, "connect": 60}
        (reply,) = complete(config(server, deadlines=deadlines), ask())
        assert reply.attempts == 2 and server.counts[fault] == 1


def test_overloaded_is_tried_again_and_refusals_are_not() -> None:
    seen: list[int] = []

    def overloaded(body: dict[str, Any]) -> str | Response:
        seen.append(1)
        return "ok" if len(seen) > 1 else error(529, "Overloaded", "overloaded_error")

    with AnthropicServer(overloaded) as server:
        (reply,) = complete(config(server), ask())
    assert reply.attempts == 2
    with AnthropicServer(lambda body: error(400, "prompt is too long: 210000 tokens > 200000 maximum")) as server:
        with pytest.raises(EpisodeError, match="too long") as caught:
            complete(config(server), ask())
        assert caught.value.kind == "model" and len(server.requests) == 1


def test_a_missing_and_a_wrong_key_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EpisodeError, match="ANTHROPIC_API_KEY is not set"):
        complete({"provider": "anthropic", "model": "claude-x"}, ask())
    monkeypatch.setenv("MY_KEY", "right")
    with AnthropicServer(api_key="right") as server:
        complete(config(server, api_key_env="MY_KEY"), ask())
        with pytest.raises(EpisodeError, match="HTTP 401"):
            complete(config(server), ask())
