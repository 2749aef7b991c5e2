"""What becomes of one call whose endpoint refuses a parameter, runs out of tokens, or gives an answer that is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from agents.models.base import ChatReply, ChatRequest, Message
from agents.models.client import Answer
from agents.models.config import OpenAIConfig
from agents.models.endpoint import EndpointModel
from agents.models.errors.failures import CallFailed
from agents.models.errors.refusals import Refusals, RequestMode, known_refusals
from agents.models.limits import AdaptiveLimit, closed_until
from agents.models.room import fitting
from harness.base.errors import EpisodeError
from tests.agents.models.conftest import ask, complete, with_model
from tests.servers.openai_server import OpenAIServer, completion, error
from tests.servers.wire import Response

Body = dict[str, Any]


def config(server: OpenAIServer, **more: Any) -> Body:
    return {"provider": "openai", "model": "local", "base_url": server.url, "retries": 0, **more}


def failing(server: OpenAIServer, request: ChatRequest | None = None, **more: Any) -> EpisodeError:
    with pytest.raises(EpisodeError) as caught:
        complete(config(server, **more), request or ask())
    return caught.value


def refusing(names: str, status: int, said: str) -> Callable[[Body], str | Response]:
    """An endpoint that refuses a request with any of these keys."""

    def handler(body: Body) -> str | Response:
        return error(status, said) if set(names.split()) & set(body) else "fine"

    return handler


EVERYTHING: Body = {"temperature": 0.5, "seed": 3, "top_p": 0.9, "stop": ("END",)}


@pytest.mark.parametrize(
    ("key", "status", "said"),
    [
        ("temperature", 400, "invalid temperature: only 1 is allowed for this model"),
        ("temperature", 400, "`temperature` may only be set to 1 when thinking is enabled"),
        ("temperature", 422, "`temperature` (=0.0) has to be a strictly positive float"),
        ("temperature", 400, "Sampling at a chosen temperature is retired for this model family."),
        ("seed", 422, "Extra inputs are not permitted: seed"),
        ("seed", 400, 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'),
        ("seed", 400, "Unsupported parameter 'seed'; this model takes temperature, top_p and stop"),
        ("stop", 400, "Stop words cannot be combined with this deployment"),
        ("logprobs", 403, "You are not allowed to request logprobs from this model"),
        ("top_p", 400, "`temperature` and `top_p` cannot both be specified for this model"),
        ("min_p", 400, "min_p: unrecognized request argument"),
    ],
)
def test_a_refused_parameter_is_left_out_and_only_that(key: str, status: int, said: str) -> None:
    with OpenAIServer(refusing(key, status, said)) as server:
        request = ask(want_tokens=key == "logprobs", **EVERYTHING)
        first, second = complete(config(server, extra_body={"min_p": 0.1}), request, ask("again", **EVERYTHING))
        kept = set(server.requests[-1])
    assert first.dropped == (key,) and key not in kept
    assert {"temperature", "seed", "top_p", "stop", "min_p"} - {key} <= kept
    assert second.attempts == 1
    (known,) = known_refusals()
    assert known["parameters"] == [key]


def test_parameters_refused_one_after_the_other_are_all_found() -> None:
    def handler(body: Body) -> str | Response:
        for name in ("seed", "temperature", "stop"):
            if name in body:
                return error(400, f"parameter {name} is not supported")
        return "fine"

    with OpenAIServer(handler) as server:
        (reply,) = complete(config(server), ask(**EVERYTHING))
    assert reply.dropped == ("seed", "stop", "temperature")


def test_two_that_one_message_names_and_both_refuse_are_found_together() -> None:
    with OpenAIServer(refusing("seed stop", 400, "unsupported: seed, stop")) as server:
        (reply,) = complete(config(server), ask(**EVERYTHING))
    assert reply.dropped == ("seed", "stop")


@pytest.mark.parametrize("wants", ["max_tokens", "max_completion_tokens"])
def test_the_token_limit_has_two_names_and_is_never_left_out(wants: str) -> None:
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[wants]

    def handler(body: Body) -> str | Response:
        return "fine" if wants in body else error(400, f"Unsupported parameter: '{other}'. Use '{wants}' instead.")

    with OpenAIServer(handler) as server:
        (reply,) = complete(config(server), ask())
        assert wants in server.requests[-1] and other not in server.requests[-1]
    assert reply.dropped == ()


def test_what_has_to_be_added_is_added() -> None:
    def handler(body: Body) -> str | Response:
        if body.get("enable_thinking") is not False:
            return error(400, "parameter.enable_thinking must be set to false for non-streaming calls")
        return "fine"

    with OpenAIServer(handler) as server:
        first, second = complete(config(server), ask(), ask("again"))
    assert (first.attempts, second.attempts) == (2, 1)


def test_a_template_without_a_system_role_gets_it_in_the_user_s_message() -> None:
    def handler(body: Body) -> str | Response:
        roles = [message["role"] for message in body["messages"]]
        if "system" in roles:
            return error(400, "System role not supported")
        if any(one == other for one, other in pairwise(roles)):
            return error(400, "Conversation roles must alternate user/assistant/user/assistant/...")
        return "fine"

    request = ChatRequest(
        (Message("system", "be kind"), Message("user", "hi"), Message("assistant", " "), Message("user", "?"))
    )
    with OpenAIServer(handler) as server:
        (reply,) = complete(config(server), request)
        assert server.requests[-1]["messages"] == [{"role": "user", "content": "be kind\n\nhi\n\n?"}]
    assert reply.dropped == ("repeated_roles", "system_role")


def test_temperature_null_sends_none() -> None:
    with OpenAIServer() as server:
        complete(config(server), ask(temperature=None))
        assert "temperature" not in server.requests[0] and "seed" not in server.requests[0]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Your credit balance is too low; seed money is needed", "no-credit"),
        ("model `local` not found; try another seed", "unknown-model"),
        ("prompt is too long: 9000 tokens > 8000 maximum, temperature 0", "context-too-long"),
    ],
)
def test_what_is_known_comes_before_what_may_be_a_parameter(said: str, name: str) -> None:
    with OpenAIServer(lambda body: error(400, said)) as server:
        raised = failing(server, ask(seed=1))
        assert len(server.requests) == 1
    assert raised.reason == name and known_refusals()[0]["parameters"] == []


def thinking(needs: int, cap: int | None = None) -> Callable[[Body], Response]:
    """A model that thinks for `needs` tokens before it answers, and takes at most `cap`."""

    def handler(body: Body) -> Response:
        limit = body["max_tokens"]
        if cap is not None and limit > cap:
            return error(400, f"max_tokens is too large: {limit}. This model supports at most {cap} completion tokens")
        answered = limit > needs
        got = completion(body, "the answer" if answered else "")
        got["choices"][0]["finish_reason"] = "stop" if answered else "length"
        used = min(limit, needs + 2)
        got["usage"] = {"prompt_tokens": 10, "completion_tokens": used, "total_tokens": 10 + used}
        return Response(got)

    return handler


def test_an_empty_answer_at_the_limit_is_asked_for_with_more_room_which_is_kept() -> None:
    with OpenAIServer(thinking(1000)) as server:
        first, second = complete(config(server), ask(max_tokens=100), ask("b", max_tokens=50))
        assert [body["max_tokens"] for body in server.requests] == [100, 800, 6400, 6350]
    assert (first.text, first.room, first.attempts) == ("the answer", 6300, 3)
    assert second.room == 6300
    assert first.completion_tokens == 100 + 800 + 1002 and first.prompt_tokens == 30, "all that was paid is counted"


def test_a_model_that_never_comes_to_its_answer_is_no_answer_of_kind_model() -> None:
    with OpenAIServer(thinking(10**6)) as server:
        raised = failing(server, ask(max_tokens=256))
        assert [body["max_tokens"] for body in server.requests] == [256, 2048, 8192]
    assert (raised.kind, raised.failure, raised.reason) == ("model", "request", "output-limit")
    assert "used all 8,192 tokens before it answered; raise `reasoning_tokens`" in raised.message
    assert raised.spent is not None and raised.spent.completion_tokens == 256 + 2048 + 8192


@pytest.mark.parametrize("more", [{"reasoning_tokens": 500}, {"reasoning_tokens": 0}])
def test_a_room_that_the_config_gives_is_not_enlarged(more: Body) -> None:
    with OpenAIServer(thinking(10**6)) as server:
        raised = failing(server, ask(max_tokens=100), **more)
        assert [body["max_tokens"] for body in server.requests] == [100 + more["reasoning_tokens"]]
    assert raised.reason == "output-limit"


def test_room_that_the_endpoint_does_not_take_shrinks_to_what_fits() -> None:
    with OpenAIServer(thinking(1000, cap=4096)) as server:
        (reply,) = complete(config(server), ask(max_tokens=100))
        assert [body["max_tokens"] for body in server.requests] == [100, 800, 6400, 4096]
    assert reply.room == 3996


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        ("'max_completion_tokens' is too large: 256 (256 > 2048 - 1900)", 148),
        ("exceed context limit: 198154 + 8192 > 200000, decrease", 1846),
        ("max_tokens: 100000 > 8192, which is the maximum", 8192),
        ("maximum context length is 8192 tokens. however, you requested 9000 tokens (7000 in the messages, 2000", 1192),
        ("range of max_tokens should be [1, 4096]", 4096),
        ("it is too large", None),
    ],
)
def test_what_fits_is_read_from_the_endpoint_s_words(words: str, fits: int | None) -> None:
    assert fitting(words) == fits


def test_the_check_before_playing_settles_the_room_and_a_recorded_one_is_taken_over() -> None:
    async def use(model: EndpointModel) -> tuple[int, bool]:
        await model.try_out(ask(max_tokens=100))
        with pytest.raises(EpisodeError):
            await model.complete(ask("more", max_tokens=200))
        return model.room, model.room_settled

    needs = [150]
    with OpenAIServer(
        lambda body: thinking(needs[0] if body["messages"][0]["content"] != "more" else 10**6)(body)
    ) as server:
        assert with_model(config(server), use) == (700, True)
        assert [body["max_tokens"] for body in server.requests] == [100, 800, 900], (
            "settled: not asked again in the run"
        )

    async def taken(model: EndpointModel) -> ChatReply:
        model.set_room(5000)
        return await model.complete(ask(max_tokens=100))

    with OpenAIServer(thinking(3000)) as server:
        assert with_model(config(server), taken).room == 5000


def test_a_reply_of_the_check_that_shows_reasoning_makes_room_even_where_it_answered() -> None:
    def handler(body: Body) -> Response:
        got = completion(body, "ok")
        got["choices"][0]["message"]["reasoning_content"] = "hm"
        return Response(got)

    async def use(model: EndpointModel) -> int:
        await model.try_out(ask(max_tokens=256))
        return model.room

    with OpenAIServer(handler) as server:
        assert with_model(config(server), use) == 7 * 256
    with OpenAIServer() as server:
        assert with_model(config(server), use) == 0


def ended(finish: str, **message: Any) -> Callable[[Body], Response]:
    def handler(body: Body) -> Response:
        got = completion(body, "")
        got["choices"][0] |= {"finish_reason": finish}
        got["choices"][0]["message"] |= message
        return Response(got)

    return handler


def broken_off(body: Body) -> Response:
    return Response({"choices": [{"finish_reason": "error", "error": {"message": "x", "code": 502}}]})


@pytest.mark.parametrize(
    ("handler", "failure", "name"),
    [
        (ended("stop"), "transient", "empty-answer"),
        (ended("content_filter"), "request", "filtered"),
        (ended("stop", content=None, refusal="I will not do that"), "request", "refused"),
        (lambda body: Response({"choices": []}), "transient", "broken-answer"),
        (broken_off, "transient", "server-error"),
    ],
)
def test_an_answer_that_is_none_is_never_an_answer(handler: Any, failure: str, name: str) -> None:
    with OpenAIServer(handler) as server:
        raised = failing(server)
    assert (raised.failure, raised.reason) == (failure, name)
    assert name != "refused" or "I will not do that" in raised.message


def test_an_answer_that_the_endpoint_did_not_take_as_json_goes_to_the_reader() -> None:
    body = {
        "error": {"message": "Failed to generate JSON", "code": "json_validate_failed", "failed_generation": '{"a": 1'}
    }
    with OpenAIServer(lambda request: Response(body, 400)) as server:
        (reply,) = complete(config(server), ask(schema={"type": "object"}))
    assert (reply.text, reply.finish_reason) == ('{"a": 1', "stop")


def test_a_long_wait_is_not_waited_for_and_closes_the_endpoint_at_once() -> None:
    with OpenAIServer(lambda body: error(429, "Rate limit reached. Please try again in 26m14.2s.")) as server:
        first, second = failing(server), failing(server)
        assert len(server.requests) == 1, "the second call is not sent"
        assert closed_until(server.url) is not None
    for raised in (first, second):
        assert (raised.kind, raised.failure, raised.reason) == ("infrastructure", "quota", "quota")
        assert "UTC, in 26 min" in raised.message
    assert "26m14.2s" in first.message


def test_a_model_in_this_process_without_a_grammar_gets_the_schema_in_the_prompt() -> None:
    class Client:
        """Refuses a schema as `transformers` does without its package for grammars."""

        never: frozenset[str] = frozenset()

        async def ready(self) -> None: ...

        async def send(self, request: ChatRequest, mode: RequestMode) -> Answer:
            if mode.schema == "native":
                raise CallFailed("structured output is not supported", "unknown-refusal", status=400, certain=False)
            return Answer("fine", "m", "stop", 1, 1, None)

        async def probe(self) -> None: ...

        async def close(self) -> None: ...

    settings = OpenAIConfig(model="m")
    model = EndpointModel("m", settings, Client(), AdaptiveLimit(1), base_url=None, refusals=Refusals())
    reply = asyncio.run(model.complete(ask(schema={"type": "object"})))
    assert (reply.structured, reply.attempts) == ("prompt", 2)
