"""Trainings as a user would write them, small enough to play in seconds: scripted actors and judges, a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

SCRIPTS = "tests.harness.training.scripts"


def training(start: Path, **changes: Any) -> dict[str, Any]:
    """Two iterations over both kinds of environments: one that verifies its outcome, and one that is judged."""
    raw: dict[str, Any] = {
        "name": "tiny",
        "iterations": 2,
        "environments": [
            {
                "name": "alfworld",
                "options": {"max_steps": 3},
                "train": {"split": "builtin-train-mini", "tasks": 3},
                "held_out": {"split": "builtin-test-mini", "tasks": 2},
            },
            {
                "name": "sotopia",
                "options": {"max_turns": 4},
                "train": {"split": "builtin-train", "tasks": 2},
                "held_out": {"split": "builtin-test", "tasks": 2},
            },
        ],
        "models": {
            "start": {"provider": "transformers", "model": str(start)},
            "actor": {"provider": "scripted", "function": f"{SCRIPTS}:actor"},
            "judge": {"provider": "scripted", "function": f"{SCRIPTS}:judge"},
        },
        "strategist": {"model": "start", "temperature": 0.7, "max_tokens": 8},
        "actor": "actor",
        "judge": "judge",
        "process": [
            {"method": "progress", "environments": ["alfworld"]},
            {"method": "critical", "model": "judge", "environments": ["sotopia"]},
        ],
        "fit": {"learning_rate": 1e-3, "max_steps": 3, "bf16": False, "save_steps": 1, "tensorboard": False},
    }
    return raw | changes


def write_training(path: Path, start: Path, **changes: Any) -> Path:
    path.write_text(yaml.safe_dump(training(start, **changes)))
    return path


def empty_weights(folder: Path) -> Path:
    """A folder that looks like a model to whoever does not load it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder
