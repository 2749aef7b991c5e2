"""The example of a public leaderboard (docs/examples/leaderboard-pages.yml): its own steps are executed, on an honest run and
on a doctored one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.test_workflow import program
from tests.leaderboard.test_page import play
from tests.shared_data import ROOT

WORKFLOW = yaml.safe_load((ROOT / "docs" / "examples" / "leaderboard-pages.yml").read_text("utf-8"))


def evaluated(text: str) -> str:
    """A value with its expressions as GitHub fills them in for the repository me/runs."""
    known = {"github.repository_owner": "me", "github.event.repository.name": "runs"}
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: known[found[1]], text)


def step(folder: Path, job: str, name: str) -> subprocess.CompletedProcess[str]:
    """A step, executed as GitHub does it."""
    (asked,) = [each for each in WORKFLOW["jobs"][job]["steps"] if each.get("name") == name]
    program(folder / "bin" / "harness", f'#!/bin/sh\nexec "{sys.executable}" -m harness.cli "$@"\n')
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    environment |= {key: evaluated(value) for key, value in asked.get("env", {}).items()}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", asked["run"]]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    play(tmp_path / "submissions" / "mine")
    return tmp_path


def test_an_honest_submission_is_green_and_published(repository: Path) -> None:
    verified = step(repository, "verify", "Verify every run")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "CONFIRMED" in verified.stdout
    published = step(repository, "publish", "Write the pages")
    assert published.returncode == 0, published.stderr
    assert 'content="https://me.github.io/runs/card.png"' in (repository / "site" / "index.html").read_text()
    assert (repository / "site" / "runs" / "mine" / "episodes.jsonl").is_file()


def test_a_doctored_submission_is_red(repository: Path) -> None:
    shutil.copytree(repository / "submissions" / "mine", repository / "submissions" / "other")
    path = repository / "submissions" / "other" / "episodes.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        if record["environment"] == "webshop" and record["outcome"]:
            record["outcome"]["score"] = 1.0
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    verified = step(repository, "verify", "Verify every run")
    assert verified.returncode == 1
    assert "the outcome is" in verified.stdout
