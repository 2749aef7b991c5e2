"""A run in which every text that somebody else wrote is a payload: strategies, actions, thoughts, reasons, names of
arms, tasks, characters and models, errors. It was really played; then its records were written anew with such texts."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.results.index import index_paths
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST, PROCESS_REWARDS
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.browser.payloads import payloads
from tests.harness.builders import experiment
from tests.shared_data import ROOT

FREE = {
    "task_label", "end_reason", "message", "content", "text", "observation", "strategy", "action", "rendered",
    "name", "background", "closing", "judge_background", "served_model", "model", "actor_model", "strategist_model",
    "finish_reason", "structured", "strategy_source", "action_kind", "flags", "reason", "description",
}  # fmt: skip
"""Fields that hold text of agents, models, judges or tasks."""
SHARED = ("task_id", "group")
"""Fields by which arms pair: the same text becomes the same payload everywhere."""


def hostile_run(folder: Path, canary: str) -> Path:
    """Play a run into `folder` and make it hostile. In a process of its own: an event loop cannot be started beside
    Playwright's."""
    subprocess.run([sys.executable, "-m", __name__, str(folder), canary], cwd=ROOT, check=True)
    return folder


def _make(folder: Path, canary: str) -> None:
    wanted = payloads(canary)
    with Run(experiment(**_config(wanted)), folder) as run:
        execute(run, Progress(Console(file=io.StringIO())))
    poison = Poison(itertools.cycle(wanted.values()))
    for name in (EPISODES, JUDGEMENTS, PROCESS_REWARDS):
        path = folder / name
        if path.exists():
            lines = [poison.poisoned(json.loads(line)) for line in path.read_text().splitlines()]
            for number, line in enumerate(lines):
                for scores in line.get("scores") or []:
                    scores["goal"] = float(number * 7 % 11)  # so that some win and some lose
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for index in index_paths(folder):
        index.unlink(missing_ok=True)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["config"]["description"] = next(poison.texts)
    (folder / MANIFEST).write_text(json.dumps(manifest))


NAMES = (
    ("script", "plotly markup"),
    ("markdown image", "directive"),
    ("latex href", "markdown link"),
    ("image onerror", "markdown html"),
    ("svg onload", "markdown autolink"),
    ("entities", "formula"),
)
"""Payloads that stand in one name each: of the environment, two actors and three strategists."""


def _config(wanted: Mapping[str, str]) -> dict[str, Any]:
    names = iter(" ".join(wanted[part] for part in parts) for parts in NAMES)
    environment = {"name": "sotopia", "split": "builtin-test", "tasks": 6, "options": {"max_turns": 6}}
    return {
        "environments": [environment | {"label": next(names)}],
        "actors": [{"model": "m", "name": next(names)} for _ in range(2)],
        "strategists": [
            {"kind": "vanilla", "name": next(names)},
            {"kind": "react", "name": next(names)},
            {"kind": "epo", "model": "m", "name": next(names)},
        ],
        "judge": "m",
    }


@dataclass
class Poison:
    """Puts payloads in the place of texts."""

    texts: Iterator[str]
    given: dict[tuple[str, str], str] = field(default_factory=dict)

    def poisoned(self, value: Any, key: str = "") -> Any:
        """The record with a payload in each of the fields above."""
        if isinstance(value, dict):
            return {name: self.poisoned(part, "reason" if key == "reasons" else name) for name, part in value.items()}
        if isinstance(value, list):
            return [self.poisoned(part, key) for part in value]
        if not isinstance(value, str):
            return value
        if key in SHARED:
            if (key, value) not in self.given:
                self.given[key, value] = next(self.texts)
            return self.given[key, value]
        return next(self.texts) if key in FREE else value


if __name__ == "__main__":
    _make(Path(sys.argv[1]), sys.argv[2])
