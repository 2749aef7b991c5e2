"""OpenAI's Responses API (`api: responses`), against a real HTTP server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agents.models.base import ChatRequest, Message
from agents.models.providers.responses_provider import read_response
from harness.base.errors import EpisodeError
from tests.agents.models.conftest import ask, complete
from tests.servers.openai_server import error
from tests.servers.wire import Response, WireServer

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


def said(*texts: str, thought: str | None = None, **more: Any) -> dict[str, Any]:
    """The JSON of a response."""
    parts = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    message = {"type": "message", "role": "assistant", "status": "completed", "content": parts}
    summary = [] if thought is None else [{"type": "summary_text", "text": thought}]
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAAA"}
    return {
        "object": "response",
        "model": "gpt-x-2026",
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "output": [reasoning, message],
        "usage": {
            "input_tokens": 30,
            "input_tokens_details": {"cached_tokens": 20},
            "output_tokens": 9,
            "output_tokens_details": {"reasoning_tokens": 6},
            "total_tokens": 39,
        },
    } | more


class ResponsesServer(WireServer):
    """Answers `POST /v1/responses` with what stands in `answers`, the last for all that follow."""

    def __init__(self, *answers: dict[str, Any] | Response) -> None:
        super().__init__(self._respond)
        self.answers = list(answers)

    def _respond(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> Response:
        if (method, path) != ("POST", "/v1/responses"):
            return error(404, f"no such path: {path}")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Response) else Response(answer)


def config(server: WireServer, **more: Any) -> dict[str, Any]:
    base_url = f"{server.root}/v1"
    return {"provider": "openai", "api": "responses", "model": "gpt-x", "base_url": base_url, "retries": 1, **more}


@pytest.fixture
def server() -> Iterator[ResponsesServer]:
    with ResponsesServer(said("good ", "day", thought="hm")) as running:
        yield running


def test_a_request_arrives_as_it_was_meant_and_the_reply_comes_back_whole(server: ResponsesServer) -> None:
    messages = (
        Message("system", "be kind"),
        Message("user", "hi"),
        Message("assistant", "yes?"),
        Message("user", "so"),
    )
    request = ChatRequest(messages, temperature=0.7, top_p=0.9, max_tokens=33, seed=4, reasoning_effort="low")
    (reply,) = complete(config(server, extra_body={"reasoning": {"summary": "auto"}}), request)
    assert server.requests[0] == {
        "model": "gpt-x",
        "instructions": "be kind",
        "input": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "yes?"},
            {"role": "user", "content": "so"},
        ],
        "max_output_tokens": 33,
        "store": False,
        "temperature": 0.7,
        "top_p": 0.9,
        "reasoning": {"effort": "low", "summary": "auto"},
    }
    assert (reply.text, reply.reasoning, reply.model, reply.finish_reason) == ("good day", "hm", "gpt-x-2026", "stop")
    tokens = (reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens, reply.reasoning_tokens)
    assert tokens == (30, 20, 9, 6) and reply.dropped == ("seed",)


def test_a_schema_is_asked_for_natively() -> None:
    with ResponsesServer(said('{"n": 3}')) as server:
        (reply,) = complete(config(server), ask(schema=SCHEMA))
        described = server.requests[0]["text"]["format"]
    assert described == {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}
    assert (reply.text, reply.structured) == ('{"n": 3}', "native")


def test_stop_sequences_that_this_api_lacks_cut_the_answer(server: ResponsesServer) -> None:
    (reply,) = complete(config(server), ask(stop=("day",)))
    assert "stop" not in server.requests[0] and (reply.text, reply.dropped) == ("good ", ("stop",))


@pytest.mark.parametrize(
    ("more", "finish"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "filter"),
        ({"status": "incomplete"}, "unknown"),
        ({"status": None}, "unknown"),
    ],
)
def test_why_it_ended(more: dict[str, Any], finish: str) -> None:
    assert read_response(said("x", **more), None).finish_reason == finish


def test_a_response_of_thoughts_alone_or_of_a_refusal_has_no_answer() -> None:
    spent = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    answer = read_response(said(thought="hm", **spent), None)
    assert (answer.text, answer.reasoning, answer.finish_reason, answer.field) == ("", "hm", "length", False)
    refusal = {"type": "message", "content": [{"type": "refusal", "refusal": "I will not"}]}
    answer = read_response(said(output=[refusal]), None)
    assert (answer.text, answer.finish_reason, answer.refusal) == ("", "refusal", "I will not")


@pytest.mark.parametrize(
    "first",
    [
        said("half", status="failed", error={"code": "server_error", "message": "went wrong"}),
        said("half", status="cancelled"),
        {"error": {"message": "down", "code": 502}},
        {"object": "response"},
        error(500, "down"),
    ],
)
def test_a_broken_response_is_tried_again(first: Any) -> None:
    with ResponsesServer(first, said("fine")) as server:
        (reply,) = complete(config(server), ask())
    assert (reply.text, reply.attempts) == ("fine", 2)


def test_a_fault_of_the_set_up_is_not_tried_again() -> None:
    with ResponsesServer(error(404, "The model `gpt-x` does not exist", "model_not_found")) as server:
        with pytest.raises(EpisodeError, match="does not exist"):
            complete(config(server), ask())
        assert len(server.requests) == 1
