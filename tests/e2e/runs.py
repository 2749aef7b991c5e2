"""Whole runs through the command line, in processes of their own, and what their folders say afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml


def endpoint_config(url: str, **changes: Any) -> dict[str, Any]:
    """A model at a test server: deadlines short enough for hangs and drips to fail soon."""
    return {"provider": "openai", "model": "local", "base_url": url, "deadlines": {"call": 2.0}, "retries": 6} | changes


def dialogues(model: dict[str, Any], episodes: int, **changes: Any) -> dict[str, Any]:
    """An experiment of that many four-turn SOTOPIA episodes, half of them in each of two arms."""
    tasks = min(50, episodes // 2)
    assert episodes % (2 * tasks) == 0
    options = {"max_turns": 4}
    raw: dict[str, Any] = {
        "name": "dialogues",
        "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": tasks, "options": options}],
        "models": {"m": model},
        "actors": ["m"],
        "strategists": ["vanilla", "null"],
        "repeats": episodes // (2 * tasks),
        "limits": {"episodes_at_once": 64},
    }
    return raw | changes


def harness(
    config: dict[str, Any], results: Path, *flags: str, timeout: float = 300, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`harness run` to its end. A run that hangs fails the test, showing what its watchdog said."""
    results.mkdir(parents=True, exist_ok=True)
    path = results.parent / f"{results.name}.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "harness.cli", "run", str(path), "--results", str(results), *flags]
    variables = {**os.environ, **environment}
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=variables, check=False)
    except subprocess.TimeoutExpired as late:
        said = late.stderr.decode() if isinstance(late.stderr, bytes) else late.stderr
        raise AssertionError(f"the run hung for {timeout:g} s; it said:\n{said}") from None


def lines(folder: Path, name: str = "episodes.jsonl") -> list[dict[str, Any]]:
    """Every record of a file, in order; each line has to be whole."""
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def only_run(results: Path) -> Path:
    (folder,) = (path for path in results.iterdir() if path.is_dir())
    return folder


def became(records: list[dict[str, Any]]) -> Counter[str]:
    """What became of the records: "finished" or the kind of error -> number."""
    return Counter(record["error"]["kind"] if record["error"] else "finished" for record in records)
