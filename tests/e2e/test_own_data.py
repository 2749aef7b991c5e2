"""Own data of three characters, played and ranked by a newcomer's commands: the lines of docs/data.md, in real processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from harness.results.store import EPISODES
from tests.shared_data import ROOT

PAGE = (ROOT / "docs/data.md").read_text(encoding="utf-8")
CHOOSY = """
from tests.harness.builders import act, play_or_judge

def answer(request):
    if request.identity.role == "actor" and "Bo" in request.messages[-1].content:
        return act("speak", "I play the trumpet, too.")
    return play_or_judge(request)
"""


def harness(folder: Path, *words: str, code: int = 0) -> str:
    """Run a command as a newcomer does; a traceback fails the test."""
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
        "STRATEGIST_HARNESS_HOME": str(folder / "home"),
    }
    command = [sys.executable, "-m", "harness.cli", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_ten_lines_of_own_data_are_played_and_ranked(tmp_path: Path) -> None:
    lines = re.search(r"```json\n(.*?)```", PAGE, re.S)
    assert lines is not None
    assert len(lines[1].splitlines()) == 10
    (tmp_path / "people.jsonl").write_text(lines[1], encoding="utf-8")
    command = re.search(r"^harness (data import people.jsonl --name mine)$", PAGE, re.M)
    assert command is not None
    said = harness(tmp_path, *command[1].split())
    assert "3 characters, 4 scenarios" in said
    assert "  left out: " not in said
    (tmp_path / "choosy.py").write_text(CHOOSY)
    experiment = {
        "name": "own",
        "environments": [{"name": "sotopia", "split": "mine", "options": {"max_turns": 4}}],
        "models": {"m": {"provider": "scripted", "function": "choosy:answer"}},
        "actors": ["m"],
        "strategists": ["vanilla", {"kind": "epo", "model": "m"}],
        "judge": "m",
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(experiment))
    played = harness(tmp_path, "run", "my.yaml", "--name", "own")
    assert "episodes finished" in played
    records = [
        json.loads(line) for line in (tmp_path / "results/own" / EPISODES).read_text("utf-8").split("\n") if line
    ]
    assert {seat["name"] for record in records for seat in record["seats"]} == {"Ada Moreno", "Bo Lind", "Cy Okafor"}
    assert {record["task_id"].split(":")[0] for record in records} == {"mine"}
    ranking = json.loads(harness(tmp_path, "leaderboard", "results", "--format", "json"))
    assert len(json.dumps(ranking)) > 100
    assert "mine" in json.dumps(ranking)
