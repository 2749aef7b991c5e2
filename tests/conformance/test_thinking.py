"""A model that thinks aloud, and long, through all three environments and in every role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.product import run
from tests.servers.openai_server import OpenAIServer, completion
from tests.servers.replies import words_in
from tests.servers.roles import LINE, SEARCH, answer_to
from tests.servers.wire import Response

SPLITS = {"webshop": "builtin-test", "alfworld": "builtin-test-mini", "sotopia": "builtin-test"}
THOUGHT = (
    "<think>\nThey may want click[Buy Now]. Action: look? "
    '{"action_type": "leave", "argument": ""} strategy: lie? No.\n</think>\n\n'
)
NEED = 600
"""Tokens that the model thinks before it answers."""


def qwen(body: dict[str, Any], need: int = NEED) -> Response:
    """Qwen3 behind a server without a parser: thinks first, in the text, and is cut off where it has no room."""
    given = body.get("max_tokens") or body["max_completion_tokens"]
    usage = {"prompt_tokens": words_in(body["messages"]), "completion_tokens": min(given, need + 40)}
    if given <= need:
        reply = completion(body, THOUGHT.partition("</think>")[0], usage=usage)
        reply["choices"][0]["finish_reason"] = "length"
        return Response(reply)
    return Response(completion(body, THOUGHT + answer_to(body), usage=usage))


def _place(name: str) -> dict[str, Any]:
    steps = "max_turns" if name == "sotopia" else "max_steps"
    return {"name": name, "split": SPLITS[name], "tasks": 1, "options": {steps: 2}}


def test_a_model_that_thinks_aloud_plays_everything(tmp_path: Path) -> None:
    """All three environments, with and without a strategist, judged by itself; every arm with the same room."""
    with OpenAIServer(qwen) as server:
        raw = {
            "name": "qwen",
            "environments": [
                {
                    "name": place,
                    "split": SPLITS[place],
                    "tasks": 1,
                    "options": {"max_turns" if place == "sotopia" else "max_steps": 2},
                }
                for place in SPLITS
            ],
            "models": {"qwen": {"provider": "openai", "model": "Qwen/Qwen3-8B", "base_url": server.url}},
            "actors": [{"model": "qwen", "max_tokens": 80}],
            "strategists": ["vanilla", "react", {"kind": "epo", "model": "qwen", "max_tokens": 60}],
            "judge": "qwen",
        }
        ran = run(raw, tmp_path)
    assert ran.exit == 0, ran.told
    assert len(ran.episodes) == 9
    meant = {"webshop": SEARCH, "alfworld": "look", "sotopia": LINE}
    for episode in ran.episodes:
        assert {turn.action for turn in episode.turns} == {meant[episode.environment]}
        assert "lie" not in {turn.strategy for turn in episode.turns}
    calls = [call for role in ("actor", "strategist") for call in ran.calls(role)]
    assert all(call.reasoning and "Buy Now" in call.reasoning for call in calls)
    assert len({call.room for call in calls}) == 1, "the arms played with different room"
    assert [judgement.status for judgement in ran.judgements] == ["scored"] * 3


@pytest.mark.parametrize("beforehand", [0, 100], ids=["not at all", "a little"])
def test_a_model_that_thinks_more_in_play_than_when_it_was_checked_still_plays(beforehand: int, tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> str | Response:
        if "connection test" in body["messages"][-1]["content"]:
            return "ok" if not beforehand else qwen(body, beforehand)
        return qwen(body)

    with OpenAIServer(answer) as server:
        raw = {
            "name": "hybrid",
            "environments": [_place("webshop")],
            "models": {"qwen": {"provider": "openai", "model": "Qwen/Qwen3-8B", "base_url": server.url}},
            "actors": [{"model": "qwen", "max_tokens": 80}],
            "strategists": ["vanilla", {"kind": "epo", "model": "qwen", "max_tokens": 60}],
        }
        ran = run(raw, tmp_path)
    assert ran.exit == 0, ran.told
    assert {turn.action for episode in ran.episodes for turn in episode.turns} == {SEARCH}
