"""A small SOTOPIA run with process rewards, its strategist behind a real HTTP server that keeps what it was sent."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from agents.models.base import ChatRequest
from harness.runs.checking import QUESTION
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.harness.builders import experiment, judge_script, speak
from tests.servers.openai_server import OpenAIServer

SCRIPT = {"provider": "scripted", "function": "tests.harness.training.played:others"}


def others(request: ChatRequest) -> str:
    """Actor, judge of outcomes, and judge of strategies, who finds every second one critical."""
    if request.identity.role == "actor":
        return speak(request)
    if request.identity.role == "judge":
        return judge_script(request)
    count = int((request.schema or {})["properties"]["critical"]["maxItems"])
    named = [{"reason": "it helped", "strategy": number} for number in range(2, count + 1, 2)]
    return json.dumps({"critical": named})


def strategy(body: dict[str, Any]) -> str:
    """A strategist that counts its own turns."""
    past = sum(message["role"] == "assistant" for message in body["messages"])
    return f"Strategy: plan {past}, ask what the other wants"


def play(
    folder: Path, handler: Callable[[dict[str, Any]], Any] = strategy, **changes: Any
) -> tuple[Path, list[dict[str, Any]]]:
    """(the run's folder, every request body the strategist's server received while it played)."""
    environment = {"name": "sotopia", "split": "builtin-test", "tasks": 2, "options": {"max_turns": 6}}
    with OpenAIServer(handler) as server:
        raw = {
            "environments": [environment],
            "models": {"m": SCRIPT, "s": {"provider": "openai", "model": "local", "base_url": server.url}},
            "strategists": [{"kind": "epo", "model": "s"}, "vanilla"],
            "judge": "m",
            "process": [{"method": "critical", "model": "m"}],
        }
        with Run(experiment(**(raw | changes)), folder) as run:
            execute(run, Progress(Console(file=io.StringIO())))
        return folder, [body for body in server.requests if body["messages"][-1]["content"] != QUESTION]
