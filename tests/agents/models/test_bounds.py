"""What an answer may be: of the server that was asked, of bounded size, and without the key that was sent."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from harness.base.errors import EpisodeError
from tests.agents.models.conftest import ask, complete
from tests.servers.anthropic_server import AnthropicServer
from tests.servers.openai_server import OpenAIServer, completion
from tests.servers.wire import Response

KEY = "planted-Key/47+11.abcdefgh"
VARIABLE = "PLANTED_FOR_A_TEST"


def config(server: OpenAIServer | AnthropicServer, **more: Any) -> dict[str, Any]:
    return {"provider": "openai", "model": "local", "base_url": server.url, "retries": 0, **more}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS = (
    KEY,
    f"Bearer {KEY}",
    *(encoded(before + KEY) for before in ("", "u:", "Bearer ", "me:")),
    encoded("ab" + KEY + "cd"),
    base64.urlsafe_b64encode(f"x{KEY}y".encode()).decode(),
)


@pytest.mark.parametrize("form", FORMS)
def test_a_key_that_comes_back_is_in_no_part_of_the_reply(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)

    def handler(body: dict[str, Any]) -> Response:
        message = {
            "role": "assistant",
            "content": f"I was asked with {form}, thanks",
            "reasoning_content": f"so: {form}",
        }
        choice = {"index": 0, "message": message, "finish_reason": "stop", "token_ids": [1, 2]}
        return Response(completion(body, "", model=f"m-{form}") | {"choices": [choice]})

    with OpenAIServer(handler) as server:
        (reply,) = complete(config(server, api_key_env=VARIABLE), ask())
    assert reply.text.startswith("I was asked with ") and reply.text.endswith(", thanks")
    assert "[key]" in reply.text and "[key]" in reply.model and "[key]" in (reply.reasoning or "")
    assert reply.token_ids is None
    said = repr(reply)
    for before in range(3):
        assert encoded("x" * before + KEY)[4:-4] not in said
    assert KEY not in said


def test_a_refusal_that_quotes_the_key_is_told_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)

    def handler(body: dict[str, Any]) -> Response:
        message = {"role": "assistant", "content": None, "refusal": f"not with {KEY}"}
        return Response(completion(body, "") | {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    with OpenAIServer(handler) as server, pytest.raises(EpisodeError, match=r"not with \[key\]") as caught:
        complete(config(server, api_key_env=VARIABLE), ask())
    assert KEY not in str(caught.value)


def test_a_short_key_leaves_the_words_of_a_dialogue_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "test")
    with OpenAIServer(lambda body: "this is a test") as server:
        (reply,) = complete(config(server, api_key_env=VARIABLE), ask())
    assert reply.text == "this is a test"


def test_an_answer_that_grows_beyond_the_limit_when_decompressed_is_not_read() -> None:
    def handler(body: dict[str, Any]) -> Response:
        whole = json.dumps(completion(body, "a" * (33 << 20))).encode()
        return Response(gzip.compress(whole, 9), headers={"content-encoding": "gzip"})

    with OpenAIServer(handler) as server, pytest.raises(EpisodeError, match="longer than 32 MiB"):
        complete(config(server, retries=3), ask())
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_is_declared_longer_than_the_limit_is_not_read(status: int) -> None:
    whole = b" " * ((32 << 20) + 1)
    with (
        OpenAIServer(lambda body: Response(whole, status)) as server,
        pytest.raises(EpisodeError, match="longer than 32 MiB"),
    ):
        complete(config(server), ask())


def test_a_compressed_answer_within_the_limit_is_read() -> None:
    def handler(body: dict[str, Any]) -> Response:
        whole = json.dumps(completion(body, "good day")).encode()
        return Response(gzip.compress(whole), headers={"content-encoding": "gzip"})

    with OpenAIServer(handler) as server:
        (reply,) = complete(config(server), ask())
    assert reply.text == "good day"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_host_is_not_followed_and_says_so(status: int) -> None:
    with OpenAIServer() as elsewhere:
        away = Response({}, status, {"location": f"{elsewhere.url}/chat/completions?sig=private"})
        with (
            OpenAIServer(lambda body: away) as server,
            pytest.raises(EpisodeError, match="redirects to another host, " + elsewhere.root) as caught,
        ):
            complete(config(server), ask())
        assert not elsewhere.requests
    assert caught.value.reason == "wrong-address"
    assert "private" not in str(caught.value)


def test_a_redirect_on_the_same_host_is_followed() -> None:
    with OpenAIServer() as server:
        asked = []

        def handler(body: dict[str, Any]) -> Any:
            asked.append(body)
            if len(asked) == 1:
                return Response({}, 307, {"location": f"{server.url}/chat/completions"})
            return "arrived"

        server.handler = handler
        (reply,) = complete(config(server), ask())
    assert reply.text == "arrived"


def test_the_other_library_follows_no_redirect_to_another_host_either() -> None:
    with OpenAIServer() as elsewhere:
        away = Response({}, 307, {"location": f"{elsewhere.url}/messages"})
        with (
            AnthropicServer(lambda body: away) as server,
            pytest.raises(EpisodeError, match="redirects to another host"),
        ):
            complete(config(server, provider="anthropic"), ask())
        assert not elsewhere.requests
