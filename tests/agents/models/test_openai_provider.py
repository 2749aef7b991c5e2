"""The OpenAI provider, against a real HTTP server on this machine."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agents.models import make_model
from agents.models.base import ChatReply, ChatRequest, Message, Model
from agents.models.providers.openai_provider import read_completion
from agents.models.transport import read_json
from harness.base.errors import EpisodeError
from tests.agents.models.conftest import ask, complete, whose, with_model
from tests.servers.openai_server import OpenAIServer, completion, error
from tests.servers.wire import FaultPlan, Response

SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}, "number": {"type": "integer", "minimum": 1, "maximum": 3}},
    "required": ["word", "number"],
    "additionalProperties": False,
}


def config(server: OpenAIServer, **more: Any) -> dict[str, Any]:
    return {"provider": "openai", "model": "local", "base_url": server.url, **more}


def quick(server: OpenAIServer, fault: str = "hang", **more: Any) -> dict[str, Any]:
    """Three more attempts; a short deadline where the fault is that no answer comes."""
    seconds = 1.5 if fault in ("hang", "drip") else 60
    return config(server, **{"deadlines": {"call": seconds, "connect": 60}, "retries": 3, **more})


def test_a_request_arrives_as_it_was_meant_and_the_reply_comes_back_whole() -> None:
    def handler(body: dict[str, Any]) -> Response:
        usage = {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 64}}
        return Response(completion(body, "good day", model="served-7", usage=usage))

    request = ChatRequest(
        (Message("system", "be kind"), Message("user", "hi")),
        temperature=0.7,
        max_tokens=33,
        top_p=0.9,
        stop=("END",),
        seed=11,
    )
    price = {"prompt": 2.0, "cached": 1.0, "completion": 10.0}
    with OpenAIServer(handler) as server:
        (reply,) = complete(config(server, price=price, extra_body={"min_p": 0.1}), request)
        assert server.requests[0] == {
            "model": "local",
            "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}],
            "max_tokens": 33,
            "temperature": 0.7,
            "top_p": 0.9,
            "stop": ["END"],
            "seed": 11,
            "min_p": 0.1,
        }
    assert (reply.text, reply.model, reply.finish_reason) == ("good day", "served-7", "stop")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens) == (100, 7, 64)
    assert reply.usd == pytest.approx((36 * 2 + 64 * 1 + 7 * 10) / 1e6)
    assert reply.attempts == 1 and reply.latency_s > 0 and reply.dropped == () and reply.structured is None


def test_an_unknown_price_is_none_and_max_tokens_is_capped() -> None:
    with OpenAIServer() as server:
        (reply,) = complete(config(server, max_tokens=5), ask(max_tokens=400))
        assert server.requests[0]["max_tokens"] == 5
    assert reply.usd is None


@pytest.mark.parametrize(
    "fault", ["429", "500", "garbage", "truncated", "drop", "wrong_json", "empty_choice", "hang", "drip"]
)
def test_every_kind_of_fault_is_tried_again(fault: str) -> None:
    with OpenAIServer(faults=FaultPlan(script=[fault])) as server:
        (reply,) = complete(quick(server, fault), ask())
        assert reply.attempts == 2
        assert server.counts[fault] == 1 and server.counts["ok"] == 1


@pytest.mark.parametrize("fault", ["500", "hang", "drip", "drop", "empty_choice"])
def test_a_fault_that_stays_ends_the_call_with_kind_infrastructure(fault: str) -> None:
    with OpenAIServer(faults=FaultPlan(script=[fault] * 9)) as server:
        with pytest.raises(EpisodeError) as caught:
            complete(quick(server, fault, retries=1), ask())
        assert server.counts[fault] == 2
    assert caught.value.kind == "infrastructure"
    assert "gave up after 2 attempts" in caught.value.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "infrastructure"),
        (401, "infrastructure"),
        (403, "infrastructure"),
        (404, "infrastructure"),
        (413, "model"),
        (422, "infrastructure"),
    ],
)
def test_a_refusal_is_not_tried_again(status: int, kind: str) -> None:
    with OpenAIServer(lambda body: error(status, "no, because of the moon")) as server:
        with pytest.raises(EpisodeError, match="because of the moon") as caught:
            complete(config(server), ask())
        assert len(server.requests) == 1
    assert caught.value.kind == kind


def test_an_exhausted_quota_is_a_429_that_is_not_tried_again() -> None:
    with OpenAIServer(lambda body: error(429, "You exceeded your current quota", "insufficient_quota")) as server:
        with pytest.raises(EpisodeError):
            complete(config(server), ask())
        assert len(server.requests) == 1


def test_a_quota_is_waited_for_by_everybody_and_a_server_error_by_its_own_call() -> None:
    waited: list[float] = []
    told: list[Any] = []

    async def use(model: Any) -> ChatReply:
        async def sleep(seconds: float) -> None:
            waited.append(seconds)

        def told_first(*said: Any) -> None:
            told.append(said)
            release(*said)

        release = model.limit.release
        model.limit.release = told_first
        model._context.sleep = sleep
        return await model.complete(ask())

    with OpenAIServer(faults=FaultPlan(script=["429", "500"], retry_after_s=0.07)) as server:
        reply = with_model(quick(server, "500", retries=1), use)
    assert reply.attempts == 3, "waiting for a quota uses up no retries"
    assert [said[:2] for said in told] == [("throttled", 0.07), ("server_error", None), ("ok", None)]
    assert len(waited) == 1, "for the server error: the whole endpoint waits for the quota"


def test_a_refused_connection_is_infrastructure() -> None:
    with OpenAIServer() as server:
        gone = config(server, retries=0)
    with pytest.raises(EpisodeError) as caught:
        complete(gone, ask())
    assert (caught.value.kind, caught.value.reason) == ("infrastructure", "connection-refused")


def test_a_missing_key_is_said_before_anything_is_sent() -> None:
    remote = {"provider": "openai", "model": "gpt-x"}
    with pytest.raises(EpisodeError, match="OPENAI_API_KEY is not set"):
        complete(remote, ask())


def test_a_local_server_gets_no_key_that_was_meant_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-for-openai")
    with OpenAIServer() as server:
        complete(config(server), ask())
        assert "planted" not in json.dumps(server.headers[0])


def test_a_schema_is_asked_for_natively() -> None:
    with OpenAIServer() as server:
        (reply,) = complete(config(server), ask(schema=SCHEMA))
        sent = server.requests[0]["response_format"]
    assert sent["type"] == "json_schema" and sent["json_schema"]["schema"] == SCHEMA and sent["json_schema"]["strict"]
    assert reply.structured == "native" and set(json.loads(reply.text)) == {"word", "number"}


def refusing(body: dict[str, Any]) -> str | Response:
    if "response_format" in body:
        return error(400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported")
    return 'Sure! Here it is:\n```json\n{"word": "moon {", "number": 2}\n```\nAnything else?'


def test_a_refused_schema_goes_into_the_prompt_and_the_refusal_is_remembered() -> None:
    with OpenAIServer(refusing) as server:
        first, second = complete(config(server), ask(schema=SCHEMA), ask("again", schema=SCHEMA))
        assert len(server.requests) == 3, "asked natively once only"
        assert '"maximum": 3' in server.requests[1]["messages"][-1]["content"]
    assert first.structured == second.structured == "prompt"
    assert (first.attempts, second.attempts) == (2, 1)
    assert json.loads(first.text) == {"word": "moon {", "number": 2}


def test_native_only_fails_where_it_is_refused_and_prompt_only_never_asks() -> None:
    with OpenAIServer(refusing) as server:
        with pytest.raises(EpisodeError) as caught:
            complete(config(server, structured="native"), ask(schema=SCHEMA))
        assert (caught.value.failure, caught.value.reason) == ("setup", "unknown-refusal")
        (reply,) = complete(config(server, structured="prompt"), ask(schema=SCHEMA))
        assert len(server.requests) == 2
    assert reply.structured == "prompt"


def test_a_refused_temperature_is_left_out_said_in_the_reply_and_remembered() -> None:
    def handler(body: dict[str, Any]) -> str | Response:
        if "temperature" in body:
            return error(400, "Unsupported value: 'temperature' does not support 0 with this model.")
        if "max_tokens" in body:
            return error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        return "fine"

    with OpenAIServer(handler) as server:
        first, second = complete(config(server), ask(), ask("b"))
        assert [sorted(body) for body in server.requests][2:] == [["max_completion_tokens", "messages", "model"]] * 2
    assert first.dropped == second.dropped == ("temperature",)


def test_a_parameter_that_is_named_is_left_out_once_and_where_that_does_not_help_nothing_is_learnt() -> None:
    def handler(body: dict[str, Any]) -> Response:
        return error(400, "temperature must be between 0 and 2" if "temperature" in body else "it is Tuesday")

    with OpenAIServer(handler) as server:
        for _ in range(2):
            with pytest.raises(EpisodeError, match="between 0 and 2") as caught:
                complete(config(server), ask(temperature=5.0))
            assert (caught.value.kind, caught.value.reason) == ("infrastructure", "unknown-refusal")
        assert ["temperature" in body for body in server.requests] == [True, False] * 2


def test_refused_stop_sequences_still_cut_the_answer() -> None:
    def handler(body: dict[str, Any]) -> str | Response:
        return error(400, "Unsupported parameter: 'stop' is not supported") if "stop" in body else "one\nTWO three"

    with OpenAIServer(handler) as server:
        (reply,) = complete(config(server), ask(stop=("TWO",)))
    assert reply.text == "one\n" and reply.dropped == ("stop",)


def answering(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> Any:
    """A handler whose choice has this message."""

    def handler(body: dict[str, Any]) -> Response:
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
        return Response({"choices": [choice], "model": "m", **more})

    return handler


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab", None),
        ({"content": ["a", {"type": "output_text", "text": "b"}]}, "ab", None),
        ({"content": "x", "reasoning_content": "hidden"}, "x", "hidden"),
        ({"content": "x", "reasoning": "hidden"}, "x", "hidden"),
        ({"content": "x", "thinking": "hidden"}, "x", "hidden"),
        ({"content": "x", "reasoning": "hidden", "reasoning_content": "hidden"}, "x", "hidden"),
        ({"content": "x", "reasoning_details": [{"type": "reasoning.text", "text": "hidden"}]}, "x", "hidden"),
        ({"content": "x", "reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAAA"}]}, "x", None),
        ({"content": "<think>inside</think>\n\nx", "reasoning_content": "beside"}, "x", "beside\n\ninside"),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hidden"}]},
                    {"type": "text", "text": "x"},
                ]
            },
            "x",
            "hidden",
        ),
        ({"content": "</think>\n\nx", "reasoning_content": "hidden"}, "x", "hidden"),
    ],
)
def test_reasoning_is_kept_apart_from_the_answer(message: dict[str, Any], text: str, reasoning: str | None) -> None:
    with OpenAIServer(answering(message)) as server:
        (reply,) = complete(config(server), ask())
    assert (reply.text, reply.reasoning, reply.finish_reason, reply.notes) == (text, reasoning, "stop", ())
    assert reply.prompt_tokens is None and reply.usd is None, "an endpoint that does not count costs an unknown sum"


def test_a_refusal_is_no_answer_and_its_words_are_kept() -> None:
    for message in (
        {"content": None, "refusal": "I will not"},
        {"content": [{"type": "refusal", "refusal": "I will not"}]},
    ):
        answer = read_completion({"choices": [{"message": message, "finish_reason": "stop"}]}, None)
        assert (answer.text, answer.finish_reason, answer.refusal) == ("", "refusal", "I will not")


def test_an_answer_in_the_field_for_reasoning_is_taken_from_there_noted_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handler = answering({"content": None, "reasoning_content": "hm, fair?</think>\nBe fair."})
    with OpenAIServer(handler) as server:
        replies = complete(config(server), ask(), ask("b"))
    for reply in replies:
        assert (reply.text, reply.reasoning, reply.notes) == ("Be fair.", "hm, fair?", ("answer-in-reasoning",))
    assert sum("into the field for reasoning" in record.message for record in caplog.records) == 1


def test_a_model_whose_template_opens_its_reasoning_is_known_by_its_first_whole_reply() -> None:
    """Cut before it closes, its text has no mark: it would be taken for the answer."""

    def handler(body: dict[str, Any]) -> Response:
        cut = body["messages"][0]["content"] == "cut"
        said = completion(body, "hm, Action: buy" if cut else "hm</think>Be fair.")
        said["choices"][0]["finish_reason"] = "length" if cut else "stop"
        return Response(said)

    async def use(model: Any) -> list[Any]:
        answers = [
            read_completion(handler({"messages": [{"content": text}]}).body, None) for text in ("cut", "x", "cut")
        ]
        return [model._parted(answer, ask()) for answer in answers]

    with OpenAIServer() as server:
        first, _, last = with_model(config(server), use)
    assert (first.answer, last.answer, last.reasoning) == ("hm, Action: buy", "", "hm, Action: buy")


def test_reasoning_is_never_sent_back() -> None:
    """A chat goes on from the answer."""
    seen: list[str] = []

    def handler(body: dict[str, Any]) -> str:
        seen.append(json.dumps(body))
        return "<think>secret plan</think>fair"

    async def use(model: Model) -> None:
        first = await model.complete(ask("hi"))
        chat = (Message("user", "hi"), Message("assistant", first.text), Message("user", "so"))
        await model.complete(ChatRequest(chat))

    with OpenAIServer(handler) as server:
        with_model(config(server), use)
    assert "fair" in seen[1] and "secret" not in seen[1] and "think" not in seen[1]


def test_tags_of_ones_own_are_taken_off_and_reasoning_false_takes_texts_as_they_are() -> None:
    with OpenAIServer(lambda body: "(((<think>a</think>)))b") as server:
        own, as_it_is = (
            complete(config(server, reasoning=reasoning), ask())[0]
            for reasoning in ({"open": "(((", "close": ")))"}, False)
        )
    assert own.text == "b" and as_it_is.text == "(((<think>a</think>)))b" and as_it_is.reasoning is None


def test_a_schema_in_the_prompt_is_answered_behind_the_reasoning() -> None:
    text = '<think>{"word": "draft", "number": 1}</think>Here: {"word": "moon", "number": 2}'
    with OpenAIServer(lambda body: text) as server:
        (reply,) = complete(config(server, structured="prompt"), ask(schema=SCHEMA))
    assert reply.text == '{"word": "moon", "number": 2}'


def test_stop_sequences_that_are_cut_here_do_not_cut_the_reasoning() -> None:
    def handler(body: dict[str, Any]) -> str | Response:
        return error(400, "Unsupported parameter: 'stop'") if "stop" in body else "<think>a STOP b</think>c STOP d"

    with OpenAIServer(handler) as server:
        (reply,) = complete(config(server), ask(stop=("STOP",)))
    assert (reply.text, reply.reasoning) == ("c ", "a STOP b")


@pytest.mark.parametrize(
    ("usage", "tokens", "usd"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115}, (10, None, 105, None), None),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "completion_tokens_details": {"reasoning_tokens": 3},
                "cost": 0.25,
            },
            (10, None, 5, 3),
            0.25,
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6},
            (10, 4, 5, None),
            None,
        ),
        ({"prompt_tokens": 10, "completion_tokens": 5, "cost": -1}, (10, None, 5, None), None),
        ({"prompt_tokens": True, "completion_tokens": 1.5, "total_tokens": "9"}, (None, None, None, None), None),
        ({"prompt_tokens": 10, "completion_tokens": 2**53, "cost": True}, (10, None, None, None), None),
        (None, (None, None, None, None), None),
        ([1], (None, None, None, None), None),
    ],
)
def test_tokens_and_price_are_read_as_the_endpoint_tells_them(usage: Any, tokens: tuple[Any, ...], usd: Any) -> None:
    with OpenAIServer(answering({"content": "x"}, usage=usage)) as server:
        (reply,) = complete(config(server), ask())
    found = (reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens, reply.reasoning_tokens)
    assert found == tokens and reply.usd == usd


def test_a_price_that_the_endpoint_tells_wins_over_the_config() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.5}
    with OpenAIServer(answering({"content": "x"}, usage=usage)) as server:
        (reply,) = complete(config(server, price={"prompt": 1, "completion": 1}), ask())
    assert reply.usd == 0.5


@pytest.mark.parametrize("count", ["9" * 5000, "1e999", "-3", "NaN", "true"])
def test_a_count_that_is_none_is_unknown(count: str) -> None:
    body = '{"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": %s}}'
    answer = read_completion(read_json((body % count).encode()), None)
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("x", None, None)


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("tool_calls", "stop"),
        ("STOP", "stop"),
        ("model_length", "length"),
        ("MAX_TOKENS", "length"),
        ("incomplete", "length"),
        ("content_filter", "filter"),
        ("SAFETY", "filter"),
        ("refusal", "refusal"),
        (None, "unknown"),
        (7, "unknown"),
    ],
)
def test_why_it_ended_is_said_in_our_words(said: Any, ours: str) -> None:
    answer = read_completion({"choices": [{"message": {"content": "x"}, "finish_reason": said}]}, None)
    assert answer.finish_reason == ours


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "upstream is down", "code": 502}},
        {"error": {"message": "busy", "type": "overloaded_error"}},
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        {"error": [{"code": "503", "message": "no capacity"}]},
        {"object": "error", "message": "internal", "code": 500},
        {"choices": []},
        {"choices": [{"message": {"content": ""}, "finish_reason": "error", "error": {"message": "x", "code": 502}}]},
        {
            "choices": [
                {"message": {"content": "half"}, "finish_reason": "stop", "error": {"message": "x", "code": 400}}
            ]
        },
        {"choices": [{"message": {"content": "half"}, "finish_reason": "insufficient_system_resource"}]},
    ],
)
def test_an_error_inside_a_200_is_tried_again(body: dict[str, Any]) -> None:
    seen = []

    def handler(request: dict[str, Any]) -> str | Response:
        seen.append(1)
        return "ok" if len(seen) > 1 else Response(body)

    with OpenAIServer(handler) as server:
        (reply,) = complete(config(server, retries=1), ask())
    assert (reply.text, reply.attempts) == ("ok", 2)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"error": "Unexpected endpoint or method. (POST /chat/completions)"}, "wrong-address"),
        ({"detail": "Not Found"}, "wrong-address"),
        ({"error": {"message": "Incorrect API key", "code": 401}}, "bad-key"),
        ({"error": {"type": "authentication_error", "message": "no"}}, "bad-key"),
        ({"error": {"message": "Insufficient Balance", "code": "402"}}, "no-credit"),
    ],
)
def test_a_fault_of_the_set_up_inside_a_200_is_not_tried_again(body: dict[str, Any], reason: str) -> None:
    with OpenAIServer(lambda request: Response(body)) as server:
        with pytest.raises(EpisodeError) as caught:
            complete(config(server), ask())
        assert (caught.value.failure, caught.value.reason) == ("setup", reason)
        assert len(server.requests) == 1


def test_token_ids_and_logprobs_are_read_where_the_endpoint_gives_them() -> None:
    def handler(body: dict[str, Any]) -> Response:
        assert body["logprobs"] is True
        answer = completion(body, "hi")
        answer["choices"][0]["logprobs"] = {"content": [{"id": 5, "token": "h", "logprob": -0.5}]}
        return Response(answer)

    with OpenAIServer(handler) as server:
        (reply,) = complete(config(server), ask(want_tokens=True))
    assert reply.token_ids == (5,) and reply.logprobs == (-0.5,)


def test_the_concurrency_limit_is_shared_by_models_of_one_endpoint_and_key() -> None:
    async def run() -> None:
        one = make_model("one", config(server, concurrency=3))
        two = make_model("two", config(server, concurrency=3))
        requests = (model.complete(ask(str(i))) for i in range(15) for model in (one, two))
        await asyncio.gather(*requests)
        await one.close()
        await two.close()

    with OpenAIServer(latency=0.02) as server:
        asyncio.run(run())
        assert server.counts["ok"] == 30 and server.peak == 3


def test_a_model_can_be_used_from_a_second_event_loop() -> None:
    with OpenAIServer() as server:
        model = make_model("m", config(server))
        texts = [asyncio.run(model.complete(ask())).text for _ in range(2)]
    assert texts[0] == texts[1]


def test_a_cancelled_call_gives_its_slot_back() -> None:
    async def use(model: Model) -> str:
        task = asyncio.create_task(model.complete(ask("slow")))
        while not server.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return (await asyncio.wait_for(model.complete(ask("quick")), 60)).text

    with OpenAIServer(faults=FaultPlan(script=["hang"], hang_s=300)) as server:
        assert with_model(config(server, concurrency=1), use)


def test_many_calls_under_faults_all_end_and_none_hangs() -> None:
    async def use(model: Model) -> list[Any]:
        requests = [ask(f"call {i}", identity=whose(f"e{i}")) for i in range(120)]
        return await asyncio.gather(*(model.complete(r) for r in requests), return_exceptions=True)

    plan = FaultPlan(rate=0.2, seed=3)
    with OpenAIServer(faults=plan) as server:
        got = with_model(quick(server, retries=8, deadlines={"call": 3, "connect": 60}, concurrency=12), use)
        faults = sum(server.counts.values()) - server.counts["ok"]
    assert [reply for reply in got if isinstance(reply, BaseException)] == []
    assert faults >= 15
    assert sum(reply.attempts for reply in got) >= 120 + faults
