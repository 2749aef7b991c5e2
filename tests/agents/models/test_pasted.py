"""Keys in a model's config: refused where it certainly is one, warned about where it may be, and read from the environment
wherever one can be needed."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from agents.models import make_model
from agents.models.pasted import _WARNED
from harness.base.errors import BadInput, EpisodeError
from tests.agents.models.conftest import ask, complete
from tests.servers.anthropic_server import AnthropicServer
from tests.servers.openai_server import OpenAIServer

SECRET = "planted-4711-abcdefgh"
AT = {"provider": "openai", "model": "local", "base_url": "http://127.0.0.1:9/v1"}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"headers": {"Authorization": f"Bearer {SECRET}"}}, "headers.Authorization"),
        ({"headers": {"x-auth": "Basic dXNlcjpwYXNzd29yZA=="}}, "headers.x-auth"),
        ({"headers": {"x-team": "sk-abcdefghij0123"}}, "headers.x-team"),
        ({"query": {"k": "hf_abcdefghijklmnopqrstuvwx"}}, "query.k"),
        ({"extra_body": {"provider": {"keys": ["ok", "sk-proj-abcdefgh1234"]}}}, "extra_body.provider.keys.1"),
        ({"base_url": "https://gateway.example/sk-abcdefgh1234/v1"}, "base_url"),
    ],
)
def test_a_key_is_refused_unseen(change: dict[str, Any], place: str) -> None:
    with pytest.raises(BadInput, match=f"{place} holds a key.*{{env: NAME}}") as caught:
        make_model("m", AT | change)
    for value in (SECRET, "dXNlcjpw", "abcdefgh"):
        assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"headers": {"api-key": "summer"}}, "headers.api-key"),
        ({"query": {"token": "summer"}}, "query.token"),
        ({"extra_body": {"auth": {"client_secret": "summer"}}}, "extra_body.auth.client_secret"),
        ({"extra_body": {"note": "Zk3f9Qw8Lm2Np5Rt7Vx1Bc4D"}}, "extra_body.note"),
        ({"base_url": "https://gateway.example/Zk3f9Qw8Lm2Np5Rt7Vx1Bc4D/v1"}, "base_url"),
    ],
)
def test_what_may_be_a_key_is_warned_about_once(
    change: dict[str, Any], place: str, caplog: pytest.LogCaptureFixture
) -> None:
    _WARNED.clear()
    with caplog.at_level(logging.WARNING):
        make_model("m", AT | change)
        make_model("m", AT | change)
    (said,) = [record.getMessage() for record in caplog.records if "looks like a key" in record.getMessage()]
    assert place in said and "{env: NAME}" in said and "summer" not in said and "Zk3f9" not in said


@pytest.mark.parametrize(
    "change",
    [
        {"headers": {"x-team": "research", "api-key": "none", "Authorization": "Bearer EMPTY"}},
        {"headers": {"api-key": {"env": "GATEWAY_KEY"}}, "query": {"api-version": "2026-10-21"}},
        {"extra_body": {"usage": {"include": True}, "provider": {"order": ["Azure"]}, "note": "basic information"}},
        {"base_url": "https://my-resource.openai.azure.com/openai/deployments/gpt-4o-mini/v1"},
        {"extra_body": {"api_key": "sk-no-key-required"}},
        {"base_url": "http://127.0.0.1:9/xai-usage-without-reasoning/v1"},
    ],
)
def test_everything_else_is_taken_in_silence(change: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        make_model("m", AT | change)
    assert "looks like a key" not in caplog.text


@pytest.mark.parametrize("key", ["messages", "model", "max_tokens", "max_completion_tokens", "stream"])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "llamacpp", "vllm"])
def test_extra_body_does_not_replace_what_the_harness_sends(provider: str, key: str) -> None:
    config = {"provider": provider, "model": "smollm2-135m-instruct", "extra_body": {key: 1}}
    with pytest.raises(BadInput, match=f"extra_body.{key}: the harness sends it itself"):
        make_model("m", config)


def test_a_secret_may_stand_in_the_environment_wherever_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_FOR_A_TEST", SECRET)
    secret = {"env": "PLANTED_FOR_A_TEST"}
    with OpenAIServer(lambda body: f"you sent {body['auth']['keys'][0]}") as server:
        monkeypatch.setenv("ADDRESS_FOR_A_TEST", server.url + "/")
        config = AT | {
            "base_url": {"env": "ADDRESS_FOR_A_TEST"},
            "headers": {"x-secret": secret},
            "extra_body": {"auth": {"keys": [secret]}, "top_k": 3},
        }
        model = make_model("m", config)
        assert model.base_url == "$ADDRESS_FOR_A_TEST"
        (reply,) = complete(config, ask())
        assert server.requests[0]["auth"] == {"keys": [SECRET]} and server.requests[0]["top_k"] == 3
    assert reply.text == "you sent [key]"


def test_an_address_from_the_environment_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADDRESS_FOR_A_TEST", "http://127.0.0.1:9/private-part-of-it/v1")
    config = AT | {"base_url": {"env": "ADDRESS_FOR_A_TEST"}, "retries": 0}
    with pytest.raises(EpisodeError, match=r"at \$ADDRESS_FOR_A_TEST") as caught:
        complete(config, ask())
    assert "private-part" not in str(caught.value)
    with AnthropicServer() as server:
        monkeypatch.setenv("ADDRESS_FOR_A_TEST", server.url)
        (reply,) = complete(config | {"provider": "anthropic"}, ask())
        assert reply.text


@pytest.mark.parametrize("value", [None, "not an address", "http://user:pass-word@host/v1"])
def test_a_variable_that_holds_no_address_is_named(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADDRESS_FOR_A_TEST", raising=False)
    if value is not None:
        monkeypatch.setenv("ADDRESS_FOR_A_TEST", value)
    with pytest.raises(BadInput, match="ADDRESS_FOR_A_TEST") as caught:
        make_model("m", AT | {"base_url": {"env": "ADDRESS_FOR_A_TEST"}})
    assert "pass-word" not in str(caught.value)


def test_a_secret_of_the_body_that_is_not_set_is_named() -> None:
    with (
        OpenAIServer() as server,
        pytest.raises(EpisodeError, match="NOT_SET_FOR_A_TEST is not set.*extra_body: auth.key"),
    ):
        complete(AT | {"base_url": server.url, "extra_body": {"auth": {"key": {"env": "NOT_SET_FOR_A_TEST"}}}}, ask())
