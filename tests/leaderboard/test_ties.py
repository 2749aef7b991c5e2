"""Brackets join the arms that cannot be told apart, and the matrix's colours show how certain a difference is."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import pytest

from harness.compare.arms import Arm
from leaderboard.cells import groups_text
from leaderboard.matrix import certainty
from leaderboard.page.drawings import Dot, difference_range, fitted
from leaderboard.ties import places_in, tied


class Named(NamedTuple):
    """As much of an arm as its name needs."""

    axes: dict[str, str]
    scripted: bool = False
    source: str = "run"


def letters(**ties: str) -> list[str]:
    """The letters of the arms with these names, given with whom each is tied, in the ranking's order."""
    arms = [Named({"actor": "m", "strategist": name}) for name in ties]
    rows: list[dict[str, Any]] = [
        {"arm": number, "rank": number + 1, "tied_with": text} for number, text in enumerate(ties.values())
    ]
    return list(tied(rows, cast(list[Arm], arms), several_runs=False).values())


def test_a_bracket_joins_arms_of_which_no_two_can_be_told_apart() -> None:
    assert letters(a="b", b="a, c", c="b", d="") == ["a", "ab", "b", ""]
    assert letters(a="b, c", b="a, c", c="a, b") == ["a", "a", "a"]
    assert letters(a="c", b="", c="a") == ["a", "", "a"]
    assert letters(a="b", b="") == ["", ""], "a tie that one side alone says is none"


def test_a_bracket_passes_a_row_that_it_does_not_join() -> None:
    every = ["a", "", "a", "b", "b"]
    assert places_in(every, 1) == [("a", "through"), ("b", "outside")]
    assert places_in(every, 3) == [("a", "outside"), ("b", "inside")]


@pytest.mark.parametrize(
    ("finding", "difference", "p", "level"),
    [
        ("higher", 0.01, 0.0001, 3),
        ("higher", 0.9, 0.03, 2),
        ("lower", -0.01, 0.0001, -3),
        ("open", -0.9, 0.1, 0),
        ("hinges", -0.9, 0.0001, -1),
        ("borderline", 0.1, 0.06, 1),
        ("open", 0.9, 0.5, 0),
        (None, None, None, 0),
    ],
)
def test_a_colour_says_how_sure_a_difference_is_and_not_how_large(
    finding: str | None, difference: float | None, p: float | None, level: int
) -> None:
    assert certainty({"finding": finding, "difference": difference, "p_holm": p}) == level


def test_axes_fit_what_is_drawn() -> None:
    assert fitted([0.1, 0.4], 0, 10) == pytest.approx((0, 0.415))
    assert fitted([8, 9], 0, 10) == pytest.approx((7.95, 9.05))
    assert fitted([], 0, 10) == (0, 10)
    low, high = difference_range([Dot("a", 0.4, 0.3, 0.5)], 1.0)
    assert low < 0 and 0.5 < high < 0.53


def test_groups_are_counted_in_words_and_whole_numbers() -> None:
    assert groups_text({"wins": 19.0, "ties": 7.0, "losses": 0.0}) == "19 higher, 7 same, 0 lower"
    assert groups_text({"wins": float("nan"), "ties": None, "losses": None}) == "–"
