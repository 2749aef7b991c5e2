"""Ranks carry their uncertainty: intervals, ties, no rank on thin coverage, and missing outcomes that could be anything."""

from __future__ import annotations

import json
import shutil
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.cli import main
from harness.compare.ranks import ranked_table
from tests.harness.gate_runs import LEVERS, played

WORD = "something good"
EPO = {"kind": "epo", "model": "m"}


@pytest.fixture(autouse=True)
def noisy(levers: None) -> None:
    LEVERS.update(noise=1, bonus={WORD: 2})


def by_arm(table: pd.DataFrame) -> dict[str, dict[Hashable, Any]]:
    return {str(row["strategist"]): row for row in table.to_dict("records")}


def test_an_arm_that_is_clearly_better_is_first_and_the_others_are_tied(tmp_path: Path) -> None:
    rows = by_arm(ranked_table([played(tmp_path / "run", strategists=["vanilla", "null", EPO])]))
    assert [rows["epo"][key] for key in ("rank", "rank_low", "rank_high", "ranked")] == [1, 1, 1, 3]
    assert rows["epo"]["tied_with"] == ""
    assert rows["vanilla"]["tied_with"] == "null"
    assert rows["null"]["tied_with"] == "vanilla"
    assert {rows[arm]["rank_low"] for arm in ("vanilla", "null")} == {2}
    assert {rows[arm]["rank_high"] for arm in ("vanilla", "null")} == {3}


def test_no_rank_below_the_set_coverage(tmp_path: Path) -> None:
    run = played(tmp_path / "run", strategists=["vanilla", EPO])
    lines = (run / "episodes.jsonl").read_text().splitlines(keepends=True)
    of_epo = [line for line in lines if json.loads(line)["strategist"] == "epo"]
    kept = [line for line in lines if line not in of_epo[:15]]
    (run / "episodes.jsonl").write_text("".join(kept))
    rows = by_arm(ranked_table([run]))
    assert rows["epo"]["coverage"] == pytest.approx(0.5)
    assert pd.isna(rows["epo"]["rank"])
    assert pd.isna(rows["vanilla"]["rank"])  # nobody is left to be ranked with
    rows = by_arm(ranked_table([run], min_coverage=0.4))
    assert rows["epo"]["rank"] == 1
    assert rows["vanilla"]["ranked"] == 2


def test_missing_outcomes_widen_the_ranks_they_could_change(tmp_path: Path) -> None:
    run = played(tmp_path / "run", strategists=["vanilla", EPO])
    whole = by_arm(ranked_table([run]))
    assert whole["epo"]["rank_high"] == 1
    lines = (run / "episodes.jsonl").read_text().splitlines(keepends=True)
    of_epo = [line for line in lines if json.loads(line)["strategist"] == "epo"]
    (run / "episodes.jsonl").write_text("".join(line for line in lines if line not in of_epo[:15]))
    gaps = by_arm(ranked_table([run], min_coverage=0.4))
    assert (gaps["epo"]["rank"], gaps["epo"]["rank_low"], gaps["epo"]["rank_high"]) == (1, 1, 2)
    assert gaps["vanilla"]["rank_low"] == 1
    assert gaps["epo"]["tied_with"] == "vanilla"


def test_arms_on_other_tasks_are_not_ranked_together(tmp_path: Path) -> None:
    few = [{"name": "sotopia", "split": "builtin-test", "tasks": 10, "options": {"max_turns": 2}}]
    runs = [played(tmp_path / "a", strategists=["vanilla", EPO]), played(tmp_path / "b", environments=few)]
    table = ranked_table(runs)
    assert table[table["run"] == "b"]["rank"].isna().all()  # alone on its tasks
    assert set(table[table["run"] == "a"]["ranked"]) == {2}


def test_scripted_agents_are_reference_rows_without_a_rank(tmp_path: Path) -> None:
    shop = [{"name": "webshop", "split": "builtin-test", "tasks": 3, "options": {"max_steps": 6}}]
    run = played(tmp_path / "run", environments=shop, actors=["script:rule", "script:oracle"], judge=None, models={})
    assert ranked_table([run])["rank"].isna().all()


def test_a_copied_run_is_refused(tmp_path: Path) -> None:
    run = played(tmp_path / "run")
    shutil.copytree(run, tmp_path / "copy")
    with pytest.raises(BadInput, match="count every run once"):
        ranked_table([run, tmp_path / "copy"])


def test_the_leaderboard_shows_rank_interval_and_ties(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = played(tmp_path / "run", strategists=["vanilla", "null", EPO])
    assert main(["leaderboard", str(run), "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "tied with" in lines[0]
    assert "| 1 (1 to 1) |" in next(line for line in lines if "| epo |" in line)
    assert "(2 to 3) | null |" in next(line for line in lines if "| m | vanilla |" in line)
    assert main(["leaderboard", str(run), "--format", "json", "--min-coverage", "0.9"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["rank_low"] for row in rows} == {1, 2}
    assert main(["leaderboard", str(run), "--min-coverage", "80"]) == 2
