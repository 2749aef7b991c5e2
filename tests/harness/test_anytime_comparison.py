"""`harness compare --anytime`: a run may be looked at while it grows; only complete groups count, in the order of play."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from harness.base.errors import BadInput
from harness.cli import main
from harness.compare.arms import load_run
from harness.compare.comparison import compare
from harness.compare.conclusions import conclusions, finding
from harness.compare.questions import uplift
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from harness.statistics import anytime_mean
from tests.harness import gate_runs
from tests.harness.gate_runs import LEVERS, played, small

WORD = "something good"
EPO = {"kind": "epo", "model": "m"}


@pytest.fixture(autouse=True)
def noisy(levers: None) -> None:
    LEVERS.update(noise=1, bonus={WORD: 2})


def looks(folder: Path, blocks: int | None) -> Path:
    """A run of which so many blocks were played."""
    with Run(small(strategists=["vanilla", EPO], repeats=2), folder, blocks=blocks) as run:
        execute(run, Progress(Console(file=io.StringIO())))
    return folder


def test_p_is_that_of_the_groups_in_the_order_in_which_they_were_completed(tmp_path: Path) -> None:
    LEVERS.update(noise=4, bonus={WORD: 0})
    run = played(tmp_path / "run", strategists=["vanilla", EPO])
    (before,) = uplift(str(run)).rows
    means = dict(before.result.by_group)
    group_of = dict(zip(before.a.rows["task_id"], before.a.rows["group"], strict=True))
    lines = (run / "episodes.jsonl").read_text().splitlines(keepends=True)
    lines.sort(key=lambda line: -means[group_of[json.loads(line)["task_id"]]])  # what b won came first
    (run / "episodes.jsonl").write_text("".join(lines))
    expected = anytime_mean(np.array(sorted(means.values(), reverse=True)), 10.0)
    assert expected.p != pytest.approx(anytime_mean(np.array(sorted(means.values())), 10.0).p)
    (row,) = uplift(str(run), anytime=True).rows
    found = row.result
    assert (found.estimate.mean, found.p) == pytest.approx((expected.mean, expected.p))
    assert (found.estimate.low, found.estimate.high) == pytest.approx((expected.low, expected.high))


def test_what_is_not_played_yet_is_not_missing_and_incomplete_groups_do_not_count(tmp_path: Path) -> None:
    run = looks(tmp_path / "run", gate_runs.TASKS + 10)  # the second repeat of ten tasks
    (fixed,) = uplift(str(run)).rows
    (row,) = uplift(str(run), anytime=True).rows
    rows = load_run(run).arms[row.b.cell].rows
    counts = rows.groupby("group").agg(played=("repeat", "size"), tasks=("task_id", "nunique"))
    complete = counts[counts["played"] == 2 * counts["tasks"]]
    assert fixed.result.missing > 0
    assert row.result.missing == 0
    assert 0 < row.result.estimate.clusters == len(complete) < len(counts)
    assert row.result.estimate.n == int(complete["played"].sum())


def test_an_outcome_that_was_played_and_has_no_score_is_missing(tmp_path: Path) -> None:
    LEVERS.update(fail=gate_runs.some_tasks(7))
    run = played(tmp_path / "run", strategists=["vanilla", EPO])
    (row,) = uplift(str(run), anytime=True).rows
    assert row.result.missing > 0
    assert row.result.bounds is not None
    assert row.result.bounds.low <= row.result.estimate.low
    assert row.result.bounds.high >= row.result.estimate.high


def test_the_conclusions_say_that_one_may_look_again(tmp_path: Path) -> None:
    run = played(tmp_path / "run", strategists=["vanilla", EPO])
    family = uplift(str(run), anytime=True)
    (row,) = family.rows
    assert any("hold at every look (anytime-valid)" in line for line in conclusions(family))
    assert not any("hold at every look" in line for line in conclusions(uplift(str(run))))
    if finding(row) == "open":
        assert any("looked at again" in line for line in conclusions(family))


def test_the_command_prints_it_and_its_json_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = played(tmp_path / "run", strategists=["vanilla", EPO])
    assert main(["compare", str(run), "--anytime"]) == 0
    assert "hold at every look" in " ".join(capsys.readouterr().out.split())
    assert main(["compare", str(run), "--anytime", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["comparisons"]
    (wanted,) = uplift(str(run), anytime=True).rows
    assert row["anytime"] is True
    assert (row["low"], row["p"]) == pytest.approx((wanted.result.estimate.low, wanted.result.p))


def test_two_runs_are_compared_so_too(tmp_path: Path) -> None:
    one = played(tmp_path / "one")
    LEVERS.update(salt=1)
    other = played(tmp_path / "other")
    (row,) = compare(str(one), str(other), anytime=True).rows
    assert row.anytime
    assert row.result.estimate.method == "anytime"


def test_a_metric_without_bounds_and_a_baseline_are_refused(tmp_path: Path) -> None:
    run = played(tmp_path / "run", strategists=["vanilla", EPO])
    with pytest.raises(BadInput, match="known bounds"):
        uplift(str(run), "overall", anytime=True)
    assert main(["compare", str(run), "--anytime", "--labels"]) == 2
    baseline = Path("results/baselines/gate.json")
    with pytest.raises(BadInput, match="is a baseline"):
        uplift(str(baseline), anytime=True)
