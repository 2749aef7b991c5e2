"""The ledger of the interface, failures and reasoning in the viewer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.results.store import EPISODES
from leaderboard.app.arms import arm_labels
from leaderboard.board import open_board
from leaderboard.page import render
from tests.harness.ledger_runs import THOUGHT, play
from tests.leaderboard.app_runs import open_page, rows, shown, words
from tests.shared_data import THREE_ENVIRONMENTS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return play(tmp_path_factory.mktemp("results") / "read")


def test_the_first_page_has_the_large_shares_and_a_table_of_all(run: Path) -> None:
    assert "Strategist unreadable" in words(open_page("ranking", run))
    found = rows(open_page("ranking", run, columns="How answers were read"), "ranking")
    (strategist,) = [row for row in found if row[2] == "strategist"]
    assert (strategist[0], strategist[3], strategist[5]) == ("epo", "48", "12 (25 %)")
    assert [row[-1] for row in found if row[2] == "actor"] in (["24 (50 %)", "0"], ["0", "24 (50 %)"])


def test_scripts_that_ask_no_model_have_a_sentence_in_place_of_rows(run: Path) -> None:
    found = rows(open_page("ranking", THREE_ENVIRONMENTS, columns="How answers were read"), "ranking")
    assert not [row for row in found if row[1] in ("script:random", "script:expert") or row[2] == "script"]
    assert "Scripted actors ask no model and have no replies to read: script:" in render(
        open_board([THREE_ENVIRONMENTS])
    )
    assert "Scripted actor" not in render(open_board([run]))


def test_the_first_page_says_why_things_failed(run: Path) -> None:
    assert not rows(open_page("ranking", run), "failures"), "nothing failed"
    found = rows(open_page("ranking", THREE_ENVIRONMENTS), "failures")
    assert [(row[0], row[2]) for row in found] == [
        ("unreadable-answer", "2 × episode"),
        ("unreadable-answer", "5 × judgement"),
    ]


def test_a_comparison_says_first_in_what_the_arms_differ(run: Path) -> None:
    labels = {board_label.split(" ")[0]: board_label for board_label in arm_labels(open_board([run]))}
    text = words(open_page("compare", run, a=labels["vanilla"], b=labels["epo"]))
    warning = "vanilla's turns had no effect in 0 %, epo's in 50 %: check the answers before you trust this difference."
    assert text.index(warning) < text.index("no claim at 95 % is possible")


def test_an_episode_marks_turns_without_effect_and_folds_the_reasoning(run: Path) -> None:
    records = [json.loads(line) for line in (run / EPISODES).read_text("utf-8").splitlines()]
    episode = next(record["episode_id"] for record in records if record["strategist"] == "epo")
    page = shown(open_page("episodes", run, episode=episode))
    assert page.count(">no effect<") == 4
    assert page.count('<details class="reasoning">') == 16
    assert f"reasoning of the actor, {len(THOUGHT):,} characters" in page
    assert THOUGHT.strip() in page
