"""The committed runs: small, whole, and what results/README.md shows of the demonstration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.results.index import latest_episodes
from harness.results.store import read_manifest
from leaderboard.board import Board, leaderboard, open_board, plain_rows
from tests.shared_data import DEMO, ROOT, THREE_ENVIRONMENTS

RUNS = pytest.mark.parametrize("run", [DEMO, THREE_ENVIRONMENTS], ids=lambda run: run.name)


@pytest.fixture(scope="module")
def board() -> Board:
    return open_board([THREE_ENVIRONMENTS])


@RUNS
def test_it_is_small_and_nothing_of_the_machine_that_played_is_in_it(run: Path) -> None:
    texts = [path.read_text() for path in sorted(run.glob("*.json*"))]
    assert 0 < sum(map(len, texts)) < 12_000_000
    assert not any(re.search(r"/(home|root|tmp|work|Users)/", text) for text in texts)


@RUNS
def test_every_planned_episode_was_played_with_real_models(run: Path) -> None:
    rows = list(latest_episodes(run).values())
    assert len(rows) == sum(cell["planned"] for cell in read_manifest(run)["cells"].values())
    assert sum(row["n_calls"] for row in rows) > 2_000
    assert all(row["coverage"] == 1.0 for row in plain_rows(open_board([run]).table) if row["scripted"])


def test_the_demonstration_ranks_a_model_s_strategists_with_controls_and_rules_for_one_actor() -> None:
    rows = list(latest_episodes(DEMO).values())
    assert {row["environment"] for row in rows} == {"alfworld"}
    assert len({row["actor"] for row in rows}) == 1
    assert len({row["task_id"] for row in rows}) >= 40
    played = {row["strategist"] for row in rows}
    assert played >= {"vanilla", "react", "epo", "epo-rl", "null", "shuffled", "rule", "script:plan"}


def test_the_other_run_has_every_strategist_on_all_three_environments() -> None:
    rows = list(latest_episodes(THREE_ENVIRONMENTS).values())
    assert {row["environment"] for row in rows} == {"sotopia", "alfworld", "webshop"}
    for environment in ("sotopia", "alfworld", "webshop"):
        here = [row for row in rows if row["environment"] == environment]
        assert {row["strategist"] for row in here} == {"vanilla", "react", "epo", "epo-rl", "null", "shuffled"}
        assert len({row["task_id"] for row in here}) >= 40


def test_it_has_what_every_page_of_the_viewer_shows(board: Board) -> None:
    rows = plain_rows(board.table)
    judged = [row for row in rows if row["environment"] == "sotopia"]
    assert all(row["goal"] is not None and row["overall"] is not None for row in judged)
    assert any(row["uplift"] is not None for row in rows)
    assert any(name.startswith("process ") and board.table[name].notna().any() for name in map(str, board.table))


def test_a_rule_that_advises_a_language_model_stands_below_the_ranking() -> None:
    rows = plain_rows(open_board([DEMO]).table)
    assert [row["strategist"] for row in rows if row["reference"]] == ["script:plan", "rule"]
    assert [row["strategist"] for row in rows[-2:]] == ["script:plan", "rule"]
    assert all(row["rank"] is None and "is a reference" in row["unranked"] for row in rows[-2:])
    assert [row["rank"] for row in rows[:4]] == [1, 2, 2, 4], "and takes nobody's place"
    kept = plain_rows(leaderboard(open_board([DEMO]), references=False))
    assert [row["strategist"] for row in kept] == [row["strategist"] for row in rows[:-2]], "and can be hidden"


def test_the_ranking_of_the_page_of_results_is_the_demonstrations() -> None:
    pytest.importorskip("PIL", reason="tools.pictures needs the extra `viewer`")
    from tools.pictures import readme_table, with_table

    readme = (ROOT / "results" / "README.md").read_text()
    assert readme == with_table(readme, readme_table(open_board([DEMO]))), "run `make pictures`: it writes this table"


def test_every_picture_that_the_documents_name_is_there_small_and_has_a_text() -> None:
    found = 0
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for text, target in re.findall(r"!\[([^\]]*)\]\(([^)]+\.png)\)", page.read_text()):
            found += 1
            assert len(text) > 20, f"{page.name}: {target} needs a text for those who do not see it"
            assert (page.parent / target).stat().st_size < 200_000
    assert found
