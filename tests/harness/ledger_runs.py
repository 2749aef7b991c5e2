"""A run whose replies are known one by one: for the tests of the ledger of the interface, wherever it is shown."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from agents.models.base import ChatRequest
from harness.experiment.experiment import Experiment
from harness.results.store import EPISODES
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.harness.builders import act, advise, config, judge_script

THOUGHT = "first I weigh this, then that. " * 50


def play_a_role(request: ChatRequest) -> str:
    """Players of which the first does nothing as long as it follows strategies."""
    who = request.identity
    if who.role in ("strategist", "judge"):
        return advise(request) if who.role == "strategist" else judge_script(request)
    advised = any("for seat" in message.content for message in request.messages)
    return act("none") if advised and who.seat == 0 else act("speak", f"line {who.ordinal}")


def edited(folder: Path, edit: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Rewrite the calls of a run's episodes."""
    lines = [json.loads(line) for line in (folder / EPISODES).read_text("utf-8").splitlines()]
    for record in lines:
        for call in record["calls"]:
            edit(record, call)
    (folder / EPISODES).write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def as_read_today(record: dict[str, Any], call: dict[str, Any]) -> None:
    """Every answer was read as it stands but for the first strategy of a seat, and had reasoning before it."""
    first = call["role"] == "strategist" and call["ordinal"] == 0
    call |= {"read": "unreadable" if first else "ok", "reasoning": THOUGHT, "reasoning_tokens": 7}


def play(folder: Path) -> Path:
    """Vanilla and epo in six SOTOPIA dialogues of eight turns, played into `folder`."""
    raw = config(
        environments=[{"name": "sotopia", "split": "builtin-test", "tasks": 6, "options": {"max_turns": 8}}],
        models={"m": {"provider": "scripted", "function": "tests.harness.ledger_runs:play_a_role"}},
        strategists=["vanilla", {"kind": "epo", "model": "m"}],
        judge="m",
    )
    with Run(Experiment.model_validate(raw), folder) as opened:
        execute(opened, Progress(Console(file=io.StringIO())))
    edited(folder, as_read_today)
    return folder
