"""Scripted actors and judges for trainings in tests: deterministic, quick, in every process the same."""

from __future__ import annotations

import json
import re
from typing import Any

from agents.models.base import ChatRequest
from harness.base.seeds import stable_hash
from tests.harness.builders import play_or_judge

PLACES = re.compile(r"\b([a-z]+ \d+)\b")


def actor(request: ChatRequest) -> str:
    """In ALFWorld it goes to a place of the room, or takes what the strategy names; in SOTOPIA it says a line."""
    if request.schema is not None:
        return play_or_judge(request)
    text = request.messages[0].content.rsplit("Now it is your turn.", 1)[-1]
    places = sorted(set(PLACES.findall(text))) or ["shelf 1"]
    choice = int(stable_hash(request.seed)[:8], 16) % len(places)
    return f"Action: go to {places[choice]}"


def judge(request: ChatRequest) -> str:
    """Outcome judgements are the same for all; which strategies were critical is drawn from the call's seed."""
    if request.identity.role == "judge":
        return play_or_judge(request)
    count = _count(request.schema)
    number = 1 + int(stable_hash(request.seed)[:8], 16) % count
    return json.dumps({"critical": [{"reason": "it opened the way", "strategy": number}]})


def mumble(request: ChatRequest) -> str:
    """A judge that cannot be read."""
    return "hm"


def _count(schema: Any) -> int:
    """How many strategies the schema of `critical` allows to be named."""
    return int(schema["properties"]["critical"]["maxItems"])
