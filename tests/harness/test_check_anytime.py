"""`harness check --anytime`: a growing candidate may be judged at every look; what it has yet to play is not missing."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.gate_errors import Design
from benchmarks.gate_looks import shares
from harness.cli import main
from harness.compare.arms import load_run
from harness.compare.regression import check
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.harness.gate_runs import LEVERS, play, small

pytestmark = pytest.mark.usefixtures("levers")


def grown(folder: Path, blocks: int | None) -> Path:
    """A candidate of which so many blocks are played."""
    with Run(small(), folder, blocks=blocks) as run:
        execute(run, Progress(Console(file=io.StringIO())))
    return folder


def test_a_growing_candidate_is_judged_by_what_it_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LEVERS.update(noise=1, salt=1)
    base = play(tmp_path / "base")
    LEVERS.update(salt=2, noise=1)
    asked = ["check", "--baseline", str(base), "--candidate", str(grown(tmp_path / "new", 3)), "--max-drop", "0.3"]
    report = tmp_path / "check.json"
    assert main([*asked, "--anytime", "--json", str(report)]) == 3
    out = " ".join(capsys.readouterr().out.split())
    assert "Play on, and look again." in out and "It holds at every look" in out
    (cell,) = json.loads(report.read_text())["cells"]
    assert cell["anytime"] and cell["missing"] == 0 and cell["groups"] < 10
    grown(tmp_path / "new", None)
    assert main([*asked, "--anytime"]) == 0
    assert "without a value" not in capsys.readouterr().out


def test_a_large_loss_is_seen_before_all_is_played(tmp_path: Path) -> None:
    LEVERS.update(noise=1, salt=1, bonus={"": 3})
    base = load_run(play(tmp_path / "base"))
    (arm,) = base.arms.values()
    goals = np.clip(arm.outcomes["goal"] - 6, 0, 10)
    lost = replace(arm, source="new", outcomes={**arm.outcomes, "goal": goals})
    new = replace(base, fingerprint="new", name="new", arms={arm.cell: lost})
    found = check(base, new, max_drop=0.05, anytime=True)
    assert (found.verdict, found.exit_code) == ("regressed", 1)
    few = np.argsort(arm.outcomes["place"])[:27]
    cut = {name: values[few] for name, values in lost.outcomes.items()}
    part = replace(new, arms={arm.cell: replace(lost, outcomes=cut)})
    assert check(base, part, max_drop=0.05, anytime=True).verdict == "regressed"


def test_ten_looks_alarm_no_more_often_than_one_in_twenty() -> None:
    found = shares(Design("score", 1, 40, 1), 50, growing=False)
    assert found["anytime alarms"] <= 0.05 + 2 * (0.05 * 0.95 / 50) ** 0.5
    assert found["anytime wrong passes"] <= 0.05 + 2 * (0.05 * 0.95 / 50) ** 0.5
