"""What a model's server inherits, and whom it answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.models.local.child import inherited, located, new_key, parted
from agents.models.local.vllm_guard import KeyGuard
from agents.models.secrets import key_from


def test_a_child_inherits_no_variable_that_looks_like_a_key_and_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ("OPENAI_API_KEY GITHUB_TOKEN TOKEN DB_PASSWORD CLIENT_SECRET SECRET_SAUCE AWS_SESSION_TOKEN AWS_REGION "
            "GOOGLE_APPLICATION_CREDENTIALS my_apikey AZURE_KEY PGPASSWORD HF_TOKEN SESSION_COOKIE")  # fmt: skip
    kept = "SHELL HOME TOKENIZERS_PARALLELISM MAX_TOKENS CUDA_VISIBLE_DEVICES LD_LIBRARY_PATH OMP_NUM_THREADS KEYBOARD"
    monkeypatch.setenv("GATEWAY", "word")
    key_from("GATEWAY")
    given = dict.fromkeys([*keys.split(), *kept.split(), "GATEWAY"], "word") | {"NOTE": "sk-abcdefgh12345678"}
    assert sorted(inherited(environ=given)) == sorted(kept.split())
    assert "HF_TOKEN" in inherited(("HF_TOKEN",), given)


def test_an_address_and_its_key_travel_in_one_text() -> None:
    key = new_key()
    assert parted(located("http://127.0.0.1:1/v1", key)) == ("http://127.0.0.1:1/v1", key)
    assert parted(located("http://127.0.0.1:1/v1", "")) == ("http://127.0.0.1:1/v1", "")
    assert key != new_key() and len(key) > 30


def asked(guard: KeyGuard, path: str, *headers: tuple[bytes, bytes], kind: str = "http") -> list[Any]:
    """What is sent for a request."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        sent.append(message.get("status", message["type"]))

    asyncio.run(guard({"type": kind, "path": path, "headers": list(headers)}, receive, send))
    return sent


def test_every_path_of_a_vllm_server_but_health_wants_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "app"})

    monkeypatch.setenv("VLLM_API_KEY", "wanted")
    guard = KeyGuard(app)
    key = (b"authorization", b"Bearer wanted")
    for path in ("/v1/chat/completions", "/invocations", "/tokenize", "/metrics", "/health/", "//health"):
        assert asked(guard, path)[0] == 401
        assert asked(guard, path, (b"authorization", b"Bearer other"))[0] == 401
        assert asked(guard, path, key) == ["app"]
        assert asked(guard, path, kind="websocket") == ["websocket.close"]
    assert asked(guard, "/health") == ["app"]
