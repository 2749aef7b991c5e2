"""A run in which every text that somebody else wrote is a payload: strategies, actions, thoughts, reasons, names of
arms, tasks, characters and models, errors. It was really played; then its records were written anew with such texts."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.progress import Progress
from harness.run import Run, execute
from harness.store import EPISODES, JUDGEMENTS, MANIFEST, PROCESS_REWARDS
from tests.browser.payloads import payloads
from tests.harness.builders import experiment
from tests.shared_data import ROOT

FREE = {
    "task_id", "task_label", "end_reason", "message", "content", "text", "observation", "strategy", "action", "rendered",
    "name", "background", "closing", "judge_background", "served_model", "model", "actor_model", "strategist_model",
    "finish_reason", "structured", "strategy_source", "action_kind", "flags", "reason", "description", "group",
}  # fmt: skip
"""Fields that hold text of agents, models, judges or tasks."""


def hostile_run(folder: Path, canary: str) -> Path:
    """Play a run into `folder` and make it hostile. In a process of its own: an event loop can not be started beside
    Playwright's."""
    subprocess.run([sys.executable, "-m", __name__, str(folder), canary], cwd=ROOT, check=True)
    return folder


def _make(folder: Path, canary: str) -> None:
    wanted = payloads(canary)
    names = iter(wanted.values())
    with Run(experiment(**_config(names)), folder) as run:
        execute(run, Progress(Console(file=io.StringIO())))
    texts = itertools.cycle(wanted.values())
    for name in (EPISODES, JUDGEMENTS, PROCESS_REWARDS):
        path = folder / name
        if path.exists():
            lines = [_hostile(json.loads(line), texts) for line in path.read_text().splitlines()]
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
            path.with_suffix(".index.jsonl").unlink(missing_ok=True)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["config"]["description"] = next(texts)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def _config(names: Iterator[str]) -> dict[str, Any]:
    def label() -> str:
        return next(names).replace("\n", " ").replace(" | ", " ")

    environment = {"name": "sotopia", "split": "builtin-test", "tasks": 6, "options": {"max_turns": 6}}
    return {
        "environments": [environment | {"label": label()}],
        "actors": [{"model": "m", "name": label()} for _ in range(2)],
        "strategists": [
            {"kind": "vanilla", "name": label()},
            {"kind": "react", "name": label()},
            {"kind": "epo", "model": "m", "name": label()},
        ],
        "judge": "m",
    }


def _hostile(value: Any, texts: Iterator[str], key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _hostile(part, texts, "reason" if key == "reasons" else name) for name, part in value.items()}
    if isinstance(value, list):
        return [_hostile(part, texts, key) for part in value]
    return next(texts) if isinstance(value, str) and key in FREE else value


if __name__ == "__main__":
    _make(Path(sys.argv[1]), sys.argv[2])
