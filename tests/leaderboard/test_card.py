"""The title card: its texts are the answer's, they stay within it, and every name can be drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboard.board import open_board
from leaderboard.page.answer import answered
from leaderboard.page.card import card_of
from leaderboard.page.pen import drawable, font, wrapped
from tests.shared_data import THREE_ENVIRONMENTS


def test_it_says_the_first_answer_whole_and_every_other_in_a_line() -> None:
    board = open_board([THREE_ENVIRONMENTS])
    (run,) = answered(board)
    card = card_of(board)
    assert card is not None
    first, *others = run.answers
    assert card.lead == f"{first.place[0]}: {first.lead}."
    assert card.sentence == first.sentence
    assert [line.split(":")[0] for line in card.others] == [each.place[0] for each in others]
    assert all(each.lead in line for each, line in zip(others, card.others, strict=True))
    asked = run.family.rows[first.number]
    assert {dot.label for dot in card.plot.marks} >= {asked.b.axes["strategist"], "null"}
    assert {dot.value for dot in card.plot.marks} >= {asked.result.estimate.mean}


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_text_of_any_length_stays_within_its_lines(most: int) -> None:
    text = "Goal 0.525 with a-strategist-of-a-long-name-" + "x" * 90 + " and 0.025 with vanilla, shown to help. " * 9
    lines = wrapped(text, 500, 26, most)
    assert len(lines) == most
    assert lines[-1].endswith("…")
    assert all(font(26).getlength(line) <= 500 * 2 for line in lines)
    assert wrapped("Yes.", 500, 26, most) == ["Yes."]


@pytest.mark.parametrize(
    ("name", "drawn"),
    [("Grün – né", "Grun - ne"), ("策略 one", "?? one"), ("a…b\u202e", "a…b?"), ("a\nb", "a b"), ("±½", "?1?2")],
)
def test_a_letter_that_the_font_lacks_is_no_empty_box(name: str, drawn: str) -> None:
    assert drawable(name) == drawn


def test_a_run_that_asks_nothing_has_none(tmp_path: Path) -> None:
    from tests.leaderboard.test_page import play

    play(tmp_path / "run", strategists=["vanilla"], actors=["script:random"])
    assert card_of(open_board([tmp_path / "run"])) is None
