"""The endpoint that the run in `tests/data/run-0.1` was played with, by version 0.1. It writes as reasoning models do, so that
the earlier readers and today's read its answers differently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.harness.builders import act, evaluation
from tests.servers.openai_server import OpenAIServer, schema_of

DATA = Path(__file__).resolve().parents[1] / "data" / "run-0.1"
CONFIG = DATA / "experiment.yaml"
"""Three environments, vanilla and epo, a judge and a method of process rewards."""
THINKING = "<think>\nI could lie.\n</think>\n\n"


def answer(body: dict[str, Any]) -> str:
    """What the model that a request names says to it."""
    if body["model"] == "judge":
        return json.dumps(evaluation(goal=6))
    turn = sum(message["role"] == "assistant" for message in body["messages"])
    if body["model"] == "strategist":
        return f"{THINKING}Be fair, part {turn}."
    if schema_of(body) is not None:
        return THINKING + act("speak", f"line {turn}")
    if "search[" in json.dumps(body["messages"]):
        return ("Action: search[lamp]", "Action: click[back to search]\nObservation: done")[turn % 2]
    return ("Action: look", "I look around first.\nThen I go on.")[turn % 2]


def endpoint() -> OpenAIServer:
    """A server for `with`; its address goes into $OPENAI_BASE_URL."""
    return OpenAIServer(answer, models=("actor", "strategist", "judge"))
