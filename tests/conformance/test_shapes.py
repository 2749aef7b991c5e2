"""Answers of broken servers: whatever is sent, a record says what became of the call, and nothing of ours breaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.product import run
from tests.servers.anthropic_server import AnthropicServer
from tests.servers.anthropic_server import message as anthropic_message
from tests.servers.openai_server import OpenAIServer, completion
from tests.servers.wire import Response

NESTED: Any = "deep"
for _ in range(300):
    NESTED = [NESTED]
CONTENTS: list[Any] = [None, 5, True, {}, [], [None], [5], [{"type": "text"}], NESTED]
THOUGHTS: list[Any] = [5, [], {}, [None], NESTED]
RAW = [
    *(b"", b" ", b"null", b"true", b"17", b'"a text"', b"[]", b"{}", b"{", b"\xff\xfe\x00", b"data: {}\n\n", b"[DONE]"),
    *(
        b'{"error": null}',
        b'{"error": []}',
        b'{"error": 5}',
        b'{"error": {"message": null}}',
        b'{"error": {"message": [1]}}',
    ),
    *(b'{"detail": null}', b'{"detail": [{"loc": 3}]}', b'{"message": {"detail": {}}}', b'[{"error": "x"}]', b"[[[]]]"),
    *(b'{"errors": ["x"]}', b'{"code": -1}', b'{"error": {"code": 1e999}}', b'{"choices": "none"}', b'{"choices": {}}'),
    *(json.dumps({"error": NESTED}).encode(), b"[" * 50_000, b"x" * 300_000, b'{"error": "' + b"y" * 300_000 + b'"}'),
]
CHOICES: list[Any] = [
    *(None, 7, "text", {}, [], {"message": None}, {"message": "text"}, {"message": []}, {"text": 4}, {"delta": {}}),
    *({"message": {"content": content}} for content in CONTENTS),
    *({"message": {"content": "", "reasoning_content": thought}} for thought in THOUGHTS),
    {"message": {"content": "", "tool_calls": [{"function": None}]}, "finish_reason": "tool_calls"},
    {"message": {"content": None}, "finish_reason": {"reason": "stop"}},
    {"message": {"content": "x", "reasoning_details": [None, 3, {"text": None}]}, "finish_reason": 3, "error": []},
]
BLOCKS: list[Any] = [
    *(None, 5, "text", {}, [None], [5], [{}], [{"type": 5}], [{"type": "text"}], [{"type": "text", "text": None}]),
    *([{"type": "text", "text": ["x"]}], [{"type": "thinking"}], [{"type": "thinking", "thinking": 5}], NESTED),
]
GOOD = "Action: search[red mug]"


def odd(body: dict[str, Any], number: int) -> Response:
    """The answer of that number: raw bytes with a good and a bad status, choices, usage."""
    if number < 2 * len(RAW):
        return Response(RAW[number // 2], 200 if number % 2 else 400)
    number -= 2 * len(RAW)
    if number < len(CHOICES):
        return Response(completion(body, "") | {"choices": [CHOICES[number]]})
    usage: list[Any] = [
        None,
        5,
        "x",
        [],
        {"prompt_tokens": {}, "completion_tokens": [], "total_tokens": "9", "cost": "dear"},
    ]
    return Response(completion(body, GOOD, usage=usage[number - len(CHOICES)], model=None, id=5, created="now"))


def plays(url: str, provider: str, episodes: int) -> dict[str, Any]:
    """A step of WebShop per answer, none of them asked for again."""
    return {
        "name": "shapes",
        "environments": [{"name": "webshop", "split": "builtin-test", "tasks": 1, "options": {"max_steps": 1}}],
        "models": {"m": {"provider": provider, "model": "m", "base_url": url, "retries": 0, "reasoning_tokens": 0}},
        "actors": ["m"],
        "strategists": ["vanilla"],
        "repeats": episodes,
        "limits": {"episodes_at_once": 1},
    }


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-none")


def sound(ran: Any) -> None:
    """What is true of every record: a failure has a class and a name, and is not a fault of ours."""
    assert "Traceback" not in ran.printed
    for episode in ran.episodes:
        assert episode.error is None or episode.error.kind in ("infrastructure", "model"), episode.error
        assert episode.error is None or (episode.error.failure and episode.error.reason), episode.error
        assert episode.error is None or len(episode.error.message) < 1000, len(episode.error.message)
        assert all(len(call.error or "") < 1000 for call in episode.calls)


def test_broken_answers_of_a_chat_endpoint_break_nothing(tmp_path: Path) -> None:
    episodes, asked = 2 * len(RAW) + len(CHOICES) + 5, []

    def answer(body: dict[str, Any]) -> Response:
        asked.append(body)
        return odd(body, len(asked) - 1) if len(asked) <= episodes else Response(completion(body, GOOD))

    with OpenAIServer(answer) as server:
        config = plays(server.url, "openai", episodes)
        ran = run(config, tmp_path, "--no-check")
        while len(asked) < episodes and ran.exit == 4:  # refusals stop a run, and it goes on
            before = len(asked)
            ran = run(config, tmp_path, "--no-check")
            assert len(asked) > before
        sound(ran)
        assert run(config, tmp_path, "--no-check").exit in (0, 4)


def test_broken_answers_of_anthropics_protocol_break_nothing(tmp_path: Path) -> None:
    asked: list[Any] = []

    def answer(body: dict[str, Any]) -> Response:
        asked.append(body)
        return Response(anthropic_message(body, "") | {"content": BLOCKS[(len(asked) - 1) % len(BLOCKS)]})

    with AnthropicServer(answer) as server:
        ran = run(plays(server.url, "anthropic", len(BLOCKS)), tmp_path, "--no-check")
    sound(ran)
    assert len(ran.episodes) == len(BLOCKS)
