"""A run's records name the characters of an episode, and every surface counts them or says that it could not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import environments
from harness.cli import main
from harness.compare.answers import environment_answers
from harness.compare.arms import CLUSTERS, load_run
from harness.compare.conclusions import conclusions
from harness.compare.doubts import DOUBT, interval_note
from harness.compare.questions import uplift
from harness.compare.ranks import load_runs, ranked_rows
from harness.results.tables import cell_rows
from leaderboard.ranking_columns import uplift_text
from tests.harness.gate_runs import LEVERS, play

pytestmark = pytest.mark.usefixtures("levers")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose judge is noisy, and in which a strategy's word is worth 2 points."""
    LEVERS.update(noise=1, bonus={"something good": 2})
    return play(tmp_path / "run", strategists=["vanilla", {"kind": "epo", "model": "m"}])


def as_older(run: Path) -> Path:
    """The run as an earlier version would have written it."""
    path = run / "episodes.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        assert record.pop("clusters")
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return run


def test_an_episode_names_its_characters(run: Path) -> None:
    tasks = {task.id: task for task in environments.make("sotopia", {}).tasks("builtin-test")}
    arm = next(iter(load_run(run).arms.values()))
    for task, told in zip(arm.outcomes["task_id"], arm.outcomes[CLUSTERS], strict=True):
        assert told == tasks[task].clusters and len(told) == 2


def test_what_is_compared_says_how_many_characters_cross_the_groups(run: Path) -> None:
    (row,) = uplift(str(run)).rows
    people = {name for told in row.a.outcomes[CLUSTERS] for name in told}
    assert row.result.estimate.crossed is not None and row.result.estimate.crossed.clusters == len(people)
    assert f"groups, crossed by {len(people)} other clusters" in " ".join(conclusions(uplift(str(run))))
    assert interval_note(row.a) is None


def test_the_interval_of_a_mean_counts_them(run: Path, tmp_path: Path) -> None:
    wide = {row["strategist"]: row["high"] - row["low"] for row in cell_rows([run])}
    narrow = {row["strategist"]: row["high"] - row["low"] for row in cell_rows([as_older(run)])}
    assert all(wide[name] >= narrow[name] for name in narrow) and wide != narrow


def test_older_records_are_read_as_before_and_carry_a_mark(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    as_older(run)
    (row,) = uplift(str(run)).rows
    assert row.result.estimate.crossed is None
    assert "do not say who met" in (interval_note(row.a) or "")
    (told,) = environment_answers(uplift(str(run)))
    assert f" {DOUBT})" in told.sentence and any("do not say who met" in line for line in told.more)
    (ranked,) = [row for row in ranked_rows(load_runs([run])) if row["strategist"] == "epo"]
    assert uplift_text(ranked).endswith(DOUBT) and "do not say who met" in ranked["uplift_note"]
    for command in (["leaderboard"], ["compare"], ["spread"]):
        assert main([*command, str(run)]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "do not say who met in an episode" in said
        assert (DOUBT in said) == (command != ["compare"])


def test_the_gate_counts_them_or_carries_a_mark(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LEVERS.update(salt=2)
    candidate = play(tmp_path / "candidate", strategists=["vanilla", {"kind": "epo", "model": "m"}], seed=2)
    out = tmp_path / "gate.json"
    assert main(["check", "--make-baseline", str(run), "--out", str(out)]) == 0
    asked = ["check", "--baseline", str(out), "--candidate", str(candidate), "--allow", "seeds"]
    capsys.readouterr()
    assert main(asked) in (0, 3)
    said = " ".join(capsys.readouterr().out.split())
    assert "other clusters" in said and DOUBT not in said
    as_older(candidate)
    main([*asked, "--markdown", str(tmp_path / "report.md")])
    said = " ".join(capsys.readouterr().out.split())
    assert f"{DOUBT} The records do not say who met in an episode" in said and "other clusters" not in said
    assert f"%) {DOUBT} |" in (tmp_path / "report.md").read_text()


def test_a_judge_s_card_of_older_records_carries_a_mark(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", "report", str(run)]) == 0
    assert DOUBT not in capsys.readouterr().out
    as_older(run)
    assert main(["judge", "report", str(run)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{DOUBT} its records do not say who met in an episode" in said and said.count(DOUBT) > 2
