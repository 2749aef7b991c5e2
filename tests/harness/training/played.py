"""A small SOTOPIA run with process rewards, its strategist behind a real HTTP server that keeps what it was sent."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console

from agents.models.base import ChatRequest
from harness.runs.checking import QUESTION
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.harness.builders import experiment, judge_script, speak
from tests.servers.openai_server import OpenAIServer, completion
from tests.servers.wire import Response

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The template of `tiny.tokenizer()`."""

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


def engine(
    handler: Callable[[dict[str, Any]], Any] = strategy,
    template: str = CHATML,
    day: str = "2026-11-30",
    ids: bool = False,
) -> Callable[[dict[str, Any]], Any]:
    """The handler behind an engine that renders a chat template on a day, counts what comes of it and, where `ids`, gives it."""
    from tests.harness.training import tiny

    tokenizer = tiny.tokenizer("chatml")
    written = template.replace("strftime_now('%d %b %Y')", repr(date.fromisoformat(day).strftime("%d %b %Y")))

    def respond(body: dict[str, Any]) -> Any:
        text = handler(body)
        given = body.get("chat_template_kwargs") or {}
        prompt = tokenizer.apply_chat_template(
            body["messages"], chat_template=written, add_generation_prompt=True, tokenize=False, **given
        )
        tokens = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        usage = {"prompt_tokens": len(tokens), "completion_tokens": len(text.split())}
        return Response(completion(body, text, usage=usage, **({"prompt_token_ids": tokens} if ids else {})))

    return respond


def play(
    folder: Path, handler: Callable[[dict[str, Any]], Any] = strategy, **changes: Any
) -> tuple[Path, list[dict[str, Any]]]:
    """(the run's folder, every request body the strategist's server received while it played)."""
    environment = {"name": "sotopia", "split": "builtin-test", "tasks": 2, "options": {"max_turns": 6}}
    served = {"provider": "openai", "model": "local", **changes.pop("served", {})}
    with OpenAIServer(handler if "respond" in handler.__name__ else engine(handler)) as server:
        raw = {
            "environments": [environment],
            "models": {"m": SCRIPT, "s": {**served, "base_url": server.url}},
            "strategists": [{"kind": "epo", "model": "s"}, "vanilla"],
            "judge": "m",
            "process": [{"method": "critical", "model": "m"}],
        }
        with Run(experiment(**(raw | changes)), folder) as run:
            execute(run, Progress(Console(file=io.StringIO())))
        return folder, [body for body in server.requests if body["messages"][-1]["content"] != QUESTION]
