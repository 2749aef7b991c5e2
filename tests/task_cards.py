"""Cards of models that say which tasks they were trained on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.results import leaks


def write_training_tasks(folder: Path, tasks: Iterable[tuple[str, str]], description: str = "") -> Path:
    """Write the card of a checkpoint that was trained on (environment, task id) pairs; returns its path."""
    return leaks.write_training_tasks(folder, {leaks.task_hash(*task) for task in tasks}, description)
