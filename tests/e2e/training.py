"""`harness train CONFIG` as a process, and what it left behind."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.results.training_curve import read_curve
from tests.e2e.processes import finished_episodes, scores, wait_until
from tests.shared_data import ROOT

NAME = "t"


class Training:
    """One training in a folder of its own, named alike everywhere, so that two of them can be compared byte by byte."""

    def __init__(self, home: Path, config: Path, *options: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.folder = home / "results" / NAME
        self.command = [sys.executable, "-m", "harness.cli", "train", str(config), "--name", NAME, *options]

    def start(self) -> subprocess.Popen[str]:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TOKENIZERS_PARALLELISM": "false"}
        return subprocess.Popen(
            self.command, cwd=self.home, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """To the end. A traceback in what it says fails the test."""
        process = self.start()
        try:
            out, err = process.communicate(timeout=seconds)
        finally:
            process.kill()
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(self.command, process.returncode, out, err)

    def kill_when(self, reached: Callable[[], bool]) -> bool:
        """SIGKILL once something is so; False when it ended before."""
        process = self.start()
        try:
            if not wait_until(reached, process):
                return False
            process.send_signal(signal.SIGKILL)
        finally:
            process.kill()
            process.communicate()
        return True

    def done(self, stage: str) -> bool:
        return (self.folder / "stages" / f"{stage}.json").exists()

    def weights(self, iteration: int) -> str:
        """Hash over the checkpoint's tensors."""
        files = sorted((self.folder / f"fit/iteration-{iteration}/model").glob("*.safetensors"))
        assert files
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

    def curve(self) -> list[dict[str, Any]]:
        """The curve without what measures time."""
        return [_timeless(row.model_dump(mode="json")) for row in read_curve(self.folder)]

    def made(self) -> dict[str, Any]:
        """All that a repeat of this training has to give again."""
        runs = sorted(path.parent for path in self.folder.rglob("episodes.jsonl"))
        found: dict[str, Any] = {"curve": self.curve()}
        for run in runs:
            name = run.relative_to(self.folder).as_posix()
            found[f"{name} episodes"] = finished_episodes(run)
            found[f"{name} scores"] = scores(run)
        for path in sorted(self.folder.glob("data/*/dataset.jsonl")):
            found[path.relative_to(self.folder).as_posix()] = path.read_text()
        for path in sorted(self.folder.glob("fit/*/model/*.safetensors")):
            found[path.relative_to(self.folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found


TIMES = ("seconds", "tokens_per_second", "target_tokens_per_second")


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(part) for key, part in value.items() if key not in TIMES}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


def leaderboard(*paths: Path) -> list[dict[str, Any]]:
    """The rows of `harness leaderboard`."""
    command = [sys.executable, "-m", "harness.cli", "leaderboard", *map(str, paths), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows
