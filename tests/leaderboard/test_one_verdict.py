"""One verdict: each surface says of a pair of arms what `harness compare` says, and draws no mark of its own."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import harness
from harness.cli import main
from harness.compare.answers import answer
from harness.compare.conclusions import SIGNS, cell_text, conclusions, finding, sentence
from harness.compare.questions import uplift
from leaderboard.board import leaderboard, open_board, plain_rows
from leaderboard.duel import duel
from leaderboard.matrix import matrix
from leaderboard.page import render
from tests.leaderboard.app_runs import labelled_rows, open_page, pieces
from tests.leaderboard.test_page import Page
from tests.shared_data import THREE_ENVIRONMENTS

Pair = tuple[str, ...]
"""environment, split, pairing, actor, strategist."""


@pytest.fixture(scope="module")
def expected() -> dict[Pair, tuple[str, str, float]]:
    """Finding, words and corrected p of every arm against its vanilla."""
    family = uplift(str(THREE_ENVIRONMENTS))
    return {
        tuple(row.b.axes.values()): (finding(row), cell_text(row, family.beside.get(number, ())), row.p_holm)
        for number, row in enumerate(family.rows)
    }


def place_of(row: dict[str, Any]) -> Pair:
    return tuple(str(row[axis]) for axis in ("environment", "split", "pairing", "actor", "strategist"))


def _closed(part: str) -> str:
    """The markup as XML."""
    return part.replace("<br>", "<br/>")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments]) == 0
    return capsys.readouterr().out


def test_the_run_has_every_kind_of_answer(expected: dict[Pair, tuple[str, str, float]]) -> None:
    words = {text for _, text, _ in expected.values()}
    assert {"higher", "higher; not shown to beat shuffled", "no difference shown"} <= words


def test_compare_and_leaderboard_and_the_api_say_the_same(
    expected: dict[Pair, tuple[str, str, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    compared = json.loads(told(capsys, "compare", str(THREE_ENVIRONMENTS), "--format", "json"))["comparisons"]
    found = {
        tuple(row[f"{axis}_b"] for axis in ("environment", "split", "pairing", "actor", "strategist")): (
            row["finding"],
            row["p_holm"],
        )
        for row in compared
        if not row["role"]
    }
    assert found == {place: (finding, p) for place, (finding, _, p) in expected.items()}
    for rows in (
        json.loads(told(capsys, "leaderboard", str(THREE_ENVIRONMENTS), "--format", "json")),
        plain_rows(harness.open(THREE_ENVIRONMENTS).ranking().to_frame()),
        plain_rows(leaderboard(open_board([THREE_ENVIRONMENTS]))),
    ):
        ranked = {place_of(row): (row["finding"], row["verdict"]) for row in rows if row["finding"]}
        assert ranked == {place: (finding, words) for place, (finding, words, _) in expected.items()}
    (raw,) = [told(capsys, "leaderboard", str(THREE_ENVIRONMENTS), "--format", "csv")]
    written = {place_of(row): row["verdict"] for row in csv.DictReader(io.StringIO(raw)) if row["verdict"]}
    assert written == {place: words for place, (_, words, _) in expected.items()}


def test_ranks_follow_the_findings(expected: dict[Pair, tuple[str, str, float]]) -> None:
    rows = plain_rows(leaderboard(open_board([THREE_ENVIRONMENTS])))
    for row in rows:
        if row["rank"] is None or not row["finding"]:
            continue
        names = (row["tied_with"] or "").split(", ")
        plain = f"{row['actor']} + vanilla" if f"{row['actor']} + vanilla" in names else "vanilla"
        assert (row["finding"] in ("higher", "lower")) == (plain not in names), place_of(row)


def test_viewer_and_page_say_the_same_and_mark_nothing_else(expected: dict[Pair, tuple[str, str, float]]) -> None:
    board = open_board([THREE_ENVIRONMENTS])
    by_arm = {int(row["arm"]): row for row in plain_rows(matrix(board)) if row["finding"] is not None}
    assert {place_of(row): (row["finding"], row["verdict"], row["p_holm"]) for row in by_arm.values()} == expected
    shown = [words for _, words, _ in expected.values()]
    ranking = labelled_rows(open_page("ranking", THREE_ENVIRONMENTS), "ranking")
    said = [row for row in ranking if row["Verdict"] != "–"]
    assert sorted(row["Verdict"] for row in said) == sorted(shown)
    for row in ranking:
        signs = [sign for sign in SIGNS.values() if sign in row["Uplift over vanilla"]]
        assert bool(signs) == row["Verdict"].startswith(("higher", "lower"))
    cells = [
        cell
        for part in pieces(open_page("matrix", THREE_ENVIRONMENTS))
        for cell in ElementTree.fromstring(_closed(part)).iter("a")
    ]
    drawn = [(cell.get("title", "").split("; ", 1)[1], "".join(cell.itertext())) for cell in cells if cell.get("title")]
    assert sorted(words for words, _ in drawn) == sorted(shown)
    for words, text in drawn:
        assert text.startswith(tuple(SIGNS.values())) == words.startswith(("higher", "lower"))
    for cell in cells:
        if cell.get("title"):
            assert (cell.find("b") is not None) == any(sign in "".join(cell.itertext()) for sign in SIGNS.values())
    tables = Page(render(board)).tables
    uplifts = [table for table in tables if "difference in" in table.caption]
    page = [row[[text for text, _ in table.rows[0]].index("Finding")][0] for table in uplifts for row in table.rows[1:]]
    assert sorted(page) == sorted(shown)


def test_a_pair_is_answered_as_its_runs_question_with_the_controls(
    expected: dict[Pair, tuple[str, str, float]],
) -> None:
    board, family = open_board([THREE_ENVIRONMENTS]), uplift(str(THREE_ENVIRONMENTS))
    lines = conclusions(family)
    numbers = {id(arm): number for number, arm in enumerate(board.arms)}
    by_cell = {arm.cell: number for number, arm in enumerate(board.arms)}
    assert len(numbers) == len(by_cell)
    for number, row in enumerate(family.rows):
        found = duel(board, by_cell[row.a.cell], by_cell[row.b.cell])
        kind, words, p = expected[tuple(row.b.axes.values())]
        assert (found.figures["finding"], found.figures["verdict"], found.figures["p_holm"]) == (kind, words, p)
        assert any(line.endswith(sentence(row)) for line in lines)
        assert found.sentence.startswith(sentence(row))
        if "not shown to beat" in words:
            assert "is not shown to beat" in found.sentence and "not shown to beat" in answer(family, number)


def test_a_doubt_is_said_of_the_environment_that_it_is_about() -> None:
    (line,) = [line for line in conclusions(uplift(str(THREE_ENVIRONMENTS))) if "do not say who met" in line]
    assert line.startswith("[sotopia ") and line.count("[") == 1


def test_judgements_of_different_judges_are_never_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.harness import gate_runs

    gate_runs.reset()
    model = {"provider": "scripted", "function": "tests.harness.gate_runs:play_a_role"}
    runs = [
        gate_runs.play(
            tmp_path / judge, strategists=["vanilla", "null"], judge=judge, models={"m": model, judge: model}
        )
        for judge in ("one", "two")
    ]
    rows = json.loads(told(capsys, "leaderboard", *map(str, runs), "--format", "json"))
    assert len({row["part"] for row in rows}) == 2 and all("judged by" in row["part"] for row in rows)
    text = told(capsys, "leaderboard", *map(str, runs))
    assert text.count("judged by ") == 2
    titles = [table.caption for table in Page(render(open_board(runs))).tables if "with 95 % interval" in table.caption]
    assert sum("judged by" in title for title in titles) == len(titles) > 1
    both = " ".join(told(capsys, "compare", *map(str, runs), "--allow", "judge").split())
    assert "by the judges sotopia/one/" in both and " and sotopia/two/" in both
    assert "one judge may only be more lenient than the other" in both


def test_where_a_rank_is_withheld_every_surface_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.harness import gate_runs

    gate_runs.reset()
    run = gate_runs.play(tmp_path / "run", strategists=["vanilla", "null", {"kind": "epo", "model": "m"}])
    lines = (run / "episodes.jsonl").read_text().splitlines(keepends=True)
    mine = [line for line in lines if json.loads(line)["strategist"] == "epo"]
    kept = [line for line in lines if line not in mine] + mine[: len(mine) // 2]
    (run / "episodes.jsonl").write_text("".join(kept))
    for name in ("episodes.index", ".episodes.index"):
        (run / name).unlink(missing_ok=True)
    why = f"{len(mine) // 2} of {len(mine)} planned outcomes, below the 80% that a rank needs"
    board = open_board([run])
    assert why in told(capsys, "leaderboard", str(run))
    assert why in render(board)
    assert why in str(harness.open(run).ranking())
    app = open_page("ranking", run)
    assert any(why in str(each.proto) for each in app.get("html"))
    moved = f"{len(mine) - len(mine) // 2} of {len(mine)} outcomes missing: with them the mean could be"
    assert moved in told(capsys, "leaderboard", str(run)) and moved in render(board)


def test_what_missing_outcomes_could_undo_is_marked_and_bold_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.harness import gate_runs

    gate_runs.reset()
    gate_runs.LEVERS.update(noise=1, bonus={"something good": 2})
    run = gate_runs.play(tmp_path / "run", strategists=["vanilla", {"kind": "epo", "model": "m"}])
    lines = (run / "episodes.jsonl").read_text().splitlines(keepends=True)
    lost = [line for line in lines if json.loads(line)["strategist"] == "epo"][:5]
    (run / "episodes.jsonl").write_text("".join(line for line in lines if line not in lost))
    (row,) = uplift(str(run)).rows
    words = "hinges on missing outcomes: not shown"
    assert (finding(row), row.p_holm < 0.05) == ("hinges", True)
    assert "the 5 pairs without a value could undo it: not shown" in told(capsys, "compare", str(run))
    ranked = told(capsys, "leaderboard", str(run))
    assert words in ranked and not any(sign in ranked.split("An uplift is")[0] for sign in SIGNS.values())
    page = render(open_board([run]))
    (matrix_,) = [table for table in Page(page).tables if table.caption.startswith("Mean goal by strategist")]
    assert sum(words in text for cells in matrix_.rows for text, _ in cells) == 1
    cells = [
        cell for part in pieces(open_page("matrix", run)) for cell in ElementTree.fromstring(_closed(part)).iter("a")
    ]
    (cell,) = [cell for cell in cells if cell.get("title")]
    assert words in "".join(cell.itertext()) and cell.find("b") is None
