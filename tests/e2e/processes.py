"""Real processes for the end-to-end tests: an endpoint, and the harness played against it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from harness.results.records import VOLATILE
from harness.results.store import EPISODES, JUDGEMENTS
from tests.shared_data import ROOT

LONGEST_S = 300.0
"""After this a process counts as hanging and the test fails."""


@contextmanager
def endpoint(*arguments: str) -> Iterator[str]:
    """The local OpenAI-protocol server as a process of its own; gives its base URL."""
    command = [sys.executable, "-m", "tests.servers.openai_server", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), line
        yield line.removeprefix("listening on ").strip() + "/v1"
    finally:
        process.kill()
        process.wait()


def write_config(path: Path, url: str, tasks: int, **changes: Any) -> Path:
    """An experiment against the endpoint: two arms, a judge, short dialogues."""
    model = {"provider": "openai", "model": "local", "base_url": url, "deadlines": {"connect": 60, "call": 60}}
    raw: dict[str, Any] = {
        "name": "e2e",
        "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": tasks, "options": {"max_turns": 4}}],
        "models": {"m": model},
        "actors": ["m"],
        "strategists": ["vanilla", {"kind": "epo", "model": "m"}],
        "judge": "m",
        "limits": {"episodes_at_once": 6},
    }
    path.write_text(yaml.safe_dump(raw | changes))
    return path


class Harness:
    """`harness run CONFIG` on one run folder, as a process."""

    def __init__(self, config: Path, name: str, *, slow_s: float | None = None, options: tuple[str, ...] = ()) -> None:
        self.results = config.parent / "results"
        self.folder = self.results / name
        module = "harness.cli" if slow_s is None else "tests.e2e.slow_harness"
        self.command = [sys.executable, "-m", module, "run", str(config), "--results", str(self.results)]
        self.command += ["--name", name, *options]
        self.environment = os.environ | {"PYTHONPATH": str(ROOT), "SLOW_WRITE_S": str(slow_s or 0)}

    def start(self, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(self.command, env=self.environment, cwd=self.results.parent, **(pipes | options))

    def run(self, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run to the end. A traceback in what it says fails the test."""
        process = self.start(**options)
        try:
            out, err = process.communicate(timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(self.command, process.returncode, out, err)

    def size(self) -> int:
        """Bytes of records on disk."""
        return sum(path.stat().st_size for path in map(self.folder.joinpath, (EPISODES, JUDGEMENTS)) if path.exists())


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> bool:
    """Wait for something; False when the process ended before."""
    until = time.monotonic() + LONGEST_S
    while not reached():
        if process.poll() is not None:
            return False
        if time.monotonic() > until:
            process.kill()
            raise TimeoutError(f"nothing happened for {LONGEST_S:g} s: {process.args!r}")
        time.sleep(0.005)
    return True


def interrupt_twice(
    harness: Harness, under_way: Callable[[subprocess.Popen[str]], bool], folder: Path
) -> tuple[int, str, str]:
    """SIGINT once the run is where the test wants it, and again once it has said that it heard the first.

    Returns:
        The exit code and what was printed on both streams.
    """
    said = folder / "said.txt"
    with open(said, "w") as stderr:
        process = harness.start(stderr=stderr)
    try:
        assert wait_until(lambda: under_way(process), process), said.read_text()
        process.send_signal(signal.SIGINT)
        assert wait_until(lambda: "letting the running episodes end" in said.read_text(), process), said.read_text()
        assert process.poll() is None, "the first one lets running episodes end"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=LONGEST_S)
    finally:
        process.kill()
    return process.returncode, out, said.read_text()


def lines_so_far(path: Path) -> list[bytes]:
    """The whole lines of a file that another process is writing; what it has not ended yet is left out."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def lines(path: Path) -> list[dict[str, Any]]:
    """Every line of a JSONL file that nobody writes. Fails on one that is not whole."""
    data = path.read_bytes()
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.splitlines()]


def steady(value: Any) -> Any:
    """A record without the fields that may differ between a run and its repetition."""
    if isinstance(value, dict):
        return {key: steady(part) for key, part in value.items() if key not in VOLATILE}
    return [steady(part) for part in value] if isinstance(value, list) else value


def finished_episodes(folder: Path) -> dict[str, Any]:
    """Episode id -> its finished record. Fails when one was finished twice."""
    done = [line for line in lines(folder / EPISODES) if line["status"] == "finished"]
    by_id = {line["episode_id"]: steady(line) for line in done}
    assert len(by_id) == len(done), "an episode was finished twice"
    return by_id


def scores(folder: Path) -> dict[str, Any]:
    """Judgement id -> its scored record. Fails when one was scored twice."""
    done = [line for line in lines(folder / JUDGEMENTS) if line["status"] == "scored"]
    by_id = {line["judgement_id"]: steady(line) for line in done}
    assert len(by_id) == len(done), "an episode was scored twice"
    return by_id
