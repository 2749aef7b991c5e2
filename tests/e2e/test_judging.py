"""`harness judge` as a process: Ctrl-C lets the questions that were asked end, and the same command asks the rest."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from agents.models.base import ChatRequest
from tests.e2e.processes import LONGEST_S, lines_so_far, wait_until
from tests.harness.builders import judge_script
from tests.shared_data import ROOT

TASKS = 12


AT_ONCE = 3
ASKED: list[str] = []
"""The episodes that a judge in this process was asked about."""


async def slow_judge(request: ChatRequest) -> str:
    """Answers the first questions at once, and the others when the file that `GO_ON` names is there."""
    ASKED.append(request.identity.episode)
    while len(ASKED) > AT_ONCE and not Path(os.environ["GO_ON"]).exists():
        await asyncio.sleep(0.02)
    return judge_script(request)


def command(folder: Path, *arguments: object, stderr: Any = subprocess.PIPE) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GO_ON": str(folder / "go on")}
    whole = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
    return subprocess.Popen(whole, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)


def judged(run: Path) -> list[str]:
    return [json.loads(line)["judgement_id"] for line in lines_so_far(run / "judgements.jsonl")]


def test_an_interrupted_judge_keeps_what_was_asked_and_goes_on(tmp_path: Path) -> None:
    config = tmp_path / "experiment.yaml"
    world = {"name": "sotopia", "split": "builtin-test", "tasks": TASKS}
    slow = {"provider": "scripted", "function": "tests.e2e.test_judging:slow_judge"}
    raw = {"name": "r", "environments": [world], "models": {"slow": slow}, "actors": ["script:small-talk"]}
    config.write_text(yaml.safe_dump(raw | {"strategists": ["vanilla"], "limits": {"episodes_at_once": 2}}))
    run = tmp_path / "results" / "run"
    played = command(tmp_path, "run", config, "--results", tmp_path / "results", "--name", "run")
    assert played.wait(timeout=LONGEST_S) == 0
    said = tmp_path / "said.txt"
    with open(said, "w") as stderr:
        first = command(tmp_path, "judge", run, "--judge", "slow", stderr=stderr)
    assert wait_until(lambda: len(judged(run)) >= 2, first), said.read_text()
    first.send_signal(signal.SIGINT)
    assert wait_until(lambda: "letting the questions that were asked end" in said.read_text(), first)
    (tmp_path / "go on").touch()
    out, _ = first.communicate(timeout=LONGEST_S)
    err = said.read_text()
    assert first.returncode == 130
    assert "Traceback" not in err
    kept = judged(run)
    assert 2 <= len(kept) < TASKS
    assert f"{len(kept)} scored now, 0 unscored" in out
    second = command(tmp_path, "judge", run, "--judge", "slow")
    assert f"{TASKS - len(kept)} scored now" in second.communicate(timeout=LONGEST_S)[0]
    assert second.returncode == 0
    assert len(judged(run)) == len(set(judged(run))) == TASKS
