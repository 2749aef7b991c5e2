"""Camps in a panel, by the agreement of every two judges."""

from __future__ import annotations

from itertools import combinations

import pytest

from harness.judging.cards.camps import camp_lines, camps


def alphas(judges: str, alike: set[str]) -> dict[frozenset[str], float | None]:
    return {frozenset(pair): 0.9 if "".join(sorted(pair)) in alike else 0.1 for pair in combinations(judges, 2)}


@pytest.mark.parametrize(
    ("judges", "alike", "expected"),
    [
        ("abc", {"bc"}, ["bc", "a"]),
        ("abc", {"ab", "ac", "bc"}, ["abc"]),
        ("abc", set(), ["a", "b", "c"]),
        ("abcd", {"ab", "cd"}, ["ab", "cd"]),
        ("abc", {"ab", "bc"}, ["bc", "a"]),
        ("a", set(), ["a"]),
    ],
    ids=["one apart", "of one mind", "all apart", "two camps", "a chain is no camp", "one judge"],
)
def test_judges_are_a_camp_where_every_two_of_them_agree(judges: str, alike: set[str], expected: list[str]) -> None:
    found = camps(list(judges), alphas(judges, alike))
    assert ["".join(camp.judges) for camp in found] == expected


def test_a_pair_that_shares_nothing_is_no_camp() -> None:
    assert len(camps(["a", "b"], {frozenset("ab"): None})) == 2


def test_the_sentence_takes_nobodys_side() -> None:
    lines = camp_lines(camps(list("abc"), alphas("abc", {"bc"})))
    assert (
        lines[0]
        == "A camp: b, c agree among themselves (alpha 0.90 or more), and with the others at most at alpha 0.10."
    )
    assert lines[1] == "Of a mind of its own: a."
    assert "does not say which of them is right" in lines[2]
    assert camp_lines(camps(["a"], {})) == []
