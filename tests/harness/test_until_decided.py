"""`harness run --until-decided`: plays group by group until every question is answered; the run says that it was looked at."""

from __future__ import annotations

import io
import json
from itertools import groupby
from pathlib import Path

import pytest
from rich.console import Console

from harness.base.errors import BadInput
from harness.cli import main
from harness.compare.conclusions import UPLIFT_LOOKED_AT, conclusions, finding
from harness.compare.decided import answers
from harness.compare.questions import uplift
from harness.results.store import read_manifest
from harness.runs.progress import Progress
from harness.runs.run import Run, RunSummary, execute
from harness.runs.until import DECIDED, Until
from tests.harness.gate_runs import LEVERS, small

WORD = "something good"
EPO = {"kind": "epo", "model": "m"}
WORLD = {"name": "sotopia", "split": "builtin-test", "tasks": 62, "options": {"max_turns": 2}}
ARMS = {"environments": [WORLD], "strategists": ["vanilla", "null", EPO], "limits": {"episodes_at_once": 1}}


@pytest.fixture(autouse=True)
def noisy(levers: None) -> None:
    LEVERS.update(noise=1)


def played(folder: Path, until: Until, **changes: object) -> RunSummary:
    with Run(small(**(ARMS | changes)), folder, until=until) as run:
        return execute(run, Progress(Console(file=io.StringIO())))


def test_a_run_ends_when_its_question_is_decided_and_says_that_it_was_looked_at(tmp_path: Path) -> None:
    LEVERS.update(bonus={WORD: 4})
    summary = played(tmp_path / "run", Until(answers))
    assert (summary.stopped or "").startswith(DECIDED)
    assert "epo higher than vanilla" in (summary.stopped or "")
    assert 0 < summary.missing < summary.planned
    family = uplift(str(tmp_path / "run"))
    assert all(row.anytime for row in family.rows)
    (row,) = [row for row in family.rows if row.b.kind == "epo"]
    assert finding(row) == "higher"
    assert row.result.missing == 0, "what was left out on purpose is not missing"
    assert any("hold at every look" in line for line in conclusions(family))


def test_a_decided_run_plays_nothing_more(tmp_path: Path) -> None:
    LEVERS.update(bonus={WORD: 4})
    first = played(tmp_path / "run", Until(answers))
    again = played(tmp_path / "run", Until(answers))
    assert again.played_now == 0
    assert again.missing == first.missing


def test_a_question_that_stays_open_plays_the_whole_plan(tmp_path: Path) -> None:
    summary = played(tmp_path / "run", Until(answers))
    assert (summary.stopped, summary.missing) == (None, 0)
    assert "looks" in read_manifest(tmp_path / "run")


def test_a_difference_shown_to_be_smaller_is_decided(tmp_path: Path) -> None:
    summary = played(tmp_path / "run", Until(answers, smallest=6.0))
    assert "epo within 6 of vanilla" in (summary.stopped or "")
    assert summary.missing > 0


def test_only_the_questions_that_are_named_have_to_be_decided(tmp_path: Path) -> None:
    LEVERS.update(bonus={WORD: 4})
    words = {"kind": "epo", "model": "m", "name": "other"}
    summary = played(tmp_path / "run", Until(answers, ("epo",)), strategists=["vanilla", EPO, words])
    assert "other" not in (summary.stopped or "")
    assert summary.missing > 0


def test_the_ranking_says_that_the_run_was_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LEVERS.update(bonus={WORD: 4})
    played(tmp_path / "run", Until(answers))
    assert main(["leaderboard", str(tmp_path / "run")]) == 0
    assert f": {UPLIFT_LOOKED_AT}." in " ".join(capsys.readouterr().out.split())


def test_groups_are_played_one_after_the_other_with_all_their_repeats(tmp_path: Path) -> None:
    played(tmp_path / "run", Until(answers), repeats=2)
    lines = (tmp_path / "run" / "episodes.jsonl").read_text().splitlines()
    groups = [json.loads(line)["group"] for line in lines]
    assert len([group for group, _ in groupby(groups)]) == len(set(groups))


def test_a_group_with_tasks_that_were_not_begun_does_not_count(tmp_path: Path) -> None:
    LEVERS.update(bonus={WORD: 4})
    played(tmp_path / "run", Until(answers))
    run = tmp_path / "run"
    groups = read_manifest(run)["looks"]["groups"]["sotopia | builtin-test"]
    (before,) = [row for row in uplift(str(run)).rows if row.b.kind == "epo"]
    rows = before.a.rows
    several = next(group for group in rows["group"] if groups[group] > 1)
    gone = rows[rows["group"] == several]["task_id"].iloc[0]
    lines = (run / "episodes.jsonl").read_text().splitlines(keepends=True)
    (run / "episodes.jsonl").write_text("".join(line for line in lines if json.loads(line)["task_id"] != gone))
    (after,) = [row for row in uplift(str(run)).rows if row.b.kind == "epo"]
    assert after.result.estimate.clusters == before.result.estimate.clusters - 1


def test_the_command_ends_well_when_all_is_decided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LEVERS.update(bonus={WORD: 4})
    config = tmp_path / "my.yaml"
    config.write_text(json.dumps(small(**ARMS).model_dump(mode="json", exclude_unset=True)))
    told = ["run", str(config), "--results", str(tmp_path / "results"), "--name", "r", "--no-check"]
    assert main([*told, "--until-decided", "--question", "epo"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Stopped early: every question is decided" in out
    assert "Run the same command again" not in out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--question", "epo"], "add --until-decided"),
        (["--until-decided", "--question", "epoo"], "no question of this experiment"),
        (["--until-decided", "--smallest-difference", "0"], "above 0"),
        (["--until-decided", "--probe", "2"], "give one of them"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    config = tmp_path / "my.yaml"
    config.write_text(json.dumps(small(**ARMS).model_dump(mode="json", exclude_unset=True)))
    assert main(["run", str(config), "--results", str(tmp_path / "results"), *options]) == 2
    assert told in capsys.readouterr().err


def test_an_experiment_without_a_reference_has_no_question(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="needs a question"):
        Until(answers).check(Run(small(strategists=[EPO]), tmp_path / "run").plan)
