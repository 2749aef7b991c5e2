"""What a well-behaved model says when it is asked as an actor, a strategist or a judge, whatever the protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from harness.results.scales import SOTOPIA as DIMENSIONS

SEARCH = "search[red mug]"
LINE = "Good day to you."
ADVICE = "Look at the price first."


def texts_of(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(role, text) of all messages of a request in any of the protocols."""
    for name in ("system", "instructions"):
        if body.get(name):
            yield "system", _text(body[name])
    given = body.get("messages") or body.get("input") or []
    for message in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        yield message.get("role", ""), _text(message.get("content"))


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(block.get("text", "")) for block in content if isinstance(block, dict))
    return "" if content is None else str(content)


def answer_to(body: dict[str, Any]) -> str:
    """The text of a model that does as it was told."""
    asked = "\n".join(text for _, text in texts_of(body))
    if '"agent_1"' in asked:
        return json.dumps(evaluation())
    if "Strategy: <the strategy>" in asked:
        return f"Strategy: {ADVICE}"
    if "Thought: <your thought>" in asked:
        return f"Thought: {ADVICE}"
    if '"action_type"' in asked:
        said = {"action_type": "speak", "argument": LINE}
        return json.dumps({"thought": "fine", **said} if '"thought"' in asked else said)
    if "household task" in asked:
        return f"{_thought(asked)}Action: look"
    return f"{_thought(asked)}Action: {SEARCH}"


def _thought(asked: str) -> str:
    return "Thought: fine.\n" if "Thought: <one" in asked else ""


def evaluation(goal: int = 5) -> dict[str, Any]:
    """What SOTOPIA's judge answers: 0 in every dimension but the goal, for both."""
    return {
        agent: {
            name: {"reasoning": f"because of {name}", "score": goal if name == "goal" else 0}
            for name, _, _ in DIMENSIONS
        }
        for agent in ("agent_1", "agent_2")
    }
