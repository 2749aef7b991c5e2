"""The example of a GitHub workflow (docs/examples/harness-check.yml): its own steps run in a shell, on a scripted run."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.shared_data import ROOT

WORKFLOW = ROOT / "docs" / "examples" / "harness-check.yml"
FAITHFUL = """
from tests.harness.gate_runs import play_a_role

def answer(request):
    return play_a_role(request)
"""
MUMBLING = """
from tests.harness.builders import act
from tests.harness.gate_runs import play_a_role

def answer(request):
    return act("speak", "mumble") if request.identity.role == "actor" else play_a_role(request)
"""
EXPERIMENT = {
    "name": "nightly",
    "environments": [{"name": "sotopia", "split": "builtin-test", "options": {"max_turns": 2}}],
    "models": {"m": {"provider": "scripted", "function": "answers:answer"}},
    "actors": ["m"],
    "strategists": ["vanilla"],
    "judge": "m",
}


@dataclass
class Job:
    """A checked-out repository, in which the steps of the workflow are executed."""

    folder: Path
    environment: dict[str, str]
    codes: dict[str, int] = field(default_factory=dict)
    said: str = ""

    def shell(self, script: str, **environment: str) -> int:
        """The exit code of a script, executed as GitHub does it."""
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.folder, env=self.environment | environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.said += done.stdout + done.stderr
        return done.returncode

    def play(self) -> bool:
        """Execute every step that is ours, those with `always()` after a failure, too; True if the job is green."""
        workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
        job = workflow["jobs"]["check"]
        green = True
        for step in job["steps"]:
            if "run" not in step or step["run"].startswith("pip ") or not (green or "always()" in step.get("if", "")):
                continue
            code = self.shell(step["run"], **job["env"], **filled(step.get("env", {})))
            self.codes[step["name"]] = code
            green = green and code == 0
        return green


def filled(environment: dict[str, Any]) -> dict[str, str]:
    """The variables of a step, with something in the place of what only GitHub knows."""
    return {name: re.sub(r"\$\{\{.*?\}\}", "7", str(value)) for name, value in environment.items()}


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A repository with an experiment, a baseline of it, and programs named `harness` and `gh`."""
    program(tmp_path / "bin" / "harness", f'#!/bin/sh\nexec "{sys.executable}" -m harness.cli "$@"\n')
    program(tmp_path / "bin" / "gh", '#!/bin/sh\necho "$@" >> comments.txt\ncat "$5" >> comments.txt\n')
    (tmp_path / "summary.md").touch()
    (tmp_path / "answers.py").write_text(FAITHFUL)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "results" / "baselines").mkdir(parents=True)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    made = Job(tmp_path, environment)
    (tmp_path / "experiments" / "nightly.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    assert made.shell("harness run experiments/nightly.yaml --name base") == 0, made.said
    command = "harness check --make-baseline results/base --out results/baselines/main.json"
    assert made.shell(command) == 0, made.said
    return made


def test_a_candidate_as_good_is_green_or_has_too_few_episodes(job: Job) -> None:
    assert job.play(), job.said
    assert set(job.codes.values()) == {0}
    summary = (job.folder / "summary.md").read_text()
    assert summary == (job.folder / "check.md").read_text()
    assert summary.startswith(("## ✅ Pass", "## ⚠️ Too few episodes to tell"))
    assert ("::warning title=harness check::" in job.said) == summary.startswith("## ⚠️")
    assert (job.folder / "comments.txt").read_text() == f"pr comment 7 --body-file check.md\n{summary}"


def test_a_candidate_that_lost_its_goal_is_red_on_the_job_and_on_the_pull_request(job: Job) -> None:
    (job.folder / "answers.py").write_text(MUMBLING)
    assert not job.play()
    assert job.codes == {
        "Play the candidate": 0,
        "Hold it against the baseline": 1,
        "Say it on the pull request": 0,
    }, job.said
    assert (job.folder / "summary.md").read_text().startswith("## ❌ Regressed")
    assert "❌ Regressed" in (job.folder / "comments.txt").read_text()
    suite = ElementTree.parse(job.folder / "check.xml").getroot()
    assert suite.get("failures") == "1"


def test_the_workflow_is_as_github_reads_it() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    assert workflow[True] == "pull_request"  # YAML 1.1 reads `on` as a truth value
    for step in workflow["jobs"]["check"]["steps"]:
        assert ("uses" in step) != ("run" in step)
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/none@v1"))
