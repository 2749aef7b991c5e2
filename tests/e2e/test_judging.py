"""`harness judge` as a process: Ctrl-C lets the questions that were asked end, and the same command asks the rest."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from agents.models.base import ChatRequest
from tests.harness.builders import judge_script
from tests.shared_data import ROOT

TASKS = 12


async def slow_judge(request: ChatRequest) -> str:
    await asyncio.sleep(0.4)
    return judge_script(request)


def command(*arguments: object) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    whole = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(whole, env=environment, stdout=pipe, stderr=pipe, text=True)


def judged(run: Path) -> list[str]:
    path = run / "judgements.jsonl"
    return [json.loads(line)["judgement_id"] for line in path.read_text().splitlines()] if path.exists() else []


def test_an_interrupted_judge_keeps_what_was_asked_and_goes_on(tmp_path: Path) -> None:
    config = tmp_path / "experiment.yaml"
    world = {"name": "sotopia", "split": "builtin-test", "tasks": TASKS}
    slow = {"provider": "scripted", "function": "tests.e2e.test_judging:slow_judge"}
    raw = {"name": "r", "environments": [world], "models": {"slow": slow}, "actors": ["script:small-talk"]}
    config.write_text(yaml.safe_dump(raw | {"strategists": ["vanilla"], "limits": {"episodes_at_once": 2}}))
    run = tmp_path / "results" / "run"
    played = command("run", config, "--results", tmp_path / "results", "--name", "run")
    assert played.wait(timeout=120) == 0
    first = command("judge", run, "--judge", "slow")
    deadline = time.monotonic() + 60
    while len(judged(run)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "letting the questions that were asked end" in err
    assert "Traceback" not in err
    kept = judged(run)
    assert 2 <= len(kept) < TASKS
    assert f"{len(kept)} scored now, 0 unscored" in out
    second = command("judge", run, "--judge", "slow")
    assert f"{TASKS - len(kept)} scored now" in second.communicate(timeout=120)[0]
    assert second.returncode == 0
    assert len(judged(run)) == len(set(judged(run))) == TASKS
